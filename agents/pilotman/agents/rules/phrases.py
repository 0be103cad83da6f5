"""Values by their place in a sentence: beside their noun, after a preposition, after the verb."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set

from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.verbs import Deed, demands, is_instruction
from pilotman.guardrails.wording.words import stem, words

_QUOTED = re.compile("[\"\u201c'\u2018`]([^\"\u201c\u201d'\u2018\u2019`\n]{1,120})[\"\u201d'\u2019`]")
_TOKEN = re.compile(r"[^\s,;()\"“”`]+")
_IDENTIFIER = r"#?[A-Za-z]{0,12}[-_]?\d[\w-]*"
_PROPER = r"(?-i:[A-Z][\w'-]*\.?(?: (?:[A-Z][\w'-]*\.?|\d{1,5}[a-z]?\b))*(?<!\.))"
_PRONOUNS = word_set("it this that them these those everything all one him her me us you there")
_LITTLE = word_set("a an the my your his her its our their this that some any please")
_STOPS = word_set(
    """on in at to from for with by because since as if when while and or but then so that which after
    before until about of via into onto is are was were has have please now again immediately"""
)
_CALENDAR = word_set(
    """january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday"""
)
_SEGMENT = re.compile(r"(?<=[.!?;:])\s+|\n+")
_SAID = re.compile(
    r"(?::|\b(?:say|saying|says|text|message|body|content|comment|note))\s*[\"“]([^\"“”]+)[\"”]",
    re.IGNORECASE,
)
_SPOKEN = re.compile(r"[A-Za-z0-9@/#]")


def identifiers(text: str) -> list[str]:
    """Tokens that look like identifiers: letters and digits mixed, or three digits and more."""
    bare = re.sub(
        r"\d{4}-\d{2}-\d{2}\S*|(?<!\S)[^\s@]+@\S+|https?://\S+|(?<!\d)\d+(?:\.\d+)?\s?%|[$€£¥₹]\s?[\d.,]+",
        " ",
        text,
    )
    tokens = re.findall(rf"(?<![\w./:-]){_IDENTIFIER}(?![\w/]|\.\d|\s?(?:USD|EUR|GBP|€|%))", bare)
    kept = [t.lstrip("#") for t in tokens if re.search(r"[A-Za-z]", t) or len(t.lstrip("#")) >= 3]
    return list(dict.fromkeys(kept))


def beside_noun(nouns: Iterable[str], text: str, *, identifier: bool) -> list[str]:
    """Values that follow their noun ("order number A-17", "service: x") or stand before it."""
    value = _IDENTIFIER if identifier else rf"{_PROPER}|[\w@.:/-]*[\w@/]"
    marker = r"(?:\s+(?:id|no\.?|number|code|key|ref|reference|name))?\s*"
    found: list[str] = []
    link = r"(?:(?P<mark>[:=#]|is\b|named\b|called\b)\s*)?[\"'`]?"
    for noun in nouns:
        after = rf"\b{re.escape(noun)}s?\b{marker}{link}(?P<value>{value})"
        matches = re.finditer(after, text, re.IGNORECASE)
        found += [m["value"].lstrip("#") for m in matches if m["mark"] or identifier or _is_named(m["value"])]
        if not identifier:
            found += [
                m[1]
                for m in re.finditer(rf"(?<![\w@./-])([\w@./-]*\w) {re.escape(noun)}\b", text)
                if _is_named(m[1]) and not is_instruction(m[1])
            ]
    return [item for item in dict.fromkeys(found) if item.lower() not in _LITTLE | _PRONOUNS | _STOPS]


def named_after(nouns: Iterable[str], text: str, deed: Deed) -> list[str]:
    """Ordinary words that are names, by their place: "in namespace shop", "scale deployment checkout to 5".

    Only after a preposition or inside a sentence that asks for the deed, and before a pause: elsewhere a
    verb may follow a noun.
    """
    found: list[str] = []
    ends = rf"(?=\s+(?:{'|'.join(sorted(_STOPS))})\b|\s*[,.;:!?)]|\s*$)"
    for noun in nouns:
        name = rf"(?:the |my |our )?{re.escape(noun)} (?P<value>[a-z][\w@/-]*(?:\.\w+)*){ends}"
        for sentence in sentences(text):
            place = r"\b" if demands(deed, sentence) else r"\b(?:in|on|of|for|from|to|under|at) "
            found += [m["value"] for m in re.finditer(place + name, sentence)]
    return [
        v for v in dict.fromkeys(found) if v not in _LITTLE | _PRONOUNS | _STOPS and stem(v) not in deed.about
    ]


def _is_named(word: str) -> bool:
    """A word that can only be a name: it holds a digit, a dot, a dash or an inner capital."""
    return bool(re.search(r"\d|[a-z][A-Z]|\w[._@/-]\w", word)) or word[:1].isupper()


def after_preposition(prepositions: Iterable[str], text: str, skip: Iterable[str] = ()) -> list[str]:
    """What follows one of the prepositions: a quote, a proper name, or one word; ``skip`` are its nouns."""
    passed = _LITTLE | set(skip)
    found: list[str] = []
    for preposition in prepositions:
        for match in re.finditer(rf"(?i)\b{preposition}\s+", text):
            phrase = _phrase(text[match.end() :], passed)
            if phrase:
                found.append(phrase)
    return list(dict.fromkeys(found))


def _phrase(rest: str, passed: Set[str]) -> str:
    """The name at the head of a text: quoted, capitalised words together, or a single word."""
    opening = _QUOTED.match(rest)
    if opening:
        return opening[1].strip()
    name: list[str] = []
    for match in _TOKEN.finditer(rest[:200]):
        token = match.group().rstrip(".!?:")
        if not name and token.lower() in passed:
            continue
        if name and not (name[0][:1].isupper() and token[:1].isupper()):
            break
        name.append(token)
        if rest[match.end() - (match.group() != token) :][:1] not in (" ", ""):
            break  # punctuation ends a name
    known = name and name[0].lower() not in _STOPS | _PRONOUNS and _SPOKEN.search(name[0])
    return " ".join(name) if known else ""


def quotes(text: str) -> list[str]:
    """What stands in double quotes."""
    return re.findall(r"[\"“]([^\"“”\n]{1,200})[\"”]", text)


def spoken(text: str, deed: Deed) -> str:
    """The words that somebody is to be told: the quote after a colon, "saying" or "text"; '' if none is.

    What is to change something is quoted in a line that asks for the deed: an alert or a log quotes, too.
    """
    for found in _SAID.finditer(text):
        before = text[: found.start()].rpartition("\n")[2]
        if deed.reads or demands(deed, before):
            return found[1].strip()
    return ""


def proper_names(text: str) -> list[str]:
    """Capitalised words inside sentences, those side by side together."""
    found: list[str] = []
    for segment in _SEGMENT.split(text):
        body = segment.split(" ", 1)[1] if " " in segment else ""
        found += re.findall(
            r"(?<![\w'-])[A-Z][a-z]+(?:[-'][A-Z]?[a-z]+)*(?: [A-Z][a-z]+(?:-[A-Z][a-z]+)*)*", body
        )
    return [name for name in dict.fromkeys(found) if name.lower() not in _CALENDAR]


def object_of(deed: Deed, text: str) -> list[str]:
    """What the verb is done to: "restart the nginx service on web-1" gives "nginx"."""
    found: list[str] = []
    for sentence in sentences(text):
        if not demands(deed, sentence):
            continue
        tokens = [token.strip(".!?:'") for token in _TOKEN.findall(sentence)]
        verbs = [i for i, token in enumerate(tokens) if stem(token.lower()) == stem(deed.verb)]
        if not verbs:
            continue
        phrase = list(_until_stop(tokens[verbs[0] + 1 :]))
        rest = tokens[verbs[0] + 1 + len(phrase) :]
        if (
            rest[:1] == ["of"]
            and {stem(t.lower()) for t in phrase if t.lower() not in _LITTLE} <= deed.objects
        ):
            phrase = list(_until_stop(rest[1:]))  # "check the dose of ibuprofen"
        kept = [t for t in phrase if t.lower() not in _LITTLE and stem(t.lower()) not in deed.objects]
        if kept and not any(t.lower() in _PRONOUNS for t in kept):
            found.append(" ".join(kept))
    return found


def _until_stop(tokens: Iterable[str]) -> Iterator[str]:
    for token in tokens:
        if token.lower() in _STOPS:
            return
        yield token


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text, without its list and heading marks."""
    return [s for s in (re.sub(r"^[\s>#*-]+", "", part).strip() for part in _SEGMENT.split(text)) if s]


def headline(text: str, deed: Deed | None = None, limit: int = 100) -> str:
    """The first sentence that states something; one that only asks for the deed counts last."""
    parts = [part.rstrip(".:; ") for part in sentences(text)]
    telling = [
        part for part in parts if len(words(part)) > 1 and not (deed is not None and demands(deed, part))
    ]
    chosen = (telling or parts or [text.strip()])[0]
    return cut(chosen, limit)


def told(text: str, deed: Deed) -> str:
    """The text without the lines that ask for the deed; all of it if every line does."""
    kept = [line for line in text.splitlines() if not demands(deed, line)]
    return "\n".join(kept).strip() or text


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, cut at a word and marked with an ellipsis."""
    if len(text) <= limit:
        return text
    return f"{text[: max(1, limit - 1)].rsplit(None, 1)[0]}…"[:limit]
