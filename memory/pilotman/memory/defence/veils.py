"""What a text hides from a glance: encodings, letters of other scripts, letters apart. Pure, linear."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from pilotman.guardrails.incoming.hidden import seen

_LONGEST = 64_000
"""Characters that are looked at."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(r"(?<![0-9a-zA-Z])(?:[0-9a-fA-F]{2}[ :]?){12,}")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}|\w){4,}%[0-9a-fA-F]{2}\S*")
_APART = re.compile(r"(?<!\w)(?:\w {1,3}){6,}\w(?!\w)")
_MIXED = re.compile(r"[a-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][a-z]")
# Letters that look like Latin ones (after Unicode's confusables.txt, UTS #39), in lower case
_LOOKS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455\u0501\u04bb\u03bf\u03b1\u03b9\u03c1\u03bd\u03f2\u0432\u043d\u043a\u043c\u0442",
    "aeopcxyijsdhoaipvcbhkmt",
)
_WORDS = re.compile(r"[^\W\d_]{2,}")


def plain(text: str) -> str:
    """A text as it is compared: small letters, single blanks, nothing that shows no glyph."""
    return " ".join(unicodedata.normalize("NFKC", seen(text[:_LONGEST])).lower().split())


def unveiled(text: str) -> list[str]:
    """What a text says besides what stands there (``plain``), if it hides anything: none in honest text."""
    return [found for one in _readings(text[:_LONGEST]) if len(_WORDS.findall(found := plain(one))) > 2]


def _readings(text: str) -> Iterator[str]:
    for token in _BASE64.findall(text):
        yield _decoded(token)
    for token in _HEX.findall(text):
        yield _readable(bytes.fromhex(re.sub("[ :]", "", token)))
    if _PERCENT.search(text):
        yield unquote(text, errors="ignore")
    if _APART.search(text):
        yield " ".join(re.sub(r"(?<=\w) (?=\w)", "", run) for run in _APART.findall(text))
    folded = plain(text)
    if any(_MIXED.search(word) for word in folded.split()):
        yield " ".join(word.translate(_LOOKS) if _MIXED.search(word) else word for word in folded.split())


def _decoded(token: str) -> str:
    standard = token.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return _readable(base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True))
    except (ValueError, binascii.Error):
        return ""


def _readable(raw: bytes) -> str:
    """Bytes as text, if that is what they are: of words, with blanks between them."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() and " " in text else ""
