"""What may be handed to Cedar's parser: it ends the process where it runs out of stack."""

from __future__ import annotations

import re

MAX_DEPTH = 30
"""Brackets in brackets. cedarpy 4.12 dies at 400 to 1000 with 8 MB of stack, at 40 with half of one."""
MAX_LINKS = 500
"""Operators, attributes and alternatives of one statement. cedarpy 4.12 dies at 1000 to 3000 with 8 MB."""

_TOKEN = re.compile(r'//[^\n\r]*|"(?:\\.|[^"\\])*"|(&&|\|\||[-+*.\[]|\bif\b)|([({<])|([)}\]>])')


def checked(text: str) -> str:
    """The text itself, a statement or a schema.

    Raises:
        ValueError: it is nested too deeply, or too long a chain.
    """
    depth = links = 0
    for match in _TOKEN.finditer(text):
        links += match[1] is not None
        depth += (match[2] is not None or match[1] == "[") - (match[3] is not None)
        depth = max(0, depth)
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        if links > MAX_LINKS:
            raise ValueError(f"it has more than {MAX_LINKS} operators and attributes: split it")
    return text
