"""Who asks: complete, unchangeable, and the same after JSON and pickle."""

from __future__ import annotations

import copy
import pickle

import orjson
import pytest

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError

ALICE = Principal(
    tenant="acme",
    user="alice",
    roles=frozenset({"sre", "approver"}),
    attributes={"team": "ops"},
)


@pytest.mark.parametrize(("tenant", "user"), [("", "alice"), ("acme", ""), ("", "")])
def test_nobody_asks_anonymously(tenant: str, user: str) -> None:
    with pytest.raises(ConfigurationError):
        Principal(tenant=tenant, user=user)


@pytest.mark.parametrize("odd", ["a\x00b", "\ud800"])
def test_a_name_that_storage_would_change_is_no_name(odd: str) -> None:
    """It would become another's."""
    for tenant, user in (("acme", odd), (odd, "alice")):
        with pytest.raises(ConfigurationError):
            Principal(tenant=tenant, user=user)


def test_json_both_ways() -> None:
    assert Principal.from_dict(orjson.loads(orjson.dumps(ALICE.to_dict()))) == ALICE
    assert Principal.from_dict({"tenant": "t", "user": "u"}) == Principal(tenant="t", user="u")


def test_pickle_and_copies() -> None:
    assert pickle.loads(pickle.dumps(ALICE)) == ALICE
    assert copy.deepcopy(ALICE) == ALICE


def test_principals_can_be_keys_and_cannot_be_changed() -> None:
    assert {ALICE: 1}[Principal.from_dict(ALICE.to_dict())] == 1
    with pytest.raises(AttributeError):
        ALICE.tenant = "other"  # type: ignore[misc]
