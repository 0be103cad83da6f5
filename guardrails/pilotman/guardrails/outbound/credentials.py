"""Secrets by their names and shapes: keys, tokens, passwords.

Shapes are those that the issuers document. Each pattern starts at a word's beginning and is bounded: the time
for a text grows with its length.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from pilotman.guardrails.outbound.finding import Finding
from pilotman.guardrails.shape import is_mapping
from pilotman.guardrails.wording.lexicon import word_set


@dataclass(frozen=True, slots=True)
class _Shape:
    """One kind of secret: group 1, or all of the match. A text that has none of ``marks``, in lower case, has
    none of it; ``true`` looks closer."""

    kind: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    true: Callable[[str], bool] = bool


def credentials(text: str) -> Iterator[Finding]:
    """The secrets of a text."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters are longer in lower case
        lower = text
    yield from _private_keys(text)
    for shape in _SHAPES:
        if any(mark in lower for mark in shape.marks):
            for match in shape.pattern.finditer(text):
                group = 1 if shape.pattern.groups else 0
                if shape.true(match[group]):
                    yield _secret(shape.kind, match.start(group), match.end(group), match[group])
    yield from _called_secret(text, lower)


def _secret(kind: str, start: int, end: int, value: str) -> Finding:
    return Finding(kind=kind, category="secret", start=start, end=end, value=value)


_KEY_BEGINS = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[23]:"
)
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|Private-MAC: ?[0-9a-f]{1,64}")
_KEY_BODY = re.compile(r"(?:(?:\s|\\[nr])*[A-Za-z0-9+/=]{16,})*")
_LONGEST_KEY = 20_000


def _private_keys(text: str) -> Iterator[Finding]:
    """Keys with their armour; one that is cut off ends where its letters do."""
    at = 0
    while begin := _KEY_BEGINS.search(text, at):
        limit = min(len(text), begin.end() + _LONGEST_KEY)
        end = _KEY_ENDS.search(text, begin.end(), limit) or _KEY_BODY.match(text, begin.end(), limit)
        at = begin.end() if end is None else end.end()
        yield _secret("private_key", begin.start(), at, text[begin.start() : at])


# --- what looks like a secret and is none -----------------------------------------------------------------

_STAND_INS = word_set(
    """password passwd passphrase pass secret token key none null nil true false yes no required optional
    incorrect invalid wrong expired missing empty reset changed change changeme disabled enabled unknown
    undefined redacted hidden masked removed example placeholder string str text value default user username
    admin accepted rejected failed denied mismatch protected prompt field authentication policy here unset
    xxx todo tbd n/a bool int bytes object optional[str]"""
)
_STAND_IN = re.compile(
    r"[\[({<$%`/~].*|\*+.*|[xX.•_#-]+|(?:your|my|the|some|an?|insert|enter|replace|env|os|process|self|config|settings"
    r"|secrets|vault|ctx|args|options|request|params|getpass|input)[._\-:(\[].*",
    re.DOTALL,
)


def _is_meant(value: str) -> bool:
    """Whether a value is no stand-in such as ``<password>``, ``$TOKEN``, ``***`` or ``required``."""
    bare = value.strip("\"'`,;.:!?)").casefold()
    return len(bare) >= 6 and bare not in _STAND_INS and not _STAND_IN.fullmatch(value)


def _is_telling(value: str) -> bool:
    """Whether a value that is said in passing looks chosen as a secret: no plain word."""
    bare = value.rstrip(".,;:!?)")
    marked = any(not c.isalnum() and c not in "-_'./:" for c in bare)
    return _is_meant(value) and (marked or any(c.isdigit() for c in bare))


def _is_random(value: str) -> bool:
    """Whether a value has the entropy of a generated one. In bits a character: hexadecimal 3, others 3.5."""
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    digits, letters = any(c.isdigit() for c in value), any(c.isalpha() for c in value)
    return bits >= (3.0 if _HEX.fullmatch(value) else 3.5) and digits and letters and _is_meant(value)


_HEX = re.compile(r"[0-9a-fA-F]+")


def _is_token(value: str) -> bool:
    """Whether the first part of a JSON Web Token is a header (RFC 7519)."""
    head = value.partition(".")[0]
    try:
        header = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False
    return is_mapping(header) and ("alg" in header or "enc" in header or "typ" in header)


def _is_basic(value: str) -> bool:
    """Whether it is a user and a password (RFC 7617)."""
    try:
        pair = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return ":" in pair and pair.isprintable()


# --- the shapes -------------------------------------------------------------------------------------------


def _shape(kind: str, marks: str, pattern: str, true: Callable[[str], bool] = bool) -> _Shape:
    return _Shape(kind, tuple(marks.split()), re.compile(pattern), true)


def _token(kind: str, marks: str, pattern: str, true: Callable[[str], bool] = bool) -> _Shape:
    """A word of its own."""
    return _shape(kind, marks, rf"(?<![A-Za-z0-9_]){pattern}(?![A-Za-z0-9_])", true)


_TOKENS = (
    _token("aws_access_key", "akia asia abia acca", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    _token("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{30,255}"),
    _token("github_token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    _token("gitlab_token", "pat- gldt- glrt- glcbt-", r"gl(?:pat|dt|rt|cbt)-[\w.-]{20,255}"),
    _token("slack_token", "xox xapp-", r"(?:xox[abceprs]|xapp)-[0-9][A-Za-z0-9-]{10,255}"),
    _token("slack_webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[\w/-]{20,120}"),
    _token("stripe_key", "sk_ rk_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,255}"),
    _token("stripe_key", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,255}"),
    _token("google_key", "aiza", r"AIza[\w-]{35}"),
    _token("google_key", "gocspx-", r"GOCSPX-[\w-]{28}"),
    _token("google_key", "ya29.", r"ya29\.[\w-]{20,1000}"),
    _token("model_key", "sk-", r"sk-[\w-]{20,255}", _is_random),
    _token("huggingface_token", "hf_", r"hf_[A-Za-z0-9]{30,64}"),
    _token("npm_token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _token("pypi_token", "pypi-ageichl", r"pypi-AgEIcHl[\w-]{50,500}"),
    _token("sendgrid_key", "sg.", r"SG\.[\w-]{16,32}\.[\w-]{32,64}"),
    _token("telegram_token", ":aa", r"[0-9]{8,10}:AA[\w-]{33}"),
    _token("digitalocean_token", "_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _token("shopify_token", "shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _token("databricks_token", "dapi", r"dapi[a-f0-9]{32}(?:-[0-9])?"),
    _token("vault_token", "hvs. hvb. hvr.", r"hv[sbr]\.[\w-]{24,255}"),
    _token("docker_token", "dckr_", r"dckr_(?:pat|oat)_[\w-]{20,64}"),
    _token("age_key", "age-secret-key-", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    _shape(
        "jwt",
        "eyj",
        r"(?<![\w.-])(eyJ[\w-]{8,4000}\.[\w-]{4,8000}\.[\w-]{0,2000}(?:\.[\w-]{1,4000}){0,2})",
        _is_token,
    ),
)
_HELD = (  # by what stands around it
    _shape(
        "url_credentials",
        "://",
        r"(?<![\w+.-])[A-Za-z][\w+.-]{1,30}://[^\s/?#@:\"'<>]{0,100}:([^\s/?#@\"'<>]{3,200})@",
        _is_meant,
    ),
    _shape(
        "authorization",
        "bearer",
        r"(?i:\bbearer)[ \t]{1,4}([A-Za-z0-9._~+/-]{16,4000}={0,2})(?![\w.~+/=-])",
        _is_telling,
    ),
    _shape(
        "authorization",
        "basic",
        r"(?i:\bbasic)[ \t]{1,4}([A-Za-z0-9+/]{8,1000}={0,2})(?![\w+/=])",
        _is_basic,
    ),
    _shape(
        "azure_key",
        "accountkey sharedaccesskey",
        r"(?i:\b(?:Account|SharedAccess)Key)=([A-Za-z0-9+/]{40,100}={0,2})",
    ),
)

_SHAPES = (*_TOKENS, *_HELD)
KINDS = frozenset({shape.kind for shape in _SHAPES} | {"private_key", "password", "keyword_secret"})
"""Every kind of secret that is known here."""

# --- what is called a secret ------------------------------------------------------------------------------

_CALLED = re.compile(  # in lower case
    r"(?P<password>pass(?:word|wd|phrase|code)|pwd|kennwort|contrase[nñ]a)|secret|token|credentials?"
    r"|(?:api|access|client|auth|private|encryption|signing|master|secret)[ _-]?key"
)
_SET = re.compile(r"[\"']?[ \t]{0,3}(?:=|:=|=>)[ \t]{0,3}[\"']?([^\s\"'&,;<>]{6,200})")
_QUOTED = re.compile(r"[\"']?[ \t]{0,3}:[ \t]{0,3}[\"']([^\s\"']{6,200})[\"']")
_SAID = re.compile(
    r"(?:[ \t]{0,3}:[ \t]{0,3}|[ \t]{1,3}(?:is|was|ist|lautet|est|es)[ \t]{1,3})([^\s\"'&,;<>]{6,200})"
)
_RANDOM = re.compile(
    r"[\"']?[ \t]{0,3}(?:=|:=|=>|:| is| was)[ \t]{0,3}[\"']?"
    r"([A-Za-z0-9+/=_.~-]{15,499}[A-Za-z0-9+/=_])(?![A-Za-z0-9+/=_~-])"
)
_Ways: TypeAlias = tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...]
_PASSWORDS: _Ways = ((_SET, _is_meant), (_QUOTED, _is_meant), (_SAID, _is_telling))
_OTHERS: _Ways = ((_RANDOM, _is_random),)


def _called_secret(text: str, lower: str) -> Iterator[Finding]:
    """What follows a word for secrets: passwords as such, others if they look generated."""
    for word in _CALLED.finditer(lower):
        kind = "password" if word["password"] else "keyword_secret"
        for pattern, true in _PASSWORDS if word["password"] else _OTHERS:
            match = pattern.match(text, word.end())
            if match and true(match[1]):
                yield _secret(kind, match.start(1), match.end(1), match[1])
                break
