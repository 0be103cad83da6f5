"""What may be remembered: a statement of plain words, without secrets; orders are put in quarantine. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pilotman.guardrails.errors import InvalidRequest
from pilotman.guardrails.incoming.cleaner import clean
from pilotman.guardrails.incoming.hidden import printable
from pilotman.memory.defence.secrets import refuse, secrets_in
from pilotman.memory.facts.fact import Status
from pilotman.memory.storage.codec import text as storable

MAX_TEXT = 4_000
"""Characters of a statement."""
MAX_WORDS = 500
"""Characters of a reason, a source, the name of a thing, a purpose."""
_FROM_NOW_ON = re.compile(r"\bfrom now on\b,?\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A text that may be kept: as it is told, and why it is not to be told."""

    text: str
    suspicions: frozenset[str]

    @property
    def status(self) -> Status:
        return "quarantined" if self.suspicions else "live"


def statement(text: str, *, own: bool = False) -> Statement:
    """The text of a fact, if it can be one. What reads like orders is suspicious, whoever wrote it; but how
    they are to be answered from now on is its owner's to say (``own``).

    Raises:
        InvalidRequest: it is empty, too long, or has control characters.
        SecretRefused: it holds a secret.
    """
    plain = worded(text, "a fact", most=MAX_TEXT)
    if not plain:
        raise InvalidRequest("there is nothing to remember: the text is empty")
    refuse(secrets_in(plain))
    cleaned = clean(plain, third_party=True)
    if own and cleaned.suspicions == frozenset({"instructions"}):
        cleaned = clean(_FROM_NOW_ON.sub("", plain), third_party=True)
        if not cleaned.suspicions:
            return Statement(text=plain, suspicions=frozenset())
    if cleaned.suspicions:
        return Statement(text=plain, suspicions=frozenset(cleaned.suspicions))
    return Statement(text=str(cleaned.value).strip() or plain, suspicions=frozenset())


def worded(text: str, what: str, *, most: int = MAX_WORDS, word: bool = False) -> str:
    """Text without surrounding blanks; a ``word`` has none inside: it is a name, which is not sealed.

    Raises:
        InvalidRequest: it is no text, too long, has control characters or halves of surrogate pairs, or is no
            word.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # a model's argument may be
        raise InvalidRequest(f"{what} is a text, not {type(text).__name__}")
    plain = text.replace("\r\n", "\n").strip()
    if len(plain) > most:
        raise InvalidRequest(f"{what} has {len(plain):,} characters; {most:,} are allowed")
    if printable(plain) != plain:
        raise InvalidRequest(f"{what} has control characters", hint="give plain text")
    if word and len(plain.split()) > 1:
        raise InvalidRequest(f"{what} is one word, not {plain!r}", hint='such as "crm"')
    return plain


def reasoned(reason: str) -> str:
    """Why something is done.

    Raises:
        InvalidRequest: nobody says.
    """
    found = worded(reason, "a reason")
    if not found:
        raise InvalidRequest("say why: the reason is empty", hint="it is kept with the fact")
    return storable(found)
