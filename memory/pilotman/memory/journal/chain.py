"""The journal's hash chains, pure: the events of each run, and the blocks of the journal.

A run's chain begins at ``genesis``, which binds its id and tenant; each event's hash binds all that is stored
of it and the hash before. ``Block``s seal what was added: they bind the ends of runs, the totals so far and
the block before. Hashes are SHA-256, 64 hexadecimal digits, over a JSON list: the hash before, then the
values, in UTF-8, without spaces, escaped no more than RFC 8259 demands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from orjson import dumps

from pilotman.memory.storage.codec import dump
from pilotman.memory.storage.stored import ERASED, is_text

HASHED = (
    *("run_id", "seq", "key", "at", "kind", "actor", "step_id", "model", "tool"),
    *("latency_ms", "input_tokens", "output_tokens", "cost_nusd", "result", "data"),
)
"""An event's columns in the order in which they are hashed: all but the hash itself."""


def chained(previous: str, values: Iterable[Any]) -> str:
    """The hash of ``values`` (text, numbers, None, sealed content) after ``previous``.

    Raises:
        TypeError: a value of another type, text that UTF-8 cannot hold, or what was erased without a digest.
    """
    return sha256(dumps([previous, *map(_said, values)])).hexdigest()


def _said(value: Any) -> Any:
    """A value as it is hashed."""
    if type(value) is float:
        return repr(value)  # there are several ways to write fractions as JSON
    return value if type(value) is not bytes else _content(value)


def _content(stored: bytes) -> str | list[str]:
    """Sealed content by its digest in a list: it stays when that is erased. Old text itself."""
    if is_text(stored):
        try:
            return stored.decode()
        except UnicodeDecodeError as error:
            raise TypeError("bytes that are neither content nor text") from error
    if stored[:1] != ERASED:
        return [sha256(stored).hexdigest()]
    if len(stored) != 33:
        raise TypeError("no digest of what was erased")
    return [stored[1:].hex()]


def genesis(run_id: str, tenant: str) -> str:
    """What a run's first event follows."""
    return chained("pilotman run", (run_id, tenant))


class Head(NamedTuple):
    """What a block says of a run: it got the events ``first`` to ``seq``, and ``hash`` is the last one's."""

    run_id: str
    first: int
    seq: int
    hash: str


@dataclass(slots=True)
class Tail:
    """The end of a run's chain while a transaction adds to it; ``first`` is the number that it adds first."""

    first: int
    seq: int
    hash: str

    @property
    def grown(self) -> bool:
        """Whether anything was added."""
        return self.seq >= self.first

    def head(self, run_id: str) -> Head:
        """What was added."""
        return Head(run_id, self.first, self.seq, self.hash)


class Block(NamedTuple):
    """A seal on what was added. ``events`` and ``runs`` count all of the journal up to and with this block.

    ``heads`` is JSON: a list of lists, each a ``Head``, by run.
    """

    number: int
    heads: str
    events: int
    runs: int
    previous: str
    hash: str

    @classmethod
    def sealed(cls, number: int, heads: Iterable[Head], events: int, runs: int, previous: str) -> Block:
        """A block with its hash."""
        listed = dump(sorted(heads))
        return cls(number, listed, events, runs, previous, block_hash(number, listed, events, runs, previous))

    def follow(self, heads: Iterable[Head]) -> Block:
        """The next block."""
        heads = tuple(heads)
        events = self.events + sum(head.seq - head.first + 1 for head in heads)
        runs = self.runs + sum(head.first == 1 for head in heads)
        return Block.sealed(self.number + 1, heads, events, runs, self.hash)


def block_hash(number: int, heads: str, events: int, runs: int, previous: str) -> str:
    """The hash that a block with this content has."""
    return chained(previous, (number, heads, events, runs))


EMPTY = Block(0, "[]", 0, 0, "", chained("pilotman journal", ()))
"""What the first block follows, in a journal that was chained from its beginning."""
