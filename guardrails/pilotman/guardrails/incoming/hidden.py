"""Characters that a model reads and a person does not see.

Two layers. ``printable`` makes text of a stream of characters: no terminal control, no lone surrogates; that
is how results are stored. ``seen`` takes out what shows no glyph at all: that is for models. Joiners and
variation selectors stay where writing needs them: in Arabic and Indic words, in emoji, after ideographs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# ECMA-48 control sequences: CSI, then strings (OSC, DCS, SOS, PM, APC) with their terminator, then the rest.
# A string that is not terminated soon only loses its introducer: it must not swallow the text behind it.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]{0,512}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")

_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_MONGOLIAN_SELECTORS = "\u180b-\u180d\u180f"
_JOINERS = "\u200c\u200d"
_OVERRIDES = "\u202d\u202e"
# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), bidirectional controls, annotations,
# private use (no font here says what they mean) and noncharacters.
_HIDDEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ue000-\uf8ff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
    f"{_JOINERS}{_SELECTORS}{_MONGOLIAN_SELECTORS}"
)
# Arabic, Syriac, N'Ko, Mandaic, the Indic scripts, Myanmar, Khmer, Mongolian, Balinese: words need joiners.
_JOINING = (
    "\u0600-\u061b\u061d-\u07ff\u0840-\u085f\u0870-\u0dff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff"
    "\u1807-\u180a\u1810-\u18af\u1b00-\u1b7f\ua8e0-\ua8ff\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc"
)
_PICTURES = "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
_IDEOGRAPHS = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_SYMBOLS = (
    f"\u00a9\u00ae\u2010-\u2027\u2030-\u205e\u2070-\u2bff\u3000-\u303f\u3297\u3299{_PICTURES}{_IDEOGRAPHS}"
)
# The flags of England, Scotland and Wales, the only ones that are spelled in tags (UTS #51).
_FLAG = (
    "\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
    "|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
_KEPT = "|".join(
    (
        _FLAG,
        f"(?<=[{_JOINING}])[{_JOINERS}](?![{_JOINERS}])",
        f"(?:(?<=[{_PICTURES}])|(?<=[{_PICTURES}]\ufe0f))\u200d(?=[{_PICTURES}])",
        f"(?<=[{_SYMBOLS}\u1000-\u109f])[\ufe00-\ufe0f](?![{_SELECTORS}])",
        "(?<=[0-9#*])\ufe0f(?=\u20e3)",
        f"(?<=[{_IDEOGRAPHS}])[\U000e0100-\U000e01ef](?![{_SELECTORS}])",
        f"(?<=[\u1820-\u18af])[{_MONGOLIAN_SELECTORS}](?![{_MONGOLIAN_SELECTORS}])",
    )
)
_UNSEEN = re.compile(f"(?P<kept>{_KEPT})|[{_HIDDEN}]")
_SMUGGLED = re.compile(f"[{_TAGS}{_OVERRIDES}]|[{_SELECTORS}]{{2}}")
_LONG_RUN, _MANY_JOINERS = 4, 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Unhidden:
    """Text without hidden characters, how many there were, and whether they may have carried a message."""

    text: str
    removed: int = 0
    smuggled: bool = False


def printable(text: str) -> str:
    """Text without terminal escapes, controls other than tab and line feed, or lone surrogates."""
    if text.isascii() and text.isprintable():
        return text
    text = _ANSI.sub("", text)
    text = _BREAKS.sub("\n", text)
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _CONTROLS.sub("", text))


def seen(text: str) -> str:
    """Printable text without the characters that show nothing."""
    return unhidden(printable(text)).text


def unhidden(text: str) -> Unhidden:
    """Printable text without the characters that show nothing, and what is to be said about them.

    Many of them in a row, tag characters, overridden direction: nobody writes so, but text can be hidden so.
    """
    if text.isascii():
        return Unhidden(text=text)
    gone: list[int] = []

    def judged(match: re.Match[str]) -> str:
        if match["kept"]:
            return match[0]
        gone.append(match.start())
        return ""

    clean = _UNSEEN.sub(judged, text)
    return Unhidden(text=clean, removed=len(gone), smuggled=_is_smuggling(text, gone))


def _is_smuggling(text: str, gone: list[int]) -> bool:
    """Whether what was removed, by its places, may have carried a message."""
    taken = "".join(text[at] for at in gone)
    if _SMUGGLED.search(taken) or sum(map(taken.count, (*_JOINERS, "\u2060"))) >= _MANY_JOINERS:
        return True
    apart = _LONG_RUN - 1
    return any(last - first == apart for first, last in zip(gone, gone[apart:], strict=False))
