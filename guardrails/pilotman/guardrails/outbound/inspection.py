"""All detectors over a text, and over what stands in it in another encoding."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from pilotman.guardrails.outbound.contacts import contacts
from pilotman.guardrails.outbound.credentials import KINDS as SECRETS
from pilotman.guardrails.outbound.credentials import credentials
from pilotman.guardrails.outbound.finding import Detector, Finding, merged
from pilotman.guardrails.outbound.identifiers import identifiers
from pilotman.guardrails.outbound.spelling import Spelling

KINDS = SECRETS | {"iban", "payment_card", "national_id", "email", "phone"}
"""Every kind that is found without further detectors."""

_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:(?:[A-Za-z0-9+/]{40,200}(?:\r?\n|\\n))+[A-Za-z0-9+/]*|[A-Za-z0-9+/_-]{12,})={0,2}"
)
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?((?:[0-9a-fA-F]{2}[ :]?){8,})(?![0-9A-Za-z])")
_RUN = re.compile(r"[^\s&?#/=\"'<>]+")
_BREAKS = re.compile(r"\s|\\n")
_GROUPS = re.compile("[ :]")
_SHORTEST = 8
_UNNAMED = re.compile("[^a-z0-9_]+")
_LONGEST = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What is looked for: with our own detectors, telephone numbers of ``regions`` too, and with others'."""

    regions: Sequence[str] = ()
    detectors: Sequence[Detector] = ()

    def __call__(self, text: str, name: str = "") -> list[Finding]:
        """What all detectors find in a text, in order, none over another. What others' raise is raised."""
        others = (one for detector in self.detectors for one in _sound(detector(text), len(text)))
        return merged([*self.known(text, name), *others])

    def known(self, text: str, name: str = "") -> list[Finding]:
        """What our own find, also in what is encoded once, as Base64, percent or hexadecimal.

        ``name``: what the text is the value of, such as ``order_id``.
        """
        spelling = Spelling.of(text)
        found = [*self._plain(spelling.text, name), *self._encoded(spelling.text)]
        return merged(_moved(one, *spelling.origin(one.start, one.end)) for one in found)

    def _plain(self, text: str, name: str = "") -> Iterator[Finding]:
        yield from credentials(text)
        yield from identifiers(text, name)
        yield from contacts(text, self.regions)

    def _encoded(self, text: str) -> Iterator[Finding]:
        """What is found in a piece once it is decoded is the whole piece."""
        for start, end, decoded in _decoded(text):
            for one in merged(self._plain(decoded)):
                yield _moved(one, start, end)


def _moved(finding: Finding, start: int, end: int) -> Finding:
    return replace(finding, start=start, end=end)


def _sound(findings: Iterable[Finding], length: int) -> Iterator[Finding]:
    """Those of another's findings that lie in the text, of kinds that a placeholder can name."""
    for one in findings:
        start, end = max(0, one.start), min(length, one.end)
        if start < end:
            kind = _UNNAMED.sub("_", one.kind.lower()).strip("_0123456789")[:_LONGEST] or "other"
            yield replace(one, kind=kind, start=start, end=end)


def _decoded(text: str) -> Iterator[tuple[int, int, str]]:
    """Pieces that are text in another encoding, and that text."""
    for match in _BASE64.finditer(text):
        for words in _from_base64(_BREAKS.sub("", match[0])):
            yield match.start(), match.end(), words
    for match in _HEX.finditer(text):
        if plain := _words(bytes.fromhex(_GROUPS.sub("", match[1]))):
            yield match.start(), match.end(), plain
    for match in _RUN.finditer(text) if "%" in text else ():
        if "%" in match[0] and (plain := _words(unquote_to_bytes(match[0]))):
            yield match.start(), match.end(), plain


def _from_base64(run: str) -> Iterator[str]:
    """The texts in a run of Base64 (RFC 4648, both alphabets), or in its parts: words may be glued to it."""
    whole = run.rstrip("=")
    for piece in (whole, *re.split("[-_]", whole)) if not whole.isalnum() else (whole,):
        plain = piece.replace("-", "+").replace("_", "/")
        if len(plain) % 4 == 1:  # no such length: a character of something else
            plain = plain[:-1]
        if len(plain) >= _SHORTEST and (words := _words(base64.b64decode(plain + "==="))):
            yield words


def _words(raw: bytes) -> str | None:
    """Bytes as text in one spelling, if they are a text that could be read."""
    try:
        text = Spelling.of(raw.decode("utf-8")).text
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\r\n\t" for c in text) else None
