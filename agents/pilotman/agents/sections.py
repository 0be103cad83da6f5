"""The delimited JSON blocks that carry data inside a prompt.

    <request>
    "web-1 is out of disk"
    </request>

Every ``<``, ``>`` and ``&`` of the data is written as a JSON escape, so no data can open or close a
block, whatever it contains, and ``parse_sections`` gives back exactly what ``render_sections`` was given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from pilotman.guardrails.shape import is_list

_BLOCK = re.compile(r"^<([a-z_]+)>\n([^<]*)\n</\1>$", re.MULTILINE)
_AS_JSON_DOES = (
    orjson.OPT_NON_STR_KEYS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def render_sections(sections: Mapping[str, Any]) -> str:
    """One block for each name (lower-case letters and ``_``), in order; a list takes a line for each item.

    Values are JSON-able; anything else is written as its ``str``.
    """
    return "\n\n".join(f"<{name}>\n{_body(value)}\n</{name}>" for name, value in sections.items())


def parse_sections(text: str) -> dict[str, Any]:
    """What ``render_sections`` wrote; text around the blocks is skipped, a block that is not JSON too."""
    found: dict[str, Any] = {}
    for name, body in _BLOCK.findall(text):
        try:
            found[name] = json.loads(body)
        except ValueError:
            continue
    return found


def _body(value: Any) -> str:
    if is_list(value) and value:
        return "[\n" + ",\n".join(_json(item) for item in value) + "\n]"
    return _json(value)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=_AS_JSON_DOES).decode().translate(_ESCAPES)
    except TypeError:  # a lone surrogate, which becomes its escape, or an integer of more than 64 bits
        text = json.dumps(value, ensure_ascii=False, default=str).translate(_ESCAPES)
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
