"""What a request demands: places where it tells somebody to do something, and what to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pilotman.guardrails.gate.deeds import Deed
from pilotman.guardrails.gate.literals import MONEY, MONTHS, WEEKDAYS, addresses, dates
from pilotman.guardrails.wording.actions import (
    ACTION_STEMS,
    ACTIONS,
    EVERY_ACTION,
    PARTICIPLES,
    PHRASES,
    THINGS,
)
from pilotman.guardrails.wording.lexicon import READING_VERBS, word_set
from pilotman.guardrails.wording.verbs import wants_information
from pilotman.guardrails.wording.words import stem, terms

_SENTENCE = re.compile(r"[^.!?;\n]+(?:[.:](?=\S)[^.!?;\n]+)*[.!?;]?")
_TOKEN = re.compile(r"[@#]?[a-z0-9][\w@#€$£%'.:/+-]*[\w%]|[a-z0-9#@€$£]|[,:()&]")
_LEADS = word_set(
    """to and then please also just or must should shall you let's lets now kindly immediately first next
    finally so but pls only , : ( - & case can could would will i'll we'll don't need want help go
    instead again otherwise afterwards always either plus"""
)
_QUESTIONS = word_set(
    "what why how when where which who whose whom is are was were has have had did does do am"
)
_POLITE = word_set("can could would will please may might")
_NEGATIONS = word_set("not don't dont never without no avoid cannot can't won't neither nor")
_MODALS = word_set("must should shall need needs to can please")
_LIGHT = word_set(
    "make put get take give bring let drop set turn call leave go throw kick push roll shut switch"
)
_VAIN = word_set(
    "fail fails failed failing try tries tried trying attempt attempts unable used going able seems how"
)
_WANT = word_set("want wants need needs like require requires get request")
_TO_ME = word_set(
    """send email mail message text remind book reserve buy order forward dm ping notify alert pay wire
    transfer get"""
)
_DETERMINERS = word_set("the a an this that these those my your our his her its their some any each every no")
_CAUSING = word_set("let have make help")
_ENSURING = word_set("sure ensure see want need get like wish wishes wants needs")
_LOOKS = "|".join(sorted((READING_VERBS | {"wonder"}) - ACTIONS.keys() - {"get"}))
_LOOKING = re.compile(
    r"(?:(?:please|first|now|just|also|then|so|i|we|(?:want |would like )?to|kindly|(?:could|can) you)\s+)*"
    rf"(?:(?:{_LOOKS})\b|(?:have|take) an? (?:\w+ )?look\b|(?:tell|show) (?:me|us)\b|let (?:me|us) know\b)"
)
_JOINT = re.compile(r"((?:,|;| - |\band\b|\bthen\b|\bbut\b)\s*)")
_PRONOUNS = word_set("it them this that these those one")
_PERSON = re.compile(r"(?<=[a-z,:] )([A-Z][a-z]+)\b(?! ?\d)")  # a capital inside a sentence: a name, mostly
_NAMED = re.compile(r"(?<!\w)[@#][\w'-]+(?: @[\w'-]+)*|[\w.+-]+@[\w-]+\.[\w.-]+")
_MARK = re.compile(r"(?<![^\s(\"'])@(?=\w)")
_MOMENT = re.compile(
    r"\d:\d\d|\b\d{1,2}\s?[ap]m\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:tomorrow|today|noon)\b"
    r"|\d{4}-\d\d-\d\d"
)
_DICTATION = re.compile(r":\s")
_WHOM = frozenset({"person", "email", "channel", "page"})
_SHAPES = (
    ("person", re.compile(r"(?<!\w)@\w|\b(?:every(?:one|body)|him|her|them|us|people|team)\b")),
    ("money", MONEY),
    ("number", re.compile(r"(?<![\w.:])\d[\d.,]*\b(?!\s?(?:am|pm|:))")),
    ("email", re.compile(r"\S@\S+\.\w")),
    ("moment", _MOMENT),
    ("channel", re.compile(r"#\w|\bchannel\b")),
    ("page", re.compile(r"https?://|\bwww\.|\.(?:com|org|net|io)\b")),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """One place that asks for something to be done. ``terms`` are the stems of what is said around it,
    ``near`` those of the words from the verb to what it dictates.

    ``clause`` are the words from the verb to the next one, case-folded. ``loose``: it is hardly more than a
    thing that somebody wants.
    """

    verb: str
    actions: frozenset[str]
    terms: frozenset[str]
    near: frozenset[str]
    things: frozenset[str]
    shapes: frozenset[str]
    clause: str
    loose: bool = False

    def shapes_of(self, deed: Deed) -> float:
        """How well the kinds of value that stand here go with a tool's parameters."""
        both = self.shapes & deed.shapes
        shared = len(both) + ("money" in both) + ("channel" in both)
        return min(1.35, 0.45 * shared + 0.45 * ("number" in self.shapes and "money" in deed.shapes))


def demands(request: str, verbs: frozenset[str] = frozenset()) -> list[Demand]:
    """Every demand in a request, in order. ``verbs``: words that tools are called by, known or not."""
    found: list[Demand] = []
    before = ""
    for sentence in sentences(request):
        found += _in_sentence(sentence, before, verbs)
        before = sentence
    if (
        not found and not request.rstrip().endswith("?") and not wants_information(request)
    ):  # "Two rooms in Oslo, please": a thing and no verb
        found.append(_demand("", EVERY_ACTION, request.casefold(), request.casefold(), loose=True))
    return found


def sentences(request: str) -> list[str]:
    """The sentences of a request, case-folded; an ``@`` marks what a capital marked as a name."""
    text = request.replace("\u2019", "'").replace("e-mail", "email")
    return [_PERSON.sub(r"@\1", match.group().strip()).casefold() for match in _SENTENCE.finditer(text)]


def unmarked(sentence: str) -> str:
    """A sentence of ``sentences`` without its marks."""
    return _MARK.sub("", sentence)


def is_question(sentence: str) -> bool:
    """Whether a sentence wants an answer and nothing else."""
    return sentence.endswith("?") and next(iter(re.findall(r"[a-z']+", sentence)), "") not in _POLITE


def ordering(sentence: str) -> str:
    """What a sentence of ``sentences`` says beside asking and looking, without its marks: of "look at the
    pump and order a seal" the second half."""
    if is_question(sentence):
        return ""
    return unmarked("".join(part for part in _JOINT.split(sentence) if not _LOOKING.match(part)))


def names(clause: str) -> list[str]:
    """The names in the words of a demand: of people and places, channels and addresses."""
    found = (name.strip("@#.,") for name in _NAMED.findall(clause))
    return [
        *(name for name in found if not dates(name) and name not in WEEKDAYS and name not in MONTHS),
        *addresses(clause),
    ]


def _in_sentence(sentence: str, before: str, verbs: frozenset[str]) -> Iterator[Demand]:
    tokens = list(_TOKEN.finditer(sentence))
    spoken = [token.group() for token in tokens]
    places: list[tuple[int, str, frozenset[str]]] = []
    for at, word in enumerate(spoken):
        phrased = frozenset(name for pattern, name in PHRASES if pattern.match(sentence, tokens[at].start()))
        base = _base(spoken, at)
        known = frozenset[str]() if phrased and base in _LIGHT else ACTIONS.get(base, frozenset())
        actions = known | phrased | ({base} & verbs)
        if actions and (base != word or _is_demanded(spoken, at, asked=sentence.endswith("?"))):
            places.append((at, base, actions))
    for row, (at, word, actions) in enumerate(places):
        end = places[row + 1][0] if row + 1 < len(places) else len(spoken)
        around = " ".join(spoken[at:end])
        if _PRONOUNS & set(spoken[at:end]) or end - at < 4 or row == 0:
            around = f"{' '.join(spoken[:at])} {around}"
            if row == 0 and _PRONOUNS & set(spoken[at:end]):
                around = f"{before} {around}"
        last = tokens[end].start() if end < len(tokens) else len(sentence)
        yield _demand(word, actions, around, sentence[tokens[at].start() : last])
    if places or sentence.endswith("?") or _NEGATIONS & set(spoken):
        return
    if not ordering(sentence).strip(" ."):
        return
    if _WANT & set(spoken):
        yield _demand("get", ACTIONS["book"] | ACTIONS["create"], sentence, sentence, loose=True)
    if any(
        pattern.search(sentence) for _, pattern in _SHAPES
    ):  # "Two rooms at the Grand, 3 to 6 August": a thing and no verb
        yield _demand("", EVERY_ACTION, sentence, sentence, loose=True)


def _demand(verb: str, actions: frozenset[str], around: str, clause: str, *, loose: bool = False) -> Demand:
    said = terms(around)
    order = _DICTATION.split(clause, maxsplit=1)[0]
    shapes = _shapes(order)
    return Demand(
        verb=verb,
        actions=actions,
        terms=said,
        near=terms(order),
        things=frozenset[str]().union(*(THINGS[term] for term in said if term in THINGS)),
        shapes=shapes if shapes & _WHOM else shapes | _shapes(around),
        clause=clause,
        loose=loose,
    )


def _shapes(text: str) -> frozenset[str]:
    return frozenset(name for name, pattern in _SHAPES if pattern.search(text))


def _is_demanded(spoken: list[str], at: int, *, asked: bool) -> bool:
    """A base form where an imperative or an infinitive stands, neither denied nor asked about."""
    before = spoken[at - 1] if at else ""
    if before.endswith("ly"):  # "quickly close it"
        before = spoken[at - 2] if at > 1 else ""
    if before and before not in _LEADS and not _has_subject(spoken, at):
        return False
    if spoken[at + 1 : at + 2] in (["me"], ["us"]) and spoken[at] not in _TO_ME:
        return False
    if before == "to" and at > 1 and spoken[at - 2] in _VAIN:
        return False
    if asked and not _is_polite(spoken, at):
        return False
    return not _is_denied(spoken, at)


def _has_subject(spoken: list[str], at: int) -> bool:
    """An infinitive with somebody who is to do it: "let the robot clean", "could Milan take over"."""
    back = spoken[max(0, at - 4) : at]
    if not back or back[-1] in _DETERMINERS:
        return False
    for row, word in enumerate(back):
        if word in _CAUSING or (word in _POLITE and at - len(back) + row == 0):
            return not any(other in _LEADS or other in ACTIONS for other in back[row + 1 :])
    return False


def _base(spoken: list[str], at: int) -> str:
    """The verb that a participle stands for where somebody is to see to it, else the word itself.

    "has to be drained", "I want it cancelled", "see that she is told", "would you mind moving it".
    """
    word, back = spoken[at], spoken[max(0, at - 8) : at]
    regular = word.endswith(("ed", "ing"))
    known = ACTION_STEMS.get(stem(word)) if regular else PARTICIPLES.get(word)
    if known is None or known == word or _is_denied(spoken, at):
        return word
    if word.endswith("ing"):
        return known if {"mind", "consider", "try", "suggest", "needs", "need"} & set(back[-2:]) else word
    meant = ("be" in back[-4:] and not _MODALS.isdisjoint(back)) or (
        not _ENSURING.isdisjoint(back[:-1]) and spoken[0] not in _QUESTIONS
    )
    return known if meant else word


def _is_polite(spoken: list[str], at: int) -> bool:
    """A question that is a request ("could you …?"), or an order that stands before a question."""
    if "possible" in spoken[:at]:
        return True
    starts = [i + 1 for i, token in enumerate(spoken[:at]) if token in {",", ":", "and", "but", "then"}]
    return spoken[0] in _POLITE or spoken[max(starts, default=0)] in _POLITE or spoken[0] not in _QUESTIONS


def _is_denied(spoken: list[str], at: int) -> bool:
    for back in range(at - 1, max(-1, at - 7), -1):
        if spoken[back] in _NEGATIONS:
            return True
        if spoken[back] in {",", ":", "but", "then", "and"}:
            return False
    return False
