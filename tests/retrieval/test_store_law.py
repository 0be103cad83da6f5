"""Whatever principals do to a store, and to another on the same folder: each is served exactly its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from langchain_core.documents import Document
from tests.retrieval.conftest import Clock, HashEmbeddings

from pilotman.guardrails.errors import PermissionDenied
from pilotman.guardrails.principal import Principal
from pilotman.retrieval import FaissVectorStore
from pilotman.retrieval.access import tags_of

PRINCIPALS = (
    None,
    Principal(tenant="acme", user="alice", roles=frozenset({"oncall"})),
    Principal(tenant="acme", user="bob"),
    Principal(tenant="umbrella", user="alice", roles=frozenset({"oncall"})),
)
READERS = {
    "": (["*"], ["tenant:acme"], ["role:oncall"], ["user:umbrella/alice"]),
    "acme": (["tenant:acme"], ["user:acme/alice"], ["user:acme/bob"], ["role:acme/oncall"]),
    "umbrella": (["tenant:umbrella"], ["user:umbrella/alice"]),
}
ALL = 1_000

who = st.sampled_from(PRINCIPALS)
ids = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3)
door = st.integers(0, 1)
seed = st.integers(0, 3)


@dataclass(frozen=True)
class Written:
    text: str
    readers: frozenset[str]
    expires: datetime | None


def tenant_of(principal: Principal | None) -> str:
    return "" if principal is None else principal.tenant


def tags(principal: Principal | None) -> frozenset[str]:
    return frozenset({"*"}) if principal is None else tags_of(principal)


class Stores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="pilotman-law-")
        self.clock = Clock()
        self.stores = [self.opened(), self.opened()]
        self.model: dict[tuple[str, str], Written] = {}
        self.count = 0

    def opened(self) -> FaissVectorStore:
        return FaissVectorStore(HashEmbeddings(), Path(self.folder.name), clock=self.clock)

    def at(self, door: int, principal: Principal | None) -> FaissVectorStore:
        return self.stores[door] if principal is None else self.stores[door].for_principal(principal)

    def may_change(self, principal: Principal | None, name: str) -> bool:
        found = self.model.get((tenant_of(principal), name))
        return found is None or principal is None or bool(found.readers & tags(principal))

    @rule(door=door, principal=who, ids=ids, seed=seed, hours=st.sampled_from([None, 1, 2]))
    def write(
        self, door: int, principal: Principal | None, ids: list[str], seed: int, hours: int | None
    ) -> None:
        choices = READERS[tenant_of(principal)]
        readers = choices[seed % len(choices)]
        expires = None if hours is None else self.clock.now + timedelta(hours=hours)
        self.count += 1
        texts = [f"text {self.count} of {n}" for n in range(len(ids))]
        metadatas = [{"n": n} for n in range(len(ids))]
        store = self.at(door, principal)
        if not all(self.may_change(principal, name) for name in ids):
            try:
                store.add_texts(texts, metadatas, ids=ids, readers=readers, expires_at=expires)
            except PermissionDenied:
                return
            raise AssertionError("what may not be read was overwritten")
        assert store.add_texts(texts, metadatas, ids=ids, readers=readers, expires_at=expires) == ids
        for name, text in zip(ids, texts, strict=True):
            self.model[tenant_of(principal), name] = Written(text, frozenset(readers), expires)

    @rule(door=door, principal=who, ids=ids)
    def delete(self, door: int, principal: Principal | None, ids: list[str]) -> None:
        assert self.at(door, principal).delete(ids)
        self.forget(principal, ids)

    @rule(door=door, principal=who)
    def delete_all(self, door: int, principal: Principal | None) -> None:
        assert self.at(door, principal).delete()
        self.forget(principal, "abcd")

    def forget(self, principal: Principal | None, ids: Iterable[str]) -> None:
        for name in ids:
            if self.may_change(principal, name):
                self.model.pop((tenant_of(principal), name), None)

    @rule(door=door, principal=who, ids=ids, seed=seed)
    def permit(self, door: int, principal: Principal | None, ids: list[str], seed: int) -> None:
        choices = READERS[tenant_of(principal)]
        readers = choices[seed % len(choices)]
        self.at(door, principal).set_readers(ids, readers)
        for name in set(ids):
            key = (tenant_of(principal), name)
            if key in self.model and self.may_change(principal, name):
                old = self.model[key]
                self.model[key] = Written(old.text, frozenset(readers), old.expires)

    @rule(hours=st.sampled_from([0.5, 1]))
    def wait(self, hours: float) -> None:
        self.clock.forward(hours=hours)

    @precondition(lambda self: self.model)
    @rule(door=door)
    def reopen(self, door: int) -> None:
        self.stores[door].close()
        self.stores[door] = self.opened()

    @invariant()
    def each_is_served_exactly_its_own(self) -> None:
        for door in (0, 1):
            for principal in PRINCIPALS:
                store = self.at(door, principal)
                expected = {
                    (name, one.text) for (_, name), one in self.model.items() if self.served(one, principal)
                }
                assert shown(store.similarity_search("text", k=ALL)) == expected
                assert len(store.similarity_search("text", k=1)) == min(1, len(expected))
                few = {one for one in expected if one[1].endswith(" 0")}
                assert shown(store.similarity_search("text", k=ALL, filter={"n": 0})) == few
                assert shown(store.get_by_ids("abcd")) == {
                    one for name in "abcd" for one in self.named(principal, name)
                }

    def served(self, one: Written, principal: Principal | None) -> bool:
        return bool(one.readers & tags(principal)) and (one.expires is None or one.expires > self.clock.now)

    def named(self, principal: Principal | None, name: str) -> set[tuple[str, str]]:
        """What an id names: the tenant's own, else the public one."""
        found = [self.model.get((space, name)) for space in (tenant_of(principal), "")]
        texts = [one.text for one in found if one is not None and self.served(one, principal)]
        return {(name, text) for text in texts[:1]}

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()


def shown(documents: list[Document]) -> set[tuple[str | None, str]]:
    found = [(document.id, document.page_content) for document in documents]
    assert len(found) == len(set(found))
    return set(found)


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
