"""What fits into a model's window: which passages, in what order, and how short old results become. Pure.

The task, the request and its facts are pinned: they are never cut. Of what may give way, passages that repeat
others go first, then older results of tools are condensed, reports cut, and the lowest passages left out. All
of it is a function of its arguments: a run that goes on sends what it sent before, byte by byte.

Tokens are estimated from UTF-8 bytes (``tokens.py``), not counted: LangChain's own counters download a
tokenizer or send the text away, and a prompt must be the same on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import orjson

from pilotman.agents.output import fit
from pilotman.agents.report import Passage, Report
from pilotman.agents.sections import render_sections
from pilotman.agents.shortening import LEFT_OUT
from pilotman.agents.tokens import estimate_tokens
from pilotman.guardrails.digest import canonical
from pilotman.guardrails.incoming.orders import CLOSE, OPEN
from pilotman.guardrails.shape import is_mapping

T = TypeVar("T")
Messages: TypeAlias = Sequence[Mapping[str, Any]]
Build: TypeAlias = Callable[[tuple[Passage, ...], tuple[Report, ...], tuple[str, ...]], list[dict[str, Any]]]
"""Writes a prompt from passages, reports and what is to be said of the rest."""

MIDDLE = 10
"""From so many passages on there is a middle to get lost in: Liu et al. 2023, "Lost in the Middle", saw
models find less there from ten documents on, and most in the first and last places."""

_SHINGLE, _SAME = 5, 0.8
"""Words of a shingle, and the share of its shingles that a text has in common with a better one to repeat it
(containment: Broder 1997, "On the resemblance and containment of documents")."""

_REPORTS_SHARE = 2 / 3
_CAPS = (8_000, 4_000, 2_000, 1_000, 500, 200, 80)
"""Characters that reports are cut to, one after another until they fit."""

_BRIEF, _SHORT = 2_000, 400
"""Bytes of a recent and of an old result that was condensed."""

_CONDENSED = "condensed here, for the context has its limit; the record has all of it"
REPEATED = "repeats another"
"""Why a passage is left out at no loss."""

_NAMED = 5
_MARK = re.compile(r"\[(\d{1,9})\]")


@dataclass(frozen=True, kw_only=True)
class Window:
    """Messages that fit, and in words what is not in them."""

    messages: list[dict[str, Any]]
    left_out: tuple[str, ...] = ()


def tokens(messages: Messages) -> int:
    """What messages are taken to cost, as the gateway reckons."""
    return estimate_tokens([dict(message) for message in messages])


def is_loss(left_out: str) -> bool:
    """Whether something that was left out is missed."""
    return REPEATED not in left_out.partition(":")[0]


def within(messages: Messages, *, size: int, limit: int) -> Window | None:
    """The conversation of a request of ``size`` tokens so that it has ``limit``; None: it stays as it is."""
    if size <= limit:
        return None
    found = condensed(messages, limit=limit - (size - tokens(messages)))
    return found if found.left_out else None


def opened(build: Build, passages: Iterable[Passage], reports: Iterable[Report], *, limit: int) -> Window:
    """A prompt in at most ``limit`` tokens, or without passages and with short reports if it must be more.

    ``passages`` come best first. Where all fit, only repetitions are left out. Those that a report cites are
    no repetitions, and go first.
    """
    reports = tuple(reports)
    cited = frozenset(int(mark) for report in reports for mark in _MARK.findall(report.text))
    unique, repeated = without_repetitions(passages, but=cited)
    told = _told(REPEATED, repeated)
    messages = build(arranged(unique), reports, told)
    if tokens(messages) <= limit:
        return Window(messages=messages, left_out=told)
    room = limit - tokens(build((), (), told))
    kept, cut = _cut(reports, room if not unique else int(room * _REPORTS_SHARE))
    room -= sum(_cost(report) for report in kept)
    chosen = _chosen(sorted(unique, key=lambda passage: passage.number not in cited), room)
    while True:
        numbers = {passage.number for passage in chosen}
        shown = [passage for passage in unique if passage.number in numbers]
        rest = [passage for passage in unique if passage.number not in numbers]
        said = (*told, *_told("no room", rest), *cut)
        messages = build(arranged(shown), kept, said)
        if not chosen or tokens(messages) <= limit:
            return Window(messages=messages, left_out=said)
        chosen = chosen[:-1]


def without_repetitions(
    passages: Iterable[Passage], *, but: Container[int] = ()
) -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
    """Those that say something of their own, and those that repeat one before them, both in their order.

    What is trusted never gives way to what is not: both stay. So do those with a number in ``but``.
    """
    kept: list[tuple[Passage, frozenset[tuple[str, ...]]]] = []
    repeated: list[Passage] = []
    for passage in passages:
        shingles = _shingles(passage.text)
        same = (
            (other.trusted or not passage.trusted) and _contained(shingles, others) for other, others in kept
        )
        if passage.number not in but and any(same):
            repeated.append(passage)
        else:
            kept.append((passage, shingles))
    return tuple(passage for passage, _ in kept), tuple(repeated)


def arranged(ranked: Sequence[T]) -> tuple[T, ...]:
    """Best first and last, the weakest in the middle: ranks 1, 3, 5, …, 6, 4, 2. Few stay as they are."""
    if len(ranked) < MIDDLE:
        return tuple(ranked)
    return (*ranked[::2], *reversed(ranked[1::2]))


def ranked(placed: Sequence[T]) -> tuple[T, ...]:
    """The inverse of ``arranged``."""
    places = arranged(range(len(placed)))
    return tuple(one for _, one in sorted(zip(places, placed, strict=True), key=lambda pair: pair[0]))


def condensed(messages: Messages, *, limit: int) -> Window:
    """A conversation in at most ``limit`` tokens, or as near as results of tools can bring it.

    Those before the last turn are condensed first, the oldest first, then those of the last turn; then they
    are left out in the same order. Failures, and what was said by others than tools, stay as they are.
    """
    plain = [dict(message) for message in messages]
    over = tokens(plain) - limit
    touched: dict[int, str] = {}
    for place, shorten in _steps(plain):
        if over <= 0:
            break
        shorter = shorten(str(plain[place].get("content", "")))
        saved = estimate_tokens([plain[place]]) - estimate_tokens([{**plain[place], "content": shorter}])
        if saved > 0:
            plain[place]["content"] = shorter
            touched[place] = "left out" if shorter == LEFT_OUT else "condensed"
            over -= saved - 1  # each estimate is rounded
    counts = {how: sum(one == how for one in touched.values()) for how in ("condensed", "left out")}
    said = tuple(f"results of tools {how}: {count}" for how, count in counts.items() if count)
    return Window(messages=plain, left_out=said)


def _steps(messages: Messages) -> Iterable[tuple[int, Callable[[str], str]]]:
    """The results to shorten, in their order, and how."""
    results = [place for place, message in enumerate(messages) if message.get("role") == "tool"]
    turns = [place for place, message in enumerate(messages) if message.get("tool_calls")]
    old = [place for place in results if turns and place < turns[-1]]
    new = [place for place in results if place not in old]
    for places, shorten in ((old, _short), (new, _brief), (old, _nothing), (new, _short), (new, _nothing)):
        for place in places:
            yield place, shorten


def _short(content: str) -> str:
    return _shortened(content, _SHORT)


def _brief(content: str) -> str:
    return _shortened(content, _BRIEF)


def _nothing(content: str) -> str:
    """No result at all; that a call failed or was not done stays, or it would be made again."""
    result = _result(content)
    return content if result is not None and result["value"] is None else LEFT_OUT


def _result(content: str) -> Mapping[str, Any] | None:
    """A result in our form, or None: it is a foreign tool's text."""
    try:
        result = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return result if is_mapping(result) and "value" in result else None


def _shortened(content: str, limit: int) -> str:
    """A result in the same form, with a value of at most ``limit`` bytes; errors and notices stay."""
    result = _result(content)
    if result is None:
        return content if len(content) <= limit else f"{_closed(content[:limit])}… ({_CONDENSED})"
    value, _ = fit(result["value"], limit=limit)
    if value == result["value"]:
        return content
    shown = _closed(value) if isinstance(value, str) else value
    caveats = [*(result.get("caveats") or ())[:2], _CONDENSED]
    return canonical({**result, "value": shown, "caveats": caveats}).decode()


def _closed(text: str) -> str:
    """A text that was cut, with the mark closed that says that others wrote it."""
    return text + CLOSE if text.rfind(OPEN) > text.rfind(CLOSE) else text


def _chosen(passages: Sequence[Passage], room: int) -> tuple[Passage, ...]:
    """The best that fit, in their order; one that is too long does not keep out shorter ones behind it."""
    chosen: list[Passage] = []
    for passage in passages:
        if (cost := _cost(passage)) <= room:
            chosen.append(passage)
            room -= cost
    return tuple(chosen)


def _cut(reports: tuple[Report, ...], room: int) -> tuple[tuple[Report, ...], tuple[str, ...]]:
    """The reports in ``room`` tokens, or as short as they get; and which were cut."""
    short = reports
    for cap in _CAPS:
        if sum(_cost(report) for report in short) <= room:
            break
        short = tuple(_capped(report, cap) for report in reports)
    cut = [new.task_id for old, new in zip(reports, short, strict=True) if old != new]
    return short, (f"reports were cut: {_list(cut)}",) if cut else ()


def _capped(report: Report, cap: int) -> Report:
    if len(report.text) + sum(len(one.quote) for one in report.citations) <= cap:
        return report
    text = report.text if len(report.text) <= cap else f"{_closed(report.text[:cap])}…"
    return replace(report, text=text, citations=(), caveats=report.caveats[:_NAMED])


def _cost(piece: Passage | Report) -> int:
    """Tokens of a piece as it stands in a prompt, inside JSON inside JSON."""
    return estimate_tokens([render_sections({"piece": [piece.to_dict()]})])


def _told(why: str, passages: Sequence[Passage]) -> tuple[str, ...]:
    if not passages:
        return ()
    return (f"passages, {why}: {_list([f'[{p.number}] {p.source[:80]}' for p in passages])}",)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = text.casefold().split()
    if len(words) < _SHINGLE:
        return frozenset({tuple(words)})
    return frozenset(zip(*(words[place:] for place in range(_SHINGLE)), strict=False))


def _contained(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> bool:
    return len(one & other) >= _SAME * len(one)
