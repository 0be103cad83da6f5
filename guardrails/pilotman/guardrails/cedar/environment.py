"""What is the same for all calls of one tool: the rules that cover it, its schema, and their faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, cast, get_args

import cedarpy
from cedarpy import pst

from pilotman.guardrails.cedar.reads import APPROVED, PRESENCE, Reads
from pilotman.guardrails.cedar.schema import (
    Action,
    Attribute,
    EntityType,
    Named,
    Record,
    Schema,
    SetOf,
    Type,
    read,
)
from pilotman.guardrails.cedar.source import Rule, plain
from pilotman.guardrails.policy import Effect

EFFECTS: tuple[Effect, ...] = get_args(Effect)
ANY_TOOL = "any tool"
REALLY = "really approved"
"""The approval as it is, where ``approved`` may be supposed. No schema declares it: no rule can name it."""
_APPROVED = pst.GetAttr(pst.Var("context"), APPROVED[-1])
SCHEMA = resources.files("pilotman.guardrails.cedar").joinpath("schema.cedarschema").read_text("utf-8")
"""The shipped schema: everything that policies can be told."""


@cache
def shipped() -> Schema:
    """The shipped schema, as data."""
    return read(SCHEMA)


def shipped_context() -> Record:
    """What a request tells besides arguments, facts and labels."""
    context = shipped().actions[ANY_TOOL].context
    assert isinstance(context, Record)
    return context


def label_type() -> Type:
    """The type of the labels of a value."""
    return shipped_context().attributes["run"].type


@dataclass(frozen=True)
class Vocabulary:
    """All rules, and the schema that their author gave, if any."""

    rules: tuple[Rule, ...]
    declared: Schema | None

    @property
    def _declared(self) -> Mapping[str, Action]:
        return {} if self.declared is None else self.declared.actions

    @property
    def about_agents(self) -> bool:
        """Whether any rule names agents: else they have no leg of their own."""
        known = self.declared is None or "Agent" in self.declared.entities
        return known and any("Agent" in rule.reads.types for rule in self.rules)

    def action(self, tool: str) -> str:
        """The name of a tool's action: its own, unless that is the name of a group."""
        declared = self._declared
        taken = tool in EFFECTS or (tool in declared and declared[tool].is_group)
        return f"tool:{tool}" if taken or tool.startswith("tool:") else tool

    def groups(self, action: str, effect: Effect | None) -> frozenset[str]:
        """All groups of an action: by its effect, and those that the schema declares."""
        declared = self._declared
        found: set[str] = {effect} if effect else set()
        todo = [action, *found]
        while todo:
            name = todo.pop()
            parents = set(declared[name].parents if name in declared else ()) - found
            found |= parents
            todo += parents
        return frozenset(found)

    def covering(self, tool: str, effect: Effect | None) -> list[Rule]:
        """The rules whose scope speaks of such a tool."""
        action = self.action(tool)
        groups = self.groups(action, effect)
        return [rule for rule in self.rules if rule.covers(tool, action, groups)]

    def schema(
        self, tool: str, effect: Effect | None, rules: Sequence[Rule], *, strict: bool = False
    ) -> Schema:
        """The schema for one tool: as declared, else as the rules read it; nothing that they do not read.

        ``strict``: what the schema's author did not declare counts as always there.
        """
        name = self.action(tool)
        reads = Reads.of(*(rule.tree for rule in rules))
        declared = self._declared.get(name)
        context = declared.context if declared else open_context(reads, required=strict)
        assert isinstance(context, Record)
        kinds = self.entities(reads, required=strict)
        principals = ("User", "Agent") if self.about_agents else ("User",)
        parents = {*(declared.parents if declared else ()), *([effect] if effect else [])}
        action = Action(tuple(sorted(parents)), principals, ("Tool",), _narrowed(context, reads))
        return Schema(kinds, {**self._groups(), name: action})

    def entities(self, reads: Reads, *, required: bool) -> Mapping[str, EntityType]:
        """The entity types: as declared, else ours, with what the rules read of users besides."""
        if self.declared is not None:
            return self.declared.entities
        ours = shipped().entities
        user = ours["User"].shape.attributes
        more = {path: kind for path, kind in reads.under("principal") if path[0] not in user}
        shape = Record({**_tree(more, required=required).attributes, **user})
        return {**ours, "User": replace(ours["User"], shape=shape)}

    def _groups(self) -> dict[str, Action]:
        declared = self._declared
        groups = {name: Action(action.parents) for name, action in declared.items()}
        return {**{effect: Action() for effect in EFFECTS}, **groups}


def open_context(reads: Reads, *, required: bool) -> Record:
    """The context of a tool that no schema declares: typed by what the rules do with its parts."""
    base = dict(shipped_context().attributes)
    for part in ("args", "facts"):
        base[part] = Attribute(_tree(dict(reads.under("context", part)), required=required))
    labelled = {path[0] for path, _ in reads.under("context", "labels")}
    base["labels"] = Attribute(Record({name: Attribute(label_type(), required) for name in sorted(labelled)}))
    looked_at = {path[0] for path, _ in reads.under("context", "found")}
    kinds = Attribute(SetOf(Named("String")), required)
    base["found"] = Attribute(Record(dict.fromkeys(sorted(looked_at), kinds)))
    return Record(base)


def _tree(paths: Mapping[tuple[str, ...], str | None], *, required: bool) -> Record:
    """The record type that holds these paths."""
    found: dict[str, Attribute] = {}
    for name in sorted({path[0] for path in paths}):
        deeper = {path[1:]: kind for path, kind in paths.items() if path[0] == name and path[1:]}
        held = _tree(deeper, required=required) if deeper else _named(paths.get((name,)))
        found[name] = Attribute(held, required)
    return Record(found)


def _named(kind: str | None) -> Type:
    if kind and kind.startswith("Set<"):
        return SetOf(_named(kind[4:-1]))
    return Named(kind or "String")


def _narrowed(context: Record, reads: Reads) -> Record:
    """Only what the rules read of it: a request is as dear as its context is large."""
    paths = dict(reads.under("context"))

    def narrow(type: Record, prefix: tuple[str, ...]) -> Record:
        kept: dict[str, Attribute] = {}
        for name, attribute in type.attributes.items():
            path = (*prefix, name)
            below = any(read[: len(path)] == path and read != path for read in paths)
            if below and isinstance(attribute.type, Record) and paths.get(path, PRESENCE) == PRESENCE:
                kept[name] = Attribute(narrow(attribute.type, path), attribute.required)
            elif below or path in paths:
                kept[name] = attribute
        return Record(kept)

    return narrow(context, ())


@dataclass(frozen=True)
class Environment:
    """All that deciding about calls of one tool needs; built once and kept.

    ``supposes``: some approvable rule reads the approval, so that supposing one may change the answer; then
    all other rules read it as ``REALLY``. ``spoken_of``: a permit covers the tool.
    """

    action: str
    effect: Effect
    names: Mapping[str, Rule]
    spoken_of: bool
    supposes: bool
    faults: tuple[str, ...]
    policies: cedarpy.PolicySet
    schema: cedarpy.Schema
    context: Record
    entities: Mapping[str, EntityType]

    @classmethod
    def of(cls, vocabulary: Vocabulary, tool: str, effect: Effect) -> Environment | None:
        """The environment of a tool; None: no rule speaks of it."""
        rules = vocabulary.covering(tool, effect)
        if not rules:
            return None
        names = {f"policy{number}": rule for number, rule in enumerate(rules)}
        strict = vocabulary.schema(tool, effect, rules, strict=True)
        schema, name = vocabulary.schema(tool, effect, rules), vocabulary.action(tool)
        action = schema.actions[name]
        assert isinstance(action.context, Record)
        context = action.context.attributes
        if "approved" in context:
            context = {**context, REALLY: context["approved"]}
        action = replace(action, context=Record(context))
        return cls(
            action=name,
            effect=effect,
            names=names,
            spoken_of=any(rule.permits for rule in rules),
            supposes=any(rule.approvable and rule.reads.approval for rule in rules),
            faults=tuple(f"{rule.name}: {text}" for rule, text in validated(rules, strict.handle())),
            policies=_policies(names),
            schema=replace(schema, actions={**schema.actions, name: action}).handle(),
            context=Record(context),
            entities=schema.entities,
        )


def joined(rules: Iterable[Rule]) -> str:
    """The text of rules: the n-th gets the name ``policyN``."""
    return "\n".join(rule.text for rule in rules)


def validated(rules: Sequence[Rule], schema: cedarpy.Schema) -> list[tuple[Rule, str]]:
    """What Cedar's validator finds, and in which rule.

    Raises:
        ValueError: the validator itself failed.
    """
    result = cedarpy.validate_policies(joined(rules), schema)
    found: list[tuple[Rule, str]] = []
    for error in result.errors:
        number = error.policy_id.removeprefix("policy")
        if not number.isdigit():
            raise ValueError(error.error)
        found.append((rules[int(number)], plain(error.error)))
    if not result.validation_passed and not found:
        raise ValueError("the validator refuses these policies and does not say why")
    return found


def _policies(names: Mapping[str, Rule]) -> cedarpy.PolicySet:
    """The rules, of which only approvable ones see a supposed approval."""
    trees = {
        name: replace(rule.tree if rule.approvable else _really(rule.tree), id=name)
        for name, rule in names.items()
    }
    return cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=trees, template_links=()))


def _really(node: Any) -> Any:
    """A syntax tree that asks for the real approval."""
    if node == _APPROVED:
        return pst.GetAttr(pst.Var("context"), REALLY)
    if isinstance(node, Mapping):
        members = cast("Mapping[str, Any]", node)
        return {name: _really(member) for name, member in members.items()}
    if isinstance(node, tuple):
        return tuple(_really(part) for part in cast("Iterable[Any]", node))
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{f.name: _really(getattr(node, f.name)) for f in fields(node)})
    return node
