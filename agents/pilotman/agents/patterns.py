"""Regular expressions that others wrote: bounded in time and in size."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import jsonschema_rs

LIMITS: Final = jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=1 << 20)
"""How often a pattern may go back in a text, and its size compiled, in bytes. A text for which it would have
to go back more often does not match."""


def search(pattern: str, text: str) -> bool | None:
    """Whether a pattern (ECMA 262, as JSON schemas have it) matches somewhere; None: it is no pattern."""
    validator = _compiled(pattern)
    return None if validator is None else validator.is_valid(text)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> jsonschema_rs.Validator | None:
    try:
        return jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=LIMITS)
    except ValueError:
        return None
