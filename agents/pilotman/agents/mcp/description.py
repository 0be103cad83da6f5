"""What a model is told of a tool from elsewhere: its words, cleaned, and what is to be said about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilotman.agents.mcp.server import MAX_DESCRIPTION
from pilotman.agents.soundness import check_foreign
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.incoming.cleaner import Suspicion, clean
from pilotman.guardrails.incoming.hidden import seen
from pilotman.guardrails.pin import Definition
from pilotman.guardrails.shape import is_list, is_mapping

_WORDS = frozenset({"description", "title", "$comment"})
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A tool's description and schema for a model. ``suspicions``: why a person should read the originals."""

    description: str
    schema: Mapping[str, Any]
    suspicions: frozenset[Suspicion]


def shown(definition: Definition) -> Shown:
    """The words of a definition as a model may see them.

    Raises:
        ConfigurationError: no model can be shown such a tool; the message says why.
    """
    name = f"{definition.server}/{definition.name}"
    if len(definition.description) > MAX_DESCRIPTION:
        size = len(definition.description)
        raise ConfigurationError(
            f"the description of {name} is too long: {size} characters, at most {MAX_DESCRIPTION}"
        )
    check_foreign({word: value for word, value in definition.schema.items() if word != "$id"}, name)
    described = clean(definition.description)
    found = set(described.suspicions)
    schema = _schema(definition.schema, name, found)
    return Shown(description=described.value, schema=schema, suspicions=frozenset(found))


def _schema(node: Any, name: str, found: set[Suspicion], *, names: bool = False) -> Any:
    """A copy whose descriptions are clean. ``names``: the keys are those of properties."""
    if is_mapping(node):
        return {word: _value(word, inner, name, found, names=names) for word, inner in node.items()}
    if is_list(node):
        return [_schema(item, name, found) for item in node]
    if isinstance(node, str):
        found |= clean(node).suspicions
        if seen(node) != node:  # a value that a call has to give exactly: it cannot be cleaned
            raise ConfigurationError(f"the schema of {name} hides characters in {ascii(node)[:100]}")
    return node


def _value(word: str, inner: Any, name: str, found: set[Suspicion], *, names: bool) -> Any:
    if word in _WORDS and isinstance(inner, str) and not names:
        cleaned = clean(inner)
        found |= cleaned.suspicions
        return cleaned.value
    return _schema(inner, name, found, names=word in _NAMED and not names)
