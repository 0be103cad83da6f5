from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval.access import inside, reader_of_tenant, readers_of, tags_of

ALICE = Principal(tenant="acme", user="alice", roles=frozenset({"oncall"}))


@pytest.mark.parametrize("reader", ["*", "tenant:acme", "user:acme/alice", "role:oncall", "role:acme/oncall"])
def test_each_form_lets_its_reader_in(reader: str) -> None:
    assert readers_of([reader]) & tags_of(ALICE)


@pytest.mark.parametrize(
    "reader",
    ["tenant:globex", "user:acme/bob", "user:globex/alice", "role:admin", "role:globex/oncall", "tenant:acm"],
)
def test_nobody_else_is_let_in(reader: str) -> None:
    assert not readers_of([reader]) & tags_of(ALICE)


@pytest.mark.parametrize(
    "readers", [[], "tenant:acme", ["acme"], ["tenant:"], ["user:alice"], ["group:x"], [""], [None]]
)
def test_readers_that_cannot_be_meant_are_refused(readers: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        readers_of(readers)


NAMES = st.text(alphabet="ab/%2F", min_size=1, max_size=6)


@given(NAMES, NAMES, NAMES, NAMES, NAMES)
def test_no_name_passes_for_another(tenant: str, user: str, role: str, other: str, other_user: str) -> None:
    mine = tags_of(Principal(tenant=tenant, user=user, roles=frozenset({role})))
    theirs = tags_of(Principal(tenant=other, user=other_user))
    personal = {tag for tag in theirs if tag.startswith("user:")}
    if (tenant, user) != (other, other_user):
        assert not mine & personal
    if tenant != other:
        assert not mine & {tag for tag in theirs if tag.startswith("tenant:")}


def test_a_role_of_one_tenant_cannot_be_had_by_naming_a_role_so() -> None:
    intruder = Principal(tenant="globex", user="eve", roles=frozenset({"acme/oncall"}))
    assert not readers_of(["role:acme/oncall"]) & tags_of(intruder)


names = st.text("ab%/2F*:", min_size=1, max_size=5)


@given(names, names, names, st.frozensets(names, max_size=2), names)
def test_what_is_inside_a_tenant_nobody_of_another_can_read(
    tenant: str, other: str, user: str, roles: frozenset[str], role: str
) -> None:
    insider = Principal(tenant=tenant, user=user, roles=roles)
    outsider = Principal(tenant=other, user=user, roles=roles | {role, f"{tenant}/{role}"})
    readers = {reader for reader in tags_of(insider) if inside(tenant, [reader])}
    assert reader_of_tenant(tenant) in readers
    assert tenant == other or not readers & tags_of(outsider)


@pytest.mark.parametrize(
    "reader", ["*", "role:oncall", "tenant:acmes", "user:acmes/alice", "role:other/acme"]
)
def test_what_others_can_read_is_not_inside(reader: str) -> None:
    assert not inside("acme", [reader, "tenant:acme"])
