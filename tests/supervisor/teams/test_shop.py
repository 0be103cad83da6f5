"""The shop: accounts change once a key, and tenants are apart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pilotman.guardrails.errors import Unavailable
from pilotman.supervisor.teams.shop import SQLiteShop, add_samples

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> SQLiteShop:
    shop = SQLiteShop(tmp_path / "shop.db", clock=lambda: NOON)
    add_samples(shop, tenant="acme", customer="alice", today=NOON.date())
    return shop


def email(shop: SQLiteShop, customer: str = "alice", tenant: str = "acme") -> str | None:
    account = shop.account(tenant=tenant, customer=customer)
    return None if account is None else account.email


def test_a_change_is_made_once(shop: SQLiteShop) -> None:
    first = shop.change(tenant="acme", customer="alice", fields={"email": "new@example.com"}, key="k")
    assert first is not None
    assert (first.before, first.after) == ({"email": "alice@example.com"}, {"email": "new@example.com"})
    shop.change(tenant="acme", customer="alice", fields={"email": "third@example.com"}, key="l")
    assert shop.change(tenant="acme", customer="alice", fields={"email": "new@example.com"}, key="k") == first
    assert email(shop) == "third@example.com"
    assert shop.find_change(tenant="acme", key="k") == first


def test_many_threads_with_one_key_make_one_change(shop: SQLiteShop) -> None:
    def change(_: int) -> object:
        return shop.change(tenant="acme", customer="alice", fields={"phone": "+44 1"}, key="k")

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(change, range(16)))
    assert len({str(one) for one in made}) == 1


def test_what_may_not_change_does_not(shop: SQLiteShop) -> None:
    with pytest.raises(ValueError, match="name"):
        shop.change(tenant="acme", customer="alice", fields={"name": "Mallory"}, key="k")
    assert shop.change(tenant="acme", customer="nobody", fields={"email": "x@example.com"}, key="k") is None
    assert shop.find_change(tenant="acme", key="k") is None


def test_tenants_do_not_meet(shop: SQLiteShop) -> None:
    add_samples(shop, tenant="other", customer="alice", today=NOON.date())
    shop.change(tenant="other", customer="alice", fields={"email": "new@example.com"}, key="k")
    assert email(shop) == "alice@example.com"
    assert shop.find_change(tenant="acme", key="k") is None
    assert shop.order(tenant="third", order_id="A-1001") is None
    assert shop.refund(tenant="third", order_id="A-1001") is None


def test_samples_are_written_once(shop: SQLiteShop) -> None:
    add_samples(shop, tenant="acme", customer="bob", today=date(2030, 1, 1))
    order = shop.order(tenant="acme", order_id="A-1001")
    assert order is not None
    assert order.customer == "alice"
    assert email(shop, "bob") is None


def test_a_shop_without_a_path_leaves_nothing_behind() -> None:
    shop = SQLiteShop()
    add_samples(shop, tenant="acme", customer="alice", today=NOON.date())
    path = shop.path
    assert path.exists()
    del shop
    assert not path.parent.exists()


def test_a_shop_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_bytes(b"no database " * 100)
    with pytest.raises(Unavailable, match="the shop"):
        SQLiteShop(tmp_path / "shop.db").account(tenant="acme", customer="alice")
