"""What is wrong with policies: said before the first call, with file and line, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from pilotman.guardrails.cedar.environment import (
    EFFECTS,
    Vocabulary,
    label_type,
    shipped,
    shipped_context,
    validated,
)
from pilotman.guardrails.cedar.schema import Record, Schema, Type, read
from pilotman.guardrails.cedar.source import APPROVABLE, Finding, Rule, Source, rules, sources
from pilotman.guardrails.policy import Effect

_OPEN = frozenset({"args", "facts"})
_ANY = re.compile(r' in context for Action::"any \w+"')


def check(policies: str | Path, *, schema: str | Path | None = None) -> list[Finding]:
    """All findings about policies and their schema, by file and line; fatal ones make no policy.

    ``policies`` and ``schema`` as ``CedarPolicy`` takes them.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    return load(policies, schema)[1]


def load(policies: str | Path, schema: str | Path | None) -> tuple[Vocabulary, list[Finding], list[Source]]:
    """The policies, what is wrong with them, and the texts that they were read from.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    texts = sources(policies)
    found, findings = rules(texts)
    declared: Schema | None = None
    if schema is not None:
        given = sources(schema, ending=".cedarschema", inline="<schema>")
        texts = [*texts, *given]
        declared, wrong = _declared(given)
        findings += wrong
    if not found and not findings:
        findings.append(Finding(texts[0].name, 1, "there is no policy in it"))
    vocabulary = Vocabulary(tuple(found), declared)
    findings += [finding for rule in found for finding in _unusable(rule, declared)]
    if not findings:
        findings = [*_validated(vocabulary), *_lint(found)]
    return vocabulary, sorted(set(findings)), texts


def _declared(given: Sequence[Source]) -> tuple[Schema | None, list[Finding]]:
    """The schema that the author of the policies wrote, and what does not fit what we can tell."""
    source = given[0]
    if len(given) > 1:
        return None, [Finding(given[1].name, 1, "a schema is one file")]
    try:
        schema = read(source.text)
    except ValueError as error:
        return None, [source.finding(error)]
    wrong = [*_misdeclared_entities(schema), *_misdeclared_actions(schema)]
    return schema, [Finding(source.name, source.line_of(name), text) for name, text in wrong]


def _misdeclared_entities(schema: Schema) -> Iterator[tuple[str, str]]:
    for name in ("User", "Tool"):
        if name not in schema.entities:
            yield name, f"it declares no entity type {name}: calls are about User, Agent and Tool"
    for name in ("Agent", "Tool"):
        if name in schema.entities:
            ours = shipped().entities[name].shape
            for path in _untold(schema.entities[name].shape, ours):
                yield path, f"{name}.{path} is nothing that a call tells, or of another type"


def _misdeclared_actions(schema: Schema) -> Iterator[tuple[str, str]]:
    for name, action in schema.actions.items():
        if action.is_group:
            continue
        if "User" not in action.principals or "Tool" not in action.resources:
            yield name, f"action {name} must apply to principal User and resource Tool"
        ours = shipped_context()
        if not isinstance(action.context, Record):
            yield name, f"the context of action {name} is no record"
            continue
        for path in _untold(action.context, ours):
            yield path.rsplit(".", 1)[-1], f"context.{path} is nothing that a call tells, or of another type"


def _untold(theirs: Record, ours: Record, prefix: str = "") -> Iterator[str]:
    """What a declared record has that no call tells."""
    for name, attribute in theirs.attributes.items():
        path = f"{prefix}{name}"
        told: Type | None = ours.attributes[name].type if name in ours.attributes else None
        if prefix == "labels.":
            told = label_type()
        if not prefix and name in _OPEN and isinstance(attribute.type, Record):
            continue
        if isinstance(told, Record) and isinstance(attribute.type, Record):
            yield from _untold(attribute.type, told, f"{path}.")
        elif told != attribute.type:
            yield path


def _unusable(rule: Rule, declared: Schema | None) -> Iterator[Finding]:
    """What would make a rule mean something else than it seems to."""
    if rule.reads.whole:
        yield rule.finding("`context` cannot be used as a value: name the attributes that it is about")
    said = rule.tree.annotations.get(APPROVABLE)
    if said not in {None, "", "no"}:
        yield rule.finding(f'@{APPROVABLE}("{said}") is unknown: write @{APPROVABLE} or @{APPROVABLE}("no")')
    if declared is not None:
        for name in sorted(rule.actions - set(declared.actions) - set(EFFECTS)):
            yield rule.finding(f'the schema declares no action "{name}"', about=name)


def _validated(vocabulary: Vocabulary) -> Iterator[Finding]:
    """What Cedar's validator says about each rule on each kind of tool that its scope can speak of."""
    reached: set[Rule] = set()
    fatal: dict[tuple[Rule, str], bool] = {}
    for tool, effect in _tools(vocabulary):
        covering = vocabulary.covering(tool, effect)
        reached.update(covering)
        for strict in (True, False) if covering else ():
            try:
                schema = vocabulary.schema(tool, effect, covering, strict=strict).handle()
                for rule, text in validated(covering, schema):
                    fatal.setdefault((rule, _ANY.sub("", text)), strict)
            except ValueError as error:
                fatal.setdefault((covering[0], str(error)), True)
    for (rule, text), is_fatal in fatal.items():
        yield replace(rule.finding(_advised(text)), fatal=is_fatal)
    for rule in vocabulary.rules:
        if rule not in reached:
            named = not rule.actions.isdisjoint(EFFECTS)
            why = "a group is named with `action in`" if named else "no tool is in its scope"
            yield replace(rule.finding(f"it never applies: {why}"), fatal=False)


def _tools(vocabulary: Vocabulary) -> Iterator[tuple[str, Effect | None]]:
    """Each tool that a rule or the schema names, and one that nothing names for each effect."""
    named = {name for rule in vocabulary.rules for name in rule.actions} - set(EFFECTS)
    if vocabulary.declared is not None:
        named |= {name for name, action in vocabulary.declared.actions.items() if not action.is_group}
    yield from ((name, None) for name in sorted(named))
    for effect in EFFECTS:
        yield f"any {effect}", effect
    about = {rule.tool for rule in vocabulary.rules if rule.tool is not None}
    yield from product(sorted(about), (None, *EFFECTS))


def _advised(text: str) -> str:
    if "optional attribute" in text:
        return f"{text}; a call without it is denied: test it with `has` first"
    if "on entity type `Agent`" in text:
        return f"{text}; a rule about users says `principal is User`"
    return text


def _lint(found: Sequence[Rule]) -> Iterator[Finding]:
    """What is allowed and seldom meant."""
    for rule in found:
        for about, text in _odd(rule):
            yield replace(rule.finding(text, about=about), fatal=False)
    names: dict[str, Rule] = {}
    for rule in found:
        first = names.setdefault(rule.name, rule)
        if first is not rule:
            where = f"{first.file}:{first.line}"
            text = f'@id("{rule.name}") stands at {where} too: the record cannot tell them apart'
            yield replace(rule.finding(text), fatal=False)


def _odd(rule: Rule) -> Iterator[tuple[str, str]]:
    marked = rule.tree.annotations.get(APPROVABLE)
    if not rule.tree.annotations.get("id"):
        yield "", "it has no @id: the record can only name its line"
    if not rule.permits and rule.reads.approval and marked is None:
        yield (
            "approved",
            f"a forbid that reads context.approved and is not @{APPROVABLE} denies without asking anybody",
        )
    if marked == "" and not rule.reads.approval:
        yield APPROVABLE, f"@{APPROVABLE} changes nothing: it does not read context.approved"
    if not rule.permits and "write" in rule.actions and "irreversible" not in rule.actions:
        yield (
            "write",
            'it forbids Action::"write" and not Action::"irreversible", which is a group of its own',
        )
