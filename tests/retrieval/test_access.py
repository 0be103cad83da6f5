from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.seal import Subject
from pilotman.retrieval.access import (
    inside,
    reaches,
    reader_of_tenant,
    reader_of_user,
    readers_of,
    subject_of,
    tags_of,
    tenant_of,
)

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


@given(*2 * [st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)])
def test_an_owner_is_known_again_whatever_the_names(tenant: str, user: str) -> None:
    owner = reader_of_user(tenant, user)
    assert subject_of(owner) == Subject(tenant, user)
    assert tenant_of([owner, reader_of_tenant(tenant)]) == tenant
    assert readers_of([owner]) <= tags_of(Principal(tenant=tenant, user=user))


@pytest.mark.parametrize("owner", ["alice", "tenant:acme", "user:acme", "user:acme/a/b", "*", ""])
def test_an_owner_that_is_no_user_is_an_error(owner: str) -> None:
    with pytest.raises(ConfigurationError, match="is no owner"):
        subject_of(owner)


def test_who_reads_alone_and_who_reads_too() -> None:
    assert [tenant_of([one]) for one in ("*", "role:oncall", "role:acme/oncall")] == [None, None, "acme"]
    assert tenant_of(["tenant:acme", "tenant:globex"]) is None
    assert tenant_of([]) is None
    reached = ["*", "role:oncall", "tenant:acme", "user:acme/bob", "role:acme/oncall"]
    assert all(reaches("acme", [reader]) for reader in reached)
    assert not reaches("acme", ["tenant:globex", "user:globex/alice", "role:globex/oncall"])
