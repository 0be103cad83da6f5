"""Where policies come from: texts and files, cut into rules that know their file and line."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import cedarpy
from cedarpy import pst

from pilotman.guardrails.cedar.depth import checked
from pilotman.guardrails.cedar.reads import Reads
from pilotman.guardrails.cedar.schema import unquoted
from pilotman.guardrails.errors import ConfigurationError

Kind: TypeAlias = str
"""``User`` or ``Agent``."""

_Parses: TypeAlias = Callable[[str], str | None]

APPROVABLE = "approvable"
_TOKEN = re.compile(r'//[^\n\r]*|"(?:\\.|[^"\\])*"|;|[^\s;"/]+|\S')
_QUOTED = re.compile(r"`([^`]*)`")
_PARTS = re.compile(r'"(?:\\.|[^"\\])*"|\w+')


@dataclass(frozen=True, order=True)
class Finding:
    """What is wrong in a file of policies or a schema. ``fatal``: no policy can be made of it."""

    file: str
    line: int
    text: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Source:
    """A text and the name of its file."""

    name: str
    text: str

    def finding(self, error: Exception) -> Finding:
        """What Cedar could not read in it, with its line."""
        return Finding(self.name, _line_of(str(error), self.text, _parses_schema), plain(str(error)))

    def line_of(self, name: str) -> int:
        """The first line that has this name, or 1."""
        return _line_of(f"`{name}`", self.text, _parses_schema)


@dataclass(frozen=True)
class Rule:
    """One ``permit`` or ``forbid``: its text, its syntax tree and what it reads."""

    file: str
    line: int
    text: str
    tree: pst.Template = field(compare=False)

    @cached_property
    def name(self) -> str:
        """Its ``@id``, else where it stands."""
        return self.tree.annotations.get("id") or f"{self.file}:{self.line}"

    @cached_property
    def reason(self) -> str:
        """What the record and the approver read."""
        description = self.tree.annotations.get("description")
        return f"{self.name}: {description}" if description else self.name

    @property
    def permits(self) -> bool:
        return self.tree.effect == "permit"

    @cached_property
    def reads(self) -> Reads:
        return Reads.of(self.tree)

    @property
    def approvable(self) -> bool:
        """Whether a person is asked if their yes would change what this rule says."""
        said = self.tree.annotations.get(APPROVABLE)
        if said is None:
            return self.permits and self.reads.approval
        return said != "no"

    def covers(self, tool: str, action: str, groups: frozenset[str]) -> bool:
        """Whether its scope lets it speak of this tool."""
        match self.tree.action:
            case pst.ActionEq(entity):
                wanted = entity.id == action
            case pst.ActionIn(entities):
                wanted = any(entity.id == action or entity.id in groups for entity in entities)
            case _:
                wanted = True
        return wanted and self.tool in {None, tool}

    @property
    def actions(self) -> frozenset[str]:
        """The actions and groups that its scope names."""
        match self.tree.action:
            case pst.ActionEq(entity):
                return frozenset({entity.id})
            case pst.ActionIn(entities):
                return frozenset(entity.id for entity in entities)
            case _:
                return frozenset()

    def governs(self, kind: Kind) -> bool:
        """Whether it gives rights to principals of this kind. One that names no kind is about users."""
        if not self.permits:
            return False
        match self.tree.principal:
            case pst.ScopeEq(pst.EntityUid() as entity) | pst.ScopeIn(pst.EntityUid() as entity):
                named = str(entity.type)
            case pst.ScopeIs(type) | pst.ScopeIsIn(type):
                named = str(type)
            case _:
                return kind == "User" or "Agent" in self.reads.types
        return kind == named or (kind == "User" and named != "Agent")

    @property
    def tool(self) -> str | None:
        """The one tool that its resource scope names."""
        match self.tree.resource:
            case pst.ScopeEq(pst.EntityUid() as entity) | pst.ScopeIn(pst.EntityUid() as entity):
                return entity.id
            case _:
                return None

    def finding(self, message: str, *, about: str | None = None) -> Finding:
        """A message of Cedar's or of ours, with the line that it is about."""
        hint = message if about is None else f"`{about}`"
        line = self.line - 1 + _line_of(hint, self.text, _parses_policy)
        return Finding(self.file, line, message)


def plain(message: str, names: Mapping[str, str] | None = None) -> str:
    """A message of Cedar's without its own numbering of policies."""
    known = names or {}
    message = re.sub(r"^for policy `policy\d+`, ", "", message)
    return re.sub(r"`(policy\d+)`", lambda match: known.get(match[1], match[1]), message)


def sources(given: str | Path, *, ending: str = ".cedar", inline: str = "<policies>") -> list[Source]:
    """The texts behind what was given: a text itself, a file, or a folder's files in order of name.

    Raises:
        ConfigurationError: a file cannot be read, or a folder holds none.
    """
    if isinstance(given, str):
        return [Source(inline, given)]
    paths = sorted(given.rglob(f"*{ending}")) if given.is_dir() else [given]
    if not paths:
        raise ConfigurationError(f"{given} holds no {ending} file")
    try:
        return [Source(str(path), path.read_text(encoding="utf-8")) for path in paths]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{given} cannot be read: {error}", hint="name a file or a folder"
        ) from error


def rules(given: Sequence[Source]) -> tuple[list[Rule], list[Finding]]:
    """The rules of some texts, and what could not be read."""
    found: list[Rule] = []
    findings: list[Finding] = []
    for source in given:
        before = len(found)
        wrong = len(findings)
        for line, text in _statements(source.text):
            try:
                found.append(_rule(source.name, line, text))
            except ValueError as error:
                at = line - 1 + _line_of(str(error), text, _parses_policy)
                findings.append(Finding(source.name, at, plain(str(error))))
        if len(findings) == wrong and not _agrees(source.text, len(found) - before):
            findings.append(Finding(source.name, 1, "Cedar reads other policies in it than it seems to hold"))
    return found, findings


def _rule(file: str, line: int, text: str) -> Rule:
    parsed = cedarpy.policies_to_pst(checked(text))
    if parsed.templates:
        raise ValueError("templates are not supported: nothing fills in `?principal` and `?resource`")
    (tree,) = parsed.static_policies.values()
    return Rule(file, line, text, tree)


def _agrees(text: str, count: int) -> bool:
    try:
        return len(cedarpy.PolicySet.from_str(text)) == count
    except ValueError:
        return False


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with its first line; what follows the last semicolon too, if it is anything."""
    start: int | None = None
    end = 0
    for match in _TOKEN.finditer(text):
        if match[0].startswith("//"):
            continue
        start = match.start() if start is None else start
        end = match.end()
        if match[0] == ";":
            yield text.count("\n", 0, start) + 1, text[start:end]
            start = None
    if start is not None:
        yield text.count("\n", 0, start) + 1, text[start:end]


def _line_of(message: str, text: str, parses: _Parses) -> int:
    """The line that a message is about: Cedar's messages quote what they mean, but carry no position."""
    if "unexpected token" in message or "unexpected end" in message:
        lines = text.splitlines()

        def is_broken(count: int) -> bool:
            error = parses("\n".join(lines[:count]))
            return error is not None and "unexpected end of input" not in error

        return bisect_left(range(1, len(lines)), True, key=is_broken) + 1
    places: dict[str, int] = {}
    for line, words in enumerate(text.split("\n"), start=1):
        for token in _PARTS.findall(words):
            places.setdefault(token, line)
            places.setdefault(unquoted(token) if token.startswith('"') else token, line)
    meant = [*_QUOTED.findall(message), message.rsplit(" ", 1)[-1]]
    named = (word for quoted in meant for word in reversed(_PARTS.findall(quoted)))
    return next((places[word] for word in named if word in places), 1)


def _parses_policy(text: str) -> str | None:
    return _error(lambda: cedarpy.PolicySet.from_str(text))


def _parses_schema(text: str) -> str | None:
    return _error(lambda: cedarpy.Schema.from_str(text))


def _error(parse: Callable[[], object]) -> str | None:
    try:
        parse()
    except ValueError as error:
        return str(error)
    return None
