"""What a rule reads of a call, and as which types: found in its syntax tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeAlias, cast

from cedarpy import pst

Path: TypeAlias = tuple[str, ...]
"""A variable and the attributes under it, such as ``("context", "args", "amount")``."""

APPROVED: Path = ("context", "approved")
PRESENCE = "?"
"""The type of what is only tested with ``has``: whether it is there at all."""

_ORDERED = frozenset({"less", "less_eq", "greater", "greater_eq"})
_BINARY: dict[str, tuple[str | None, str | None, str | None]] = {
    "and": ("Bool", "Bool", "Bool"),
    "or": ("Bool", "Bool", "Bool"),
    "add": ("Long", "Long", "Long"),
    "sub": ("Long", "Long", "Long"),
    "mul": ("Long", "Long", "Long"),
    "in": (None, None, "Bool"),
    "decimal_less_than": ("decimal", "decimal", "Bool"),
    "decimal_less_eq": ("decimal", "decimal", "Bool"),
    "decimal_greater": ("decimal", "decimal", "Bool"),
    "decimal_greater_eq": ("decimal", "decimal", "Bool"),
    "is_in_range": ("ipaddr", "ipaddr", "Bool"),
    "offset": ("datetime", "duration", "datetime"),
    "duration_since": ("datetime", "datetime", "duration"),
}
_UNARY: dict[str, tuple[str | None, str | None]] = {
    "not": ("Bool", "Bool"),
    "neg": ("Long", "Long"),
    "is_empty": (None, "Bool"),
    "datetime": ("String", "datetime"),
    "decimal": ("String", "decimal"),
    "duration": ("String", "duration"),
    "ip": ("String", "ipaddr"),
    "to_date": ("datetime", "datetime"),
    "to_time": ("datetime", "duration"),
    **dict.fromkeys(("is_ipv4", "is_ipv6", "is_loopback", "is_multicast"), ("ipaddr", "Bool")),
    **dict.fromkeys(
        ("to_milliseconds", "to_seconds", "to_minutes", "to_hours", "to_days"), ("duration", "Long")
    ),
}


@dataclass
class Reads:
    """The paths that some rules read, each with its type where the rules show one.

    ``whole``: they use ``context`` itself as a value. ``types``: the entity types that they name.
    """

    paths: dict[Path, str | None] = field(default_factory=dict[Path, "str | None"])
    types: set[str] = field(default_factory=set[str])
    whole: bool = False

    @classmethod
    def of(cls, *rules: pst.Template) -> Reads:
        """What these rules read together. A path that any of them shows the type of has it for all."""
        found = cls()
        clauses = [clause.expr for rule in rules for clause in rule.clauses]
        for rule in rules:
            found.types.update(str(named) for named in _types(rule))
        before: dict[Path, str | None] | None = None
        while before != found.paths:
            before = dict(found.paths)
            for clause in clauses:
                found.walk(clause, "Bool")
        return found

    @property
    def approval(self) -> bool:
        """Whether they read the approval."""
        return APPROVED in self.paths

    def under(self, *prefix: str) -> Iterable[tuple[Path, str | None]]:
        """What is read under a path, without it."""
        size = len(prefix)
        return [
            (path[size:], kind) for path, kind in self.paths.items() if path[:size] == prefix and path[size:]
        ]

    def walk(self, expr: pst.Expr, wanted: str | None = None) -> None:
        """Note what an expression reads. ``wanted``: the type that its place asks for."""
        match expr:
            case pst.Var(name):
                self.whole |= name == "context"
            case pst.GetAttr():
                self._attribute(expr, wanted)
            case pst.HasAttr(base, attrs):
                self._tested(base, attrs)
            case pst.UnaryOp(op, arg):
                self.walk(arg, _UNARY.get(op, (None, None))[0])
            case pst.BinaryOp(op, left, right):
                self._binary(op, left, right)
            case pst.Like(base):
                self.walk(base, "String")
            case _:
                self._compound(expr, wanted)

    def _compound(self, expr: pst.Expr, wanted: str | None) -> None:
        match expr:
            case pst.Is(base, _, inside):
                self._all([base] if inside is None else [base, inside], None)
            case pst.IfThenElse(cond, then, other):
                self.walk(cond, "Bool")
                self._all([then, other], wanted or self.kind(then) or self.kind(other))
            case pst.Set(elements):
                kind = next((kind for kind in map(self.kind, elements) if kind), None)
                self._all(elements, _element(wanted) or kind)
            case pst.Record(members):
                self._all(members.values(), None)
            case _:  # a literal, or a slot
                pass

    def _all(self, expressions: Iterable[pst.Expr], wanted: str | None) -> None:
        for expression in expressions:
            self.walk(expression, wanted)

    def _binary(self, op: str, left: pst.Expr, right: pst.Expr) -> None:
        one, other = self.kind(left), self.kind(right)
        if op in _BINARY:
            one, other, _ = _BINARY[op]
        elif op == "contains":
            one, other = other and f"Set<{other}>", _element(one)
        else:  # equality, order, and sets against sets: both sides are of one type
            one = other = one or other or ("Long" if op in _ORDERED else None)
        self.walk(left, one)
        self.walk(right, other)

    def kind(self, expr: pst.Expr) -> str | None:
        """The type of an expression, as far as it is known by now."""
        match expr:
            case pst.LongLit():
                return "Long"
            case pst.StringLit():
                return "String"
            case pst.GetAttr():
                known = self.paths.get(_own(_path(expr) or ()))
                return None if known == PRESENCE else known
            case pst.UnaryOp(op):
                return _UNARY.get(op, (None, None))[1]
            case pst.BinaryOp(op):
                return _BINARY[op][2] if op in _BINARY else "Bool"
            case pst.IfThenElse(_, then, other):
                return self.kind(then) or self.kind(other)
            case pst.Set(elements):
                return next((f"Set<{kind}>" for kind in map(self.kind, elements) if kind), None)
            case pst.BoolLit() | pst.HasAttr() | pst.Like() | pst.Is():
                return "Bool"
            case _:
                return None

    def _attribute(self, expr: pst.GetAttr, wanted: str | None) -> None:
        path = _path(expr)
        if path is None:
            self.walk(expr.base)
        else:
            self._note(path, wanted)

    def _tested(self, base: pst.Expr, attrs: tuple[str, ...]) -> None:
        path = (base.name,) if isinstance(base, pst.Var) else _path(base)
        if path is None:
            self.walk(base)
        else:
            self._note((*path, *attrs), PRESENCE)

    def _note(self, path: Path, kind: str | None) -> None:
        if _own(path) != path:
            self._note(path[:2], "User")
            path = _own(path)
        known = self.paths.get(path, PRESENCE)
        if known == PRESENCE or (known is None and kind != PRESENCE):
            self.paths[path] = kind


def _own(path: Path) -> Path:
    """What is read of the requester is an attribute of a user."""
    is_requester = path[:2] == ("context", "requester") and len(path) > 2
    return ("principal", *path[2:]) if is_requester else path


def _path(expr: pst.Expr) -> Path | None:
    """The path of a chain of attributes that begins at a variable."""
    names: list[str] = []
    while isinstance(expr, pst.GetAttr):
        names.append(expr.attr)
        expr = expr.base
    return (expr.name, *reversed(names)) if isinstance(expr, pst.Var) else None


def _element(kind: str | None) -> str | None:
    return kind[4:-1] if kind and kind.startswith("Set<") else None


def _types(node: Any) -> Iterable[pst.EntityType]:
    """Every entity type named anywhere under a node."""
    stack: list[Any] = [node]
    while stack:
        value = stack.pop()
        if isinstance(value, pst.EntityType):
            yield value
        elif isinstance(value, Mapping):
            stack.extend(cast("Mapping[str, Any]", value).values())
        elif isinstance(value, tuple):
            stack.extend(cast("Iterable[Any]", value))
        elif is_dataclass(value) and not isinstance(value, type):
            stack.extend(getattr(value, f.name) for f in fields(value))
