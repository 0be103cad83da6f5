"""One spelling of a text for detectors, and the way back: to where in the original each character stands."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

_OTHER = re.compile(r"[^\x00-\x7f]+")
_HIDDEN = frozenset({"Cf", "Mn", "Me"})


@dataclass(frozen=True, slots=True)
class Spelling:
    """``text`` in ASCII digits, dashes and blanks where the original has others; nothing invisible in it.

    ``breaks`` are places in ``text`` from which on it is set off otherwise against the original: ``origins``.
    """

    text: str
    breaks: tuple[int, ...] = (0,)
    origins: tuple[int, ...] = (0,)

    @classmethod
    def of(cls, original: str) -> Spelling:
        """NFKC, character by character; hidden characters and accents that stand alone left out."""
        if original.isascii():
            return cls(original)
        pieces: list[str] = []
        breaks, origins, length, at = [0], [0], 0, 0
        for run in _OTHER.finditer(original):
            pieces.append(original[at : run.start()])
            length += run.start() - at
            for index, character in enumerate(run[0], start=run.start()):
                plain = _plain(character)
                if len(plain) != 1:
                    breaks += range(length, length + len(plain) + 1)
                    origins += [*(index for _ in plain), index + 1]
                pieces.append(plain)
                length += len(plain)
            at = run.end()
        pieces.append(original[at:])
        return cls("".join(pieces), tuple(breaks), tuple(origins))

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where characters ``start`` to ``end`` (``start`` < ``end``) of ``text`` stand in the original."""
        return self._at(start), self._at(end - 1) + 1

    def _at(self, index: int) -> int:
        piece = bisect_right(self.breaks, index) - 1
        return self.origins[piece] + index - self.breaks[piece]


def _plain(character: str) -> str:
    """What a reader takes a character for."""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(character)
    if category in _HIDDEN:
        return ""
    if category == "Pd":
        return "-"
    return " " if category == "Zs" else unicodedata.normalize("NFKC", character)
