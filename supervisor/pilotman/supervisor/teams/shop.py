"""The shop behind the support team: accounts, orders and refunds of each tenant's customers."""

from __future__ import annotations

import json
import shutil
import sqlite3
import weakref
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

from pilotman.guardrails.errors import Unavailable

_SCHEMA = """
create table if not exists account (
    tenant text not null, customer text not null, name text not null, email text not null,
    address text not null, phone text not null, primary key (tenant, customer)
);
create table if not exists purchase (
    tenant text not null, order_id text not null, customer text not null, item text not null,
    placed_on text not null, status text not null, total text not null, primary key (tenant, order_id)
);
create table if not exists refund (
    tenant text not null, order_id text not null, state text not null, amount text not null,
    requested_on text not null, paid_on text, primary key (tenant, order_id)
);
create table if not exists change (
    tenant text not null, key text not null, customer text not null, before text not null,
    after text not null, changed_at text not null, primary key (tenant, key)
);
"""
CHANGEABLE = ("email", "address", "phone")


@dataclass(frozen=True, kw_only=True)
class Account:
    """A customer's account. ``customer`` is the name that the customer signs in with."""

    customer: str
    name: str
    email: str
    address: str
    phone: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order. ``placed_on`` is a date, ISO 8601; ``total`` is an amount with its currency."""

    order_id: str
    customer: str
    item: str
    placed_on: str
    status: str
    total: str


@dataclass(frozen=True, kw_only=True)
class Refund:
    """A refund of an order. ``state``: requested, approved, paid or refused."""

    order_id: str
    state: str
    amount: str
    requested_on: str
    paid_on: str | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change that was made: the fields before and after. ``changed_at`` is ISO 8601 in UTC."""

    customer: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    changed_at: str


class Shop(Protocol):
    """The port. Its methods may block: they are called from a thread, and from any."""

    def account(self, *, tenant: str, customer: str) -> Account | None:
        """A customer's account."""
        ...

    def order(self, *, tenant: str, order_id: str) -> Order | None:
        """An order of anybody in the tenant: the caller checks whose it is."""
        ...

    def refund(self, *, tenant: str, order_id: str) -> Refund | None:
        """The refund of an order, if one was asked for."""
        ...

    def change(self, *, tenant: str, customer: str, fields: Mapping[str, str], key: str) -> Change | None:
        """Change an account; a known key changes nothing and gives back its change. None: no such account."""
        ...

    def find_change(self, *, tenant: str, key: str) -> Change | None:
        """The change that was made with this key."""
        ...


class SQLiteShop:
    """A shop in a file, shared by processes. Without a path it is in a temporary folder and ends with it.

    Raises:
        Unavailable: from every method, if the file cannot be read or written; nothing was changed.
    """

    def __init__(
        self, path: str | Path | None = None, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        if path is None:
            folder = mkdtemp(prefix="pilotman-shop-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            path = Path(folder) / "shop.db"
        self.path = Path(path)
        self._clock = clock or (lambda: datetime.now(UTC))

    def account(self, *, tenant: str, customer: str) -> Account | None:
        row = self._row("account", {"tenant": tenant, "customer": customer})
        return None if row is None else Account(**row)

    def order(self, *, tenant: str, order_id: str) -> Order | None:
        row = self._row("purchase", {"tenant": tenant, "order_id": order_id})
        return None if row is None else Order(**row)

    def refund(self, *, tenant: str, order_id: str) -> Refund | None:
        row = self._row("refund", {"tenant": tenant, "order_id": order_id})
        return None if row is None else Refund(**row)

    def change(self, *, tenant: str, customer: str, fields: Mapping[str, str], key: str) -> Change | None:
        unknown = set(fields) - set(CHANGEABLE)
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be changed")
        known = self.find_change(tenant=tenant, key=key)
        account = self.account(tenant=tenant, customer=customer)
        if known is not None or account is None:
            return known
        before = {name: asdict(account)[name] for name in fields}
        now = self._clock().astimezone(UTC).isoformat()
        with self._connection() as connection:
            written = connection.execute(
                "insert into change values (?, ?, ?, ?, ?, ?) on conflict do nothing",
                (tenant, key, customer, json.dumps(before), json.dumps(dict(fields)), now),
            )
            if written.rowcount:  # else another process was faster, with the same key
                for name in CHANGEABLE:
                    if name in fields:
                        statement = f"update account set {name} = ? where tenant = ? and customer = ?"  # noqa: S608
                        connection.execute(statement, (fields[name], tenant, customer))
        return self.find_change(tenant=tenant, key=key)

    def find_change(self, *, tenant: str, key: str) -> Change | None:
        row = self._row("change", {"tenant": tenant, "key": key})
        if row is None:
            return None
        before, after = json.loads(row["before"]), json.loads(row["after"])
        return Change(customer=row["customer"], before=before, after=after, changed_at=row["changed_at"])

    def add(self, tenant: str, *records: Account | Order | Refund) -> None:
        """Write records; one that is there already is left as it is."""
        tables: Mapping[type[Any], str] = {Account: "account", Order: "purchase", Refund: "refund"}
        with self._connection() as connection:
            for record in records:
                row = {"tenant": tenant, **asdict(record)}
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                statement = (
                    f"insert into {tables[type(record)]} ({names}) values ({marks}) on conflict do nothing"  # noqa: S608
                )
                connection.execute(statement, tuple(row.values()))

    def _row(self, table: str, key: Mapping[str, str]) -> dict[str, Any] | None:
        where = " and ".join(f"{name} = ?" for name in key)
        with self._connection() as connection:
            found = connection.execute(f"select * from {table} where {where}", tuple(key.values())).fetchone()  # noqa: S608
        if found is None:
            return None
        dropped = {"tenant"} if table != "change" else {"tenant", "key"}
        return {name: found[name] for name in found.keys() if name not in dropped}  # noqa: SIM118 (a Row)

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        """A connection for one operation: no thread, loop or forked process ever shares one."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=5.0)) as connection:
                connection.row_factory = sqlite3.Row
                connection.execute("pragma journal_mode = wal")
                connection.executescript(_SCHEMA)
                with connection:
                    yield connection
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"the shop {self.path} cannot be used: {error}") from error


def add_samples(shop: SQLiteShop, *, tenant: str, customer: str, today: date) -> None:
    """Sample data for a tenant: three orders of ``customer``, two with a refund, and somebody else's account.

    A tenant that has order A-1001 already is left as it is.
    """
    if shop.order(tenant=tenant, order_id="A-1001") is not None:
        return

    def before(days: int) -> str:
        return date.fromordinal(today.toordinal() - days).isoformat()

    def account(who: str, name: str) -> Account:
        email = f"{who}@example.com"
        return Account(
            customer=who, name=name, email=email, address="1 Station Road, Hillford", phone="+44 20 7946 0000"
        )

    def order(number: str, who: str, item: str, days: int, status: str, total: str) -> Order:
        return Order(
            order_id=number, customer=who, item=item, placed_on=before(days), status=status, total=total
        )

    other = "robin" if customer != "robin" else "kim"
    shop.add(
        tenant,
        account(customer, customer.capitalize()),
        account(other, other.capitalize()),
        order("A-1001", customer, "rain jacket", 21, "returned", "EUR 89.00"),
        order("A-1002", customer, "hiking boots", 40, "returned", "EUR 129.50"),
        order("A-1003", customer, "head torch", 6, "delivered", "EUR 34.90"),
        order("B-2001", other, "tent", 12, "delivered", "EUR 249.00"),
        Refund(order_id="A-1001", state="approved", amount="EUR 89.00", requested_on=before(5)),
        Refund(
            order_id="A-1002", state="paid", amount="EUR 129.50", requested_on=before(30), paid_on=before(24)
        ),
    )
