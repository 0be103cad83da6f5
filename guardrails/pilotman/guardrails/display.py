"""Text and values from anywhere, safe to show a person: nothing in them hides, turns around or poses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import orjson

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
# Of other categories and yet invisible: the rest of Unicode's Default_Ignorable_Code_Point, an empty letter.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_AS_PICTURE = "\ufe0f"
_POSING = frozenset({"ARMENIAN", "CHEROKEE", "COPTIC", "CYRILLIC", "GREEK", "LISU"})
"""Scripts with letters that look like Latin ones (Unicode Technical Standard 39)."""
_WORD = re.compile(r"\w+")
_DOT = "[.\u3002\uff0e\uff61]"
_NAME = "[^\x00-,./:-@\\[-^`{-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\u2000-\u206f\u3000-\u303f\ufeff\uff0e\uff61]"
_HOST = re.compile(
    rf"(?<=://)(?:[^\s/?#@]*+@)?(?P<url>{_NAME}++(?:{_DOT}{_NAME}++)*+)"
    rf"|(?<=@)(?P<mail>{_NAME}++(?:{_DOT}{_NAME}++)++)"
    rf"|(?<!{_NAME})(?P<bare>{_NAME}++(?:[.\uff0e\uff61]{_NAME}++)++)"
)
_TOP = re.compile(r"[^\W\d_]{2,}|xn--[a-z0-9-]+", re.IGNORECASE)
_FILES = re.compile(r"csv|docx?|gif|html?|jpe?g|json|log|odt|pdf|png|pptx?|txt|xlsx?|xml|ya?ml")
"""Endings of files that are no top-level domains."""
_PLAIN = re.compile(r"[a-z0-9_-]+")


def visible(text: str, *, limit: int = 500) -> str:
    """The text, escaped where it would deceive: control, bidirectional and zero-width characters, and letters
    of other scripts within Latin words. Hosts in punycode (RFC 3492). At most ``limit`` characters are shown.
    """
    cut = text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
    if cut.isascii() and cut.isprintable():
        return cut
    if not cut.isascii():
        cut = _WORD.sub(_unmixed, _HOST.sub(_plain_host, cut))
    return "".join(_escaped(c, before) for before, c in zip(f" {cut}", cut, strict=False))


def quoted(value: Any, *, limit: int = 500) -> str:
    """A JSON-able value as JSON, made visible: text stands in quotes that nothing in it can close."""
    return visible(orjson.dumps(value, default=dict).decode(), limit=limit)


def shown(args: Mapping[str, Any], *, limit: int = 500) -> dict[str, str]:
    """Arguments as they may be displayed: each name and its quoted value."""
    return {visible(name): quoted(value, limit=limit) for name, value in args.items()}


def _escaped(character: str, before: str) -> str:
    if unicodedata.category(character) in _HIDDEN:
        return _code(character)
    if _INVISIBLE.match(character):
        is_picture = character == _AS_PICTURE and unicodedata.category(before) == "So"
        return character if is_picture else _code(character)
    return character


def _code(character: str) -> str:
    return f"\\u{ord(character):04x}"


def _unmixed(match: re.Match[str]) -> str:
    """A word; if it has Latin letters, those of scripts that pose as Latin are escaped."""
    word = match[0]
    if word.isascii():
        return word
    scripts = [unicodedata.name(c, "").partition(" ")[0] for c in word]
    if "LATIN" not in scripts or _POSING.isdisjoint(scripts):
        return word
    return "".join(_code(c) if script in _POSING else c for c, script in zip(word, scripts, strict=True))


def _plain_host(match: re.Match[str]) -> str:
    """What was matched, with the host at its end in ASCII. A bare name counts if it may end in a domain."""
    host = match[match.lastgroup or 0]
    names = re.split(_DOT, host)
    if host.isascii() or (match.lastgroup == "bare" and not _is_top(names[-1])):
        return match[0]
    return match[0].removesuffix(host) + ".".join(_plain_name(name) for name in names)


def _is_top(name: str) -> bool:
    """Whether a domain can end so."""
    return _TOP.fullmatch(name) is not None and _FILES.fullmatch(name.lower()) is None


def _plain_name(name: str) -> str:
    """One part of a host, in the way that a resolver reads it."""
    folded = unicodedata.normalize("NFKC", name).lower()
    if _PLAIN.fullmatch(folded):
        return name if name.isascii() else folded
    if name.isascii():
        return name
    return f"xn--{(name if folded.isascii() else folded).encode('punycode').decode()}"
