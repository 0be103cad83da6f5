"""Which action a text asks for: imperatives found by position, questions and negations told apart.

Ordinary English only; nothing here knows what the actions are about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pilotman.guardrails.wording.lexicon import ACTING_VERBS, READING_VERBS, word_set
from pilotman.guardrails.wording.words import stem, terms, words

_INFORMATION = READING_VERBS | word_set("why what which who where when how whether status tell")
_LEADS = word_set(
    """to and then please also or just must should can could will would shall you let's lets now kindly
    immediately first next finally either so but pls , : ; ( - * # try"""
)
_QUESTIONS = word_set(
    """what why how when where which who whose is are was were has have had did does do am should"""
)
_POLITE = word_set("can could would will please")
_NEGATIONS = word_set("not don't dont never without no avoid cannot can't won't nothing neither nor")
_MODALS = word_set("must should shall needs need can could ought may please")
_WANT = word_set(
    """want wants need needs like request requests requesting ask asks asking require requires"""
)
_SUGGESTING = word_set("try consider recommend suggest requires require by")
_ASPECTS = word_set("status policy state process rules details history id number")
_GIVING = ACTING_VERBS["create"] | ACTING_VERBS["issue"] | ACTING_VERBS["book"] | ACTING_VERBS["grant"]
_VAIN = word_set(
    """fail fails failed failing try tries tried trying attempt attempts attempted unable used cannot how
    going able started continues seems likely"""
)
_NEEDING = word_set("need needs have has required recommended advised necessary")
_HELPING = word_set("can could will would or")
_LONGEST_TEXT, _LONGEST_SENTENCE = 20_000, 200
_JOINTS = word_set("and then or but to , ; :")
_DETERMINERS = word_set("a an the this that these those one some any all each every its their")
_PRONOUNS = word_set("it one ones that this them")
_VERBS = ACTING_VERBS.keys() | READING_VERBS
_EMAIL = re.compile(r"\be-mail", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?\n]+(?:\.(?=\S)[^.!?\n]+)*[.!?]?")
_TOKEN = re.compile(r"[A-Za-z0-9]+(?:[-'._@/][A-Za-z0-9]+)*|[,:;()*#]")


_STEMS: Mapping[str, str] = MappingProxyType({stem(verb): verb for verb in sorted(_VERBS)})


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What a tool does: a verb in its base form and the stems of what it does it to.

    ``about`` are the stems of everything else that its author said of it.
    """

    name: str
    verb: str
    objects: frozenset[str]
    about: frozenset[str] = frozenset()

    @property
    def reads(self) -> bool:
        """Its verb only looks."""
        return self.verb in READING_VERBS


def deed(name: str, description: str = "", args: tuple[str, ...] = ()) -> Deed:
    """Read a tool's deed from its name, with the description's first word where the name holds no verb.

    ``lend_book``, "Lend a book …": both begin with the verb, whether or not it is one that we know.
    """
    parts = words(name)
    said = words(description)
    both = parts and said[1:] and stem(parts[0]) == stem(said[0]) and said[1] in _DETERMINERS
    known = (part for part in parts if part in ACTING_VERBS or part in READING_VERBS)
    verb = parts[0] if both else next(known, None)
    if verb is None and said:
        verb = _STEMS.get(stem(said[0]))
    verb = verb or (parts[0] if parts else name)
    objects = frozenset(stem(part) for part in parts if part != verb)
    return Deed(name=name, verb=verb, objects=objects, about=terms(description) | terms(" ".join(args)))


def only_looks(name: str, description: str) -> bool:
    """Whether nothing in its name or description says that a tool changes anything.

    A description that opens with a verb and its object ("Unsubscribe a reader") does, known verb or not.
    """
    own = deed(name, description)
    said = words(description)
    if own.reads or own.verb in ACTING_VERBS:
        return own.reads
    return not (said[1:] and said[1] in _DETERMINERS)


def wants_information(text: str) -> bool:
    """Whether the text asks something, or asks to look at something."""
    return "?" in text or bool(_INFORMATION & {_base(word) for word in words(text)})


def _base(word: str) -> str:
    return word if word in _INFORMATION else _STEMS.get(stem(word), word)


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A place in a text that asks for a deed, and how plainly: at least 1; higher, more exactly."""

    sentence: str
    place: tuple[int, int]
    strength: float


def demands(deed: Deed, text: str) -> list[Demand]:
    """Every place where the text asks for this deed."""
    found: list[Demand] = []
    for row, (sentence, tokens) in enumerate(_sentences(text)):
        for at in range(len(tokens)):
            strength = _asked_at(deed, tokens, at)
            if strength >= 1:
                found.append(Demand(sentence=sentence, place=(row, at), strength=strength))
    return found


def asks_for(deed: Deed, text: str, rivals: Iterable[Deed] = ()) -> list[Demand]:
    """The places that ask for this deed and for none of ``rivals`` more plainly."""
    others = [{d.place: d.strength for d in demands(rival, text)} for rival in rivals if rival != deed]
    return [d for d in demands(deed, text) if all(d.strength >= o.get(d.place, 0.0) for o in others)]


def _sentences(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each sentence with its tokens, ``?`` as the last one of a question."""
    for match in _SENTENCE.finditer(text[:_LONGEST_TEXT]):
        said = _EMAIL.sub("email", match.group().replace("\u2019", "'"))
        tokens = [token.lower() for token in _TOKEN.findall(said)[:_LONGEST_SENTENCE]]
        if said.rstrip().endswith("?"):
            tokens.append("?")
        if tokens:
            yield match.group().strip(), tokens


def _asked_at(deed: Deed, tokens: list[str], at: int) -> float:
    token = tokens[at]
    if token == deed.name.lower() and "_" in token:  # called by its very name, which is no ordinary word
        return 0.0 if _negated(tokens, at) else 6.0
    meant = token in ACTING_VERBS.get(deed.verb, ()) or stem(token) in {stem(deed.verb), *deed.objects}
    if not meant or _negated(tokens, at) or _is_question(tokens, at):
        return 0.0
    if token == deed.verb:
        return 2.0 + _fit(deed, tokens, at) if _leads(tokens, at) else 0.0
    if stem(token) == stem(deed.verb):
        return 1.0 + _fit(deed, tokens, 0) if _is_suggested(tokens, at) else 0.0
    if token in ACTING_VERBS.get(deed.verb, ()) and _leads(tokens, at):
        fit = _fit(deed, tokens, at)
        return 1.0 + fit if fit >= 0.5 else 0.0
    if stem(token) in deed.objects and not deed.reads and _is_demanded_thing(deed, tokens, at):
        return 1.0 + _fit(deed, tokens, at)
    return 0.0


def _fit(deed: Deed, tokens: list[str], at: int) -> float:
    """How well the words from here to the next verb fit; with a pronoun for object, the whole sentence's."""
    ends = [i for i in range(at + 1, len(tokens)) if tokens[i] in _VERBS and tokens[i - 1] in _JOINTS]
    window = tokens[at : ends[0]] if ends else tokens[at:]
    if _PRONOUNS & set(window):
        window = tokens
    stems = {stem(part) for token in window for part in words(token)}
    return 2.0 * bool(deed.objects & stems) + min(1.0, len(deed.about & stems) / 2)


def _leads(tokens: list[str], at: int) -> bool:
    """Whether a verb at this place would be an imperative, or an infinitive that nobody just tries."""
    if at == 0:
        return True
    vain = tokens[at - 1] == "to" and at > 1 and tokens[at - 2] in _VAIN
    return tokens[at - 1] in _LEADS and not vain


def instructs(deed: Deed, text: str, things: frozenset[str] = frozenset()) -> bool:
    """Whether a document tells its reader to do the deed, to its object or to one of ``things`` (stems).

    Stricter than ``demands``: a description ("it tries to restart it") is no instruction.
    """
    for _, tokens in _sentences(text):
        for at, token in enumerate(tokens):
            if stem(token) != stem(deed.verb) or _negated(tokens, at) or _is_question(tokens, at):
                continue
            imperative = token == deed.verb
            said = _is_instruction(tokens, at) if imperative else _is_suggested(tokens, at)
            near = {stem(part) for word in tokens[at if imperative else 0 :] for part in words(word)}
            if said and near & (deed.objects | things):
                return True
    return False


def _is_instruction(tokens: list[str], at: int) -> bool:
    before = tokens[at - 1] if at else ":"
    if before == "to":
        return at > 1 and tokens[at - 2] in _NEEDING
    return before in _LEADS and before not in _HELPING


def _is_demanded_thing(deed: Deed, tokens: list[str], at: int) -> bool:
    """The deed's object used as a verb ("ticket this") or wanted as a thing ("I want a refund")."""
    if _leads(tokens, at) and tokens[at] in ACTING_VERBS:
        return True
    follows = tokens[at + 1] if at + 1 < len(tokens) else ""
    since = next((i for i in range(at - 1, max(-1, at - 5), -1) if tokens[i] in _WANT), None)
    wanted = since is not None and not _VERBS.intersection(tokens[since + 1 : at])
    return wanted and deed.verb in _GIVING and follows not in _ASPECTS


def _is_suggested(tokens: list[str], at: int) -> bool:
    """A passive with a modal ("should be restarted"), or a suggestion ("try restarting")."""
    back = set(tokens[max(0, at - 4) : at])
    if tokens[at].endswith("ed"):
        return "be" in back and bool(back & _MODALS)
    return tokens[at].endswith("ing") and bool(back & _SUGGESTING)


def _is_question(tokens: list[str], at: int) -> bool:
    """Whether this place stands in a question that asks for an answer, not for an action."""
    if tokens[-1] != "?":
        return False
    starts = [i + 1 for i, token in enumerate(tokens[:at]) if token in {",", ":", ";", "and", "but", "then"}]
    segment = max(starts, default=0)
    if tokens[segment] in _POLITE:
        return False
    return tokens[0] in _QUESTIONS or tokens[segment] in _QUESTIONS


def _negated(tokens: list[str], at: int) -> bool:
    """Whether a negation before this place still holds: an earlier verb uses it up, unless joined by "or"."""
    joined = at > 0 and tokens[at - 1] in {"or", "nor"}
    for back in range(at - 1, max(-1, at - 9), -1):
        token = tokens[back]
        if token in _NEGATIONS:
            return True
        if token in {"but", "instead", ";", ":"}:
            return False
        if not joined and token in ACTING_VERBS and back > 0 and back < at - 1:
            return False
    return False


def is_instruction(sentence: str) -> bool:
    """Whether the sentence opens with a verb in its base form."""
    first = next(iter(words(sentence)), "")
    return first in ACTING_VERBS or first in READING_VERBS


def is_verb(term: str) -> bool:
    """Whether a stem is that of an ordinary verb: it says what is done, not what about."""
    return term in _STEMS


def is_reading(term: str) -> bool:
    """Whether a stem is that of a verb that only looks: it tells nothing at all."""
    return _STEMS.get(term) in READING_VERBS
