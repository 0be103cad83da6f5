"""Token counts where a provider gives none: an upper bound for ordinary text, from UTF-8 bytes.

Byte-level encodings spend about 4 bytes a token on English and 3 on JSON or Chinese; 3 errs upwards.
"""

from __future__ import annotations

from typing import Any

from pilotman.guardrails.digest import canonical

BYTES_PER_TOKEN = 3


def estimate_tokens(value: Any) -> int:
    """Tokens of a JSON-able value or a text, at least 1."""
    try:
        size = len(value.encode()) if isinstance(value, str) else len(canonical(value))
    except (TypeError, ValueError):  # not JSON, or a lone surrogate
        size = len(repr(value).encode("utf-8", "replace"))
    return size // BYTES_PER_TOKEN + 1
