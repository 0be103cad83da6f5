"""Where a link leads: one spelling of it, and how it is shown so that nothing follows it."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}(?=:)")
_SPECIAL = frozenset({"http", "https", "ftp", "ws", "wss"})
_PORTS = frozenset({("http", "80"), ("https", "443"), ("", "80"), ("", "443")})
_IGNORED = re.compile(r"[\x00-\x20\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_INSIDE = re.compile(r"(?!//)[\w./-]*(?:#[\w./-]*)?")
_UNSAFE_HOST, _UNSAFE_PATH = re.compile(r"[^a-z0-9.-]+"), re.compile(r"[^A-Za-z0-9/._~-]+")
_LONGEST = 120

_SAID = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]{0,30}:)?//[^\s<>\"'`|]{1,2000}"
    r"|(?<![\w@.-])(?:[\w-]{1,63}\.){1,8}[^\W\d][\w-]{1,62}(?::[0-9]{1,5})?(?:[/?][^\s<>\"'`|]{0,2000})?"
)
_CLOSING = ".,;:!?)]}*_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """One destination. ``host`` is in lower case and punycode (RFC 3492), empty where there is none.

    ``rest`` is what follows the host (or the scheme, where there is no host), without a closing slash and
    without the fragment, which no browser sends.
    """

    scheme: str
    host: str
    port: str
    rest: str

    @classmethod
    def of(cls, url: str) -> Destination:
        """A link's destination as browsers read it (WHATWG): entities, blanks, backslashes hide nothing."""
        text = _IGNORED.sub("", html.unescape(url))
        match = _SCHEME.match(text)
        scheme = match[0].casefold() if match else ""
        rest = text[match.end() + 1 :] if match else text
        if scheme in _SPECIAL or not scheme:
            rest = rest.replace("\\", "/")
        if scheme not in _SPECIAL and not rest.startswith("//"):
            return cls(scheme=scheme, host="", port="", rest=rest)
        place = rest.lstrip("/").partition("#")[0]
        end = next((index for index, c in enumerate(place) if c in "/?"), len(place))
        host, _, port = place[:end].rpartition("@")[2].partition(":")
        port = "" if (scheme, port) in _PORTS else port
        return cls(scheme=scheme, host=_looked_up(host), port=port, rest=place[end:].rstrip("/"))

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What two links to the same place share, be it with ``https`` or ``http``, ``www.`` or none."""
        scheme = "web" if self.scheme in ("", "http", "https") else self.scheme
        return scheme, self.host.removeprefix("www."), self.port, self.rest

    @property
    def is_inside(self) -> bool:
        """Whether it stays where it is shown (a plain relative path), or is a way to reach somebody."""
        if self.scheme in ("mailto", "tel"):
            return "?" not in self.rest
        return not self.scheme and not self.host and _INSIDE.fullmatch(self.rest) is not None

    @property
    def shown(self) -> str:
        """It so that no program makes a link of it: ``evil[.]example/path``, without the query."""
        if not self.host:
            return f"a {self.scheme or 'relative'} address"
        host = _UNSAFE_HOST.sub("", self.host).replace(".", "[.]")
        return (host + _UNSAFE_PATH.sub("", self.rest.partition("?")[0]))[:_LONGEST]


def _looked_up(host: str) -> str:
    """A host as it is looked up: in lower case, in ASCII."""
    plain = unicodedata.normalize("NFKC", unquote(host)).casefold().replace("\u3002", ".").rstrip(".")
    try:
        return plain if plain.isascii() else plain.encode("idna").decode("ascii")
    except UnicodeError:  # no name of a host: nobody can look it up
        return plain.encode("ascii", "xmlcharrefreplace").decode("ascii")


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where links may lead: to what trusted texts name, letter by letter, and to hosts that are listed."""

    keys: frozenset[tuple[str, str, str, str]]
    hosts: Collection[str] = ()

    @classmethod
    def of(cls, texts: Iterable[str], hosts: Collection[str] = ()) -> Destinations:
        """What these texts name, as a URL or as a bare host."""
        return cls(frozenset(Destination.of(url).key for text in texts for url in _named(text)), hosts)

    def __contains__(self, destination: Destination) -> bool:
        return destination.is_inside or destination.key in self.keys or self._is_listed(destination)

    def _is_listed(self, destination: Destination) -> bool:
        if destination.scheme not in ("", "http", "https") or not destination.host:
            return False
        beneath = destination.host.partition(".")[2]
        parents = {destination.host}
        while beneath:
            parents.add(f"*.{beneath}")
            beneath = beneath.partition(".")[2]
        return not parents.isdisjoint(host.casefold() for host in self.hosts)


def _named(text: str) -> Iterator[str]:
    for match in _SAID.finditer(text):
        url = match[0].rstrip(_CLOSING)
        yield url if "//" in url.partition("?")[0] else f"//{url}"
