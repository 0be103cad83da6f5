"""One call in Cedar's words: who asks, about which tool, in which context. Types decide what is sent how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias, cast

import orjson

from pilotman.guardrails.cedar.environment import REALLY, Environment
from pilotman.guardrails.cedar.schema import PRESENCE, Named, Record, SetOf, Type
from pilotman.guardrails.label import Label
from pilotman.guardrails.policy import Call
from pilotman.guardrails.principal import Principal

LegName: TypeAlias = Literal["user", "agent", "approver"]
Uid: TypeAlias = dict[str, str]

_LARGEST = 2**63 - 1
_PLACES = Decimal("0.0001")
_TEXTS = frozenset({"String", "ipaddr", "datetime", "duration"})
_MISSING = object()


class Unfit(ValueError):
    """A call holds a value that cannot be told to Cedar as the type that policies read it as."""


@dataclass(frozen=True)
class Leg:
    """Whose rights are asked. ``kind`` is its entity type."""

    name: LegName
    kind: Literal["User", "Agent"]
    uid: Uid
    attributes: Mapping[str, Any]
    parents: tuple[Uid, ...] = ()


def together(call: Call, *, agents: bool) -> list[list[Leg]]:
    """The legs of a call: who asked for the run, each agent of the chain if policies know agents, and who
    said yes: a child has the rights that all above it have too.

    Those of one list share their entities; who approves a call of their own in other roles stands alone.
    """
    found = [_user("user", call.principal)]
    if agents:
        for name in dict.fromkeys((*call.chain, call.agent)):
            about = {"tenant": call.principal.tenant, "name": name}
            found.append(Leg("agent", "Agent", {"type": "Agent", "id": name}, about))
    if call.approved_by is not None:
        approver = _user("approver", call.approved_by)
        if approver.uid == found[0].uid and call.approved_by != call.principal:
            return [found, [approver]]
        found.append(approver)
    return [found]


def user_id(principal: Principal) -> str:
    """``<tenant>/<user>``: no two principals share one."""
    tenant = principal.tenant.replace("%", "%25").replace("/", "%2F")
    return f"{tenant}/{principal.user}"


def _user(name: LegName, principal: Principal) -> Leg:
    about = {**principal.attributes, "tenant": principal.tenant, "user": principal.user}
    roles = tuple({"type": "Role", "id": role} for role in sorted(principal.roles))
    return Leg(name, "User", {"type": "User", "id": user_id(principal)}, about, roles)


class Requests:
    """The requests about one call. Everything but the leg and the approval is written once.

    Raises:
        Unfit: a value does not fit the type that policies read it as.
    """

    def __init__(self, call: Call, environment: Environment) -> None:
        self._environment = environment
        self._requester = _user("user", call.principal)
        self._action = {"type": "Action", "id": environment.action}
        self._tool = {"type": "Tool", "id": call.tool}
        about = {
            "tenant": call.principal.tenant,
            "name": call.tool,
            "effect": environment.effect,
            "declared": call.declared,
        }
        self._resource = self._entity(Leg("user", "User", self._tool, about))
        wanted = environment.context.attributes
        told = {name: _TELLERS[name](call) for name in wanted if name in _TELLERS}

        told |= {"requester": self._requester.uid["id"], "approved": False, REALLY: False, "leg": ""}
        self._context = _fitted(environment.context, told, "")

    def request(self, leg: Leg, *, approved: bool, supposed: bool) -> dict[str, Any]:
        """The request of one leg. ``supposed``: what approvable rules read is that a person said yes."""
        context = self._context
        if "approved" in context:
            context = {**context, "approved": approved or supposed, REALLY: approved}
        if "leg" in context:
            context = {**context, "leg": leg.name}
        return {
            "principal": leg.uid,
            "action": self._action,
            "resource": self._tool,
            "context": orjson.dumps(context).decode(),
        }

    def entities(self, legs: Sequence[Leg]) -> str:
        """The entities of these legs, and no more: the principals, the tool and who asked."""
        distinct = {(leg.uid["type"], leg.uid["id"]): leg for leg in legs}
        found = [self._resource, *(self._entity(leg) for leg in distinct.values())]
        if "requester" in self._context and all(leg.uid != self._requester.uid for leg in legs):
            found.append(self._entity(self._requester))
        return orjson.dumps(found).decode()

    def _entity(self, leg: Leg) -> dict[str, Any]:
        kind = self._environment.entities[leg.uid["type"]]
        parents = [uid for uid in leg.parents if uid["type"] in kind.parents]
        attributes = _fitted(kind.shape, leg.attributes, leg.uid["type"])
        return {"uid": leg.uid, "attrs": attributes, "parents": parents}


def _label(labels: Iterable[Label]) -> dict[str, Any]:
    known = list(labels)
    return {
        "tainted": not all(label.trusted for label in known),
        "authors": sorted({label.author for label in known}),
        "sensitivities": sorted({label.sensitivity for label in known}),
        "tenants": sorted({label.tenant for label in known}),
        "suspicions": sorted({suspicion for label in known for suspicion in label.suspicions}),
    }


def _now(call: Call) -> dict[str, Any]:
    now = call.now
    return {
        "epoch": int(now.timestamp()),
        "date": now.date().isoformat(),
        "hour": now.hour,
        "minute": now.minute,
        "weekday": now.isoweekday(),
    }


def _labels(call: Call) -> dict[str, Any]:
    return {name: _label(labels) for name, labels in call.labels.items() if labels}


def _found(call: Call) -> dict[str, Any]:
    return {name: sorted(call.found.get(name, ())) for name in call.args}


def _held(call: Call) -> list[str]:
    return sorted({name for names in call.found.values() for name in names})


def _carried(call: Call) -> dict[str, Any]:
    return _label(label for labels in call.labels.values() for label in labels)


_TELLERS: dict[str, Callable[[Call], Any]] = {
    "agent": lambda call: call.agent,
    "args": lambda call: call.args,
    "facts": lambda call: call.facts,
    "labels": _labels,
    "carried": _carried,
    "found": _found,
    "holds": _held,
    "run": lambda call: _label(call.run_labels),
    "tools_used": lambda call: sorted(set(call.tools_used)),
    "scopes": lambda call: sorted(call.scopes),
    "now": _now,
}


def _fitted(type: Record, value: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A record with what its type declares, and nothing else. None counts as missing."""
    found: dict[str, Any] = {}
    for name, attribute in type.attributes.items():
        inner = value.get(name)
        at = f"{where}.{name}" if where else name
        if inner is not None:
            found[name] = _fit(attribute.type, inner, at)
        elif attribute.required:
            raise Unfit(f"{at} is missing, and the schema requires it")
    return found


def _fit(type: Type, value: Any, where: str) -> Any:
    match type:
        case Record():
            if isinstance(value, Mapping):
                return _fitted(type, cast("Mapping[str, Any]", value), where)
        case SetOf(element):
            if isinstance(value, list | tuple | set | frozenset):
                return [_fit(element, item, where) for item in cast("Iterable[Any]", value)]
        case Named():
            found = _fit_one(type, value, where)
            if found is not _MISSING:
                return found
    raise Unfit(f"{where} is {_words(value)}; policies read it as {_spelled(type)}")


def _fit_one(type: Named, value: Any, where: str) -> Any:
    if type == PRESENCE:
        return True
    if type.name == "Bool":
        return value if isinstance(value, bool) else _MISSING
    if type.name == "Long":
        return _long(value, where)
    if type.name == "decimal":
        return _decimal(value, where)
    if not isinstance(value, str):
        return _MISSING
    if type.name in _TEXTS:
        return value
    return {"type": type.name, "id": value}


def _long(value: Any, where: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _MISSING
    if isinstance(value, float) and not value.is_integer():
        raise Unfit(f"{where} is not a whole number; policies read it as Long, not as decimal")
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise Unfit(f"{where} is beyond 64 bits")
    return int(value)


def _decimal(value: Any, where: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return _MISSING
    try:
        number = Decimal(str(value))
        exact = number.quantize(_PLACES)
    except InvalidOperation as error:
        raise Unfit(f"{where} is no number that a decimal of Cedar's can hold") from error
    if exact != number:
        raise Unfit(f"{where} has more than four decimal places")
    return f"{exact:f}"


def _words(value: Any) -> str:
    kinds: dict[type, str] = {str: "text", bool: "true or false", int: "a whole number", float: "a fraction"}
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    return next((words for kind, words in kinds.items() if isinstance(value, kind)), "a structure")


def _spelled(type: Type) -> str:
    match type:
        case Named(name):
            return name
        case SetOf(element):
            return f"Set<{_spelled(element)}>"
        case Record():
            return "a record"
