"""A result or a passage as a model may see it. Pure, linear, and the same again if done twice.

What it takes out or changes, in this order: hidden characters, the markup of pages, pictures that would be
fetched, the tokens of chat templates; sentences that read like instructions are put in brackets. Honest text
comes back as it is. What was found makes a value suspicious, which is a label: it allows and denies nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from pilotman.guardrails.incoming.hidden import printable, unhidden
from pilotman.guardrails.incoming.markup import is_page, read_page, without_pictures
from pilotman.guardrails.incoming.orders import marked, reads_like_orders, unmarked, unspoken
from pilotman.guardrails.shape import is_list, is_mapping

Suspicion: TypeAlias = Literal["hidden_text", "chat_tokens", "instructions"]
"""Why a value is suspicious: text that no person sees may carry a message; it holds tokens of chat templates;
it reads like instructions to a model."""

DEEPEST: Final = 64
VERSION: Final = "1"
"""Of these rules: what a model saw can be told from the stored result and this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleaned:
    """A value for a model. ``did`` counts what was done, by name; ``suspicions`` say what may be behind it.

    Of ``did``: ``hidden`` characters, ``markup`` of pages, ``pictures``, ``tokens``, ``marked`` sentences,
    ``cut`` where it is nested too deeply.
    """

    value: Any
    did: Mapping[str, int]
    suspicions: frozenset[Suspicion]


def clean(value: Any, *, third_party: bool | Sequence[str] = True) -> Cleaned:
    """A JSON-able value as a model may see it, keys too.

    ``third_party`` as of a tool: whether others wrote it, or the names of the fields that they did. What we
    wrote ourselves keeps its markup and is not looked at for instructions.
    """
    cleaner = _Cleaner(frozenset() if isinstance(third_party, bool) else frozenset(third_party))
    cleaned = cleaner.value(value, "", foreign=third_party is True, depth=0)
    return Cleaned(
        value=cleaned, did=MappingProxyType(dict(cleaner.did)), suspicions=frozenset(cleaner.suspicions)
    )


class _Cleaner:
    """One pass over a value. ``fields``: the names of those that third parties write."""

    def __init__(self, fields: frozenset[str]) -> None:
        self._fields = fields
        self.did = Counter[str]()
        self.suspicions: set[Suspicion] = set()

    def value(self, value: Any, path: str, *, foreign: bool, depth: int) -> Any:
        foreign = foreign or (bool(path) and path in self._fields)
        if isinstance(value, str):
            return self._text(value, foreign=foreign)
        if depth >= DEEPEST and (is_mapping(value) or is_list(value)):
            self._note("cut", 1)
            return "\u2026"
        if is_mapping(value):
            return self._mapping(value, path, foreign=foreign, depth=depth)
        if is_list(value):
            return [self.value(item, path, foreign=foreign, depth=depth + 1) for item in value]
        return value

    def _mapping(self, mapping: Mapping[Any, Any], path: str, *, foreign: bool, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in mapping.items():
            said, name = str(key), self._text(str(key), foreign=foreign)
            while name in found:  # two keys that look the same: neither may hide the other
                said += "'"
                longer = self._text(said, foreign=foreign)
                name = longer if len(longer) > len(name) else f"{name}'"
            own = foreign or str(key) in self._fields
            under = f"{path}.{key}" if path else str(key)
            found[name] = self.value(item, under, foreign=own, depth=depth + 1)
        return found

    def _text(self, text: str, *, foreign: bool) -> str:
        shown = self._shown(text)
        if not foreign:
            return self._unspoken(shown)
        bare = unmarked(shown)  # what stood behind a bracket may be hidden now
        plain = self._unspoken(self._unmarked_up(bare if bare == shown else self._shown(bare)))
        brackets, count = marked(plain)
        if count:
            self._note("marked", count)
            self.suspicions.add("instructions")
            return brackets
        return plain if bare == shown else self._unspoken(self._unmarked_up(shown))

    def _shown(self, text: str) -> str:
        """The text without hidden characters."""
        found = unhidden(printable(text))
        self._note("hidden", found.removed)
        if found.smuggled:
            self.suspicions.add("hidden_text")
        return found.text

    def _unmarked_up(self, text: str) -> str:
        """A page as its text; no pictures that would be fetched."""
        if "<" in text and is_page(text):
            page = read_page(text)
            self._note("markup", 1)
            if reads_like_orders(page.hidden):
                self.suspicions.add("hidden_text")
            text = page.text
        text, pictures = without_pictures(text) if "![" in text else (text, 0)
        self._note("pictures", pictures)
        return text

    def _unspoken(self, text: str) -> str:
        text, tokens = unspoken(text)
        self._note("tokens", tokens)
        if tokens:
            self.suspicions.add("chat_tokens")
        return text

    def _note(self, what: str, count: int) -> None:
        if count:
            self.did[what] += count
