"""Which parameters of a tool choose where a call goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.words import words

_FORMATS = frozenset({"uri", "uri-reference", "iri", "iri-reference", "url"})
_URLS = word_set("url urls uri uris href endpoint webhook callback webpage website link links")
_HOSTS = word_set("host hosts hostname domain fqdn server ip address site")
_NETWORK = word_set(
    """http https url fetch download browse browser crawl crawler scrape scraper curl wget web webhook website
    dns whois ping traceroute ftp"""
)
_DEEPEST = 6


def chosen_destinations(tool: str, schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters in which whoever calls the tool says where the call goes, by their schema alone.

    A text without a list of options, whose format is a URI or whose name ends like one (``url``,
    ``callback_uri``, ``webhook``); a host only of a tool whose own name speaks of the network
    (``fetch_page(host)``, not ``disk_usage(host)``).
    """
    properties = schema.get("properties")
    if not is_mapping(properties):
        return ()
    networked = not _NETWORK.isdisjoint(words(tool))
    return tuple(
        name for name, node in properties.items() if _chooses(name, node, schema, networked, _DEEPEST)
    )


def _chooses(name: str, node: Any, root: Mapping[str, Any], networked: bool, depth: int) -> bool:
    if not is_mapping(node) or not depth or "enum" in node or "const" in node:
        return False
    below = [node.get("items"), _referred(node, root)]
    below += [one for key in ("anyOf", "oneOf", "allOf") if is_list(node.get(key)) for one in node[key]]
    if any(_chooses(name, one, root, networked, depth - 1) for one in below):
        return True
    inner = node.get("properties")
    if is_mapping(inner):
        return any(_chooses(key, one, root, networked, depth - 1) for key, one in inner.items())
    last = (words(name) or [""])[-1]
    named = last in _URLS or (networked and last in _HOSTS)
    return node.get("type") == "string" and (node.get("format") in _FORMATS or named)


def _referred(node: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    reference = node.get("$ref")
    definitions = root.get("$defs") or root.get("definitions")
    if not isinstance(reference, str) or not is_mapping(definitions):
        return None
    return definitions.get(reference.rpartition("/")[2])
