"""JSON schemas of arguments: references resolved, and whether a value fits, after a lossless conversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pilotman.agents import patterns
from pilotman.agents.rules.formats import FORMS, dates
from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.words import words

NO_VALUE: Any = object()
"""No value was found. (None is a value: JSON's null.)"""

_DEPTH = 20
_PASSING = word_set("name address value from to")
IDENTIFYING = word_set("id ids number no code key ref reference identifier uuid sku iban")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One argument to fill. ``kind``: its JSON type; ``nullable``: null is allowed; ``root`` has $defs."""

    name: str
    schema: Mapping[str, Any]
    root: Mapping[str, Any]
    required: bool
    kind: str
    nullable: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The words of the name."""
        return tuple(words(self.name))

    @property
    def is_identifier(self) -> bool:
        """Its name says that it takes an identifier."""
        return not IDENTIFYING.isdisjoint(self.parts)

    @property
    def nouns(self) -> list[str]:
        """The words of the name that can be nouns of a text."""
        whole = [part for part in self.parts if part not in IDENTIFYING | _PASSING and len(part) > 2]
        return [*whole, *(part[:-4] for part in whole if part.endswith("name") and len(part) > 6)]

    @property
    def about(self) -> str:
        """What its author says of it."""
        return f"{self.schema.get('title', '')} {self.schema.get('description', '')}"

    @property
    def options(self) -> list[Any]:
        """The values of an enumeration, or []."""
        return [self.schema["const"]] if "const" in self.schema else list(self.schema.get("enum", ()))


def slots(parameters: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> list[Slot]:
    """The arguments that an object schema asks for, required ones first. ``root`` holds its references."""
    required = set(parameters.get("required", ()))
    whole = parameters if root is None else root
    found = [
        slot(name, schema, whole, required=name in required)
        for name, schema in parameters.get("properties", {}).items()
    ]
    return sorted(found, key=lambda slot: not slot.required)


def slot(name: str, schema: Any, root: Mapping[str, Any], *, required: bool) -> Slot:
    """One argument with its references resolved and, of alternatives, the first that is not null."""
    resolved, nullable = _settled(schema if is_mapping(schema) else {}, root)
    kind: Any = resolved.get("type")
    if is_list(kind):
        nullable = nullable or "null" in kind
        kind = next((k for k in kind if k != "null"), "null")
    return Slot(
        name=name,
        schema=resolved,
        root=root,
        required=required,
        kind=kind or _guess(resolved),
        nullable=nullable,
    )


def _settled(
    schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0
) -> tuple[Mapping[str, Any], bool]:
    if depth > _DEPTH:
        return {}, False
    if "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _settled({**_referred(str(schema["$ref"]), root), **beside}, root, depth + 1)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            branches = [_settled(branch, root, depth + 1) for branch in schema[word]]
            real = [branch for branch, _ in branches if branch.get("type") != "null"]
            beside = {key: value for key, value in schema.items() if key != word}
            nullable = len(real) < len(branches) or any(null for _, null in branches)
            return {**(real[0] if real else {"type": "null"}), **beside}, nullable
    if len(schema.get("allOf", ())) == 1:
        beside = {key: value for key, value in schema.items() if key != "allOf"}
        return _settled({**schema["allOf"][0], **beside}, root, depth + 1)
    return schema, False


def _referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for key in reference.removeprefix("#/").split("/"):
        found = found.get(key, {}) if is_mapping(found) else {}
    return found if is_mapping(found) else {}


def _guess(schema: Mapping[str, Any]) -> str:
    if "properties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    return "string"


def fit(value: Any, slot: Slot) -> Any:
    """The value as the slot takes it (``"3"`` as 3, one as a list of one), or ``NO_VALUE``."""
    if value is None:
        return None if slot.nullable or slot.kind == "null" else NO_VALUE
    if slot.options:
        return _option(value, slot.options)
    return _FITS.get(slot.kind, _fit_any)(value, slot)


def _option(value: Any, options: list[Any]) -> Any:
    said = str(value).strip().casefold()
    return next((option for option in options if str(option).casefold() == said), NO_VALUE)


def _fit_any(value: Any, _slot: Slot) -> Any:
    return value


def _fit_string(value: Any, slot: Slot) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return NO_VALUE
    text, schema = str(value).strip(), slot.schema
    if not schema.get("minLength", 1) <= len(text) <= schema.get("maxLength", len(text)):
        return NO_VALUE
    pattern = schema.get("pattern")
    if pattern is not None and patterns.search(str(pattern), text) is False:  # None: the tool will check
        return NO_VALUE
    return text if _has_form(text, str(schema.get("format", ""))) else NO_VALUE


def _has_form(text: str, form: str) -> bool:
    if form == "date":
        return dates(text) == [text]
    pattern = FORMS.get(form)
    return pattern is None or form == "hostname" or pattern.fullmatch(text) is not None


def _fit_number(value: Any, slot: Slot) -> Any:
    if isinstance(value, bool):
        return NO_VALUE
    try:
        number = float(str(value).strip().removesuffix("%"))
    except ValueError:
        return NO_VALUE
    if slot.kind == "integer" or number.is_integer():
        if not number.is_integer():
            return NO_VALUE
        number = int(number)
    schema = slot.schema
    low, high = schema.get("minimum", number), schema.get("maximum", number)
    inside = low <= number <= high and number > schema.get("exclusiveMinimum", float("-inf"))
    return number if inside and number < schema.get("exclusiveMaximum", float("inf")) else NO_VALUE


def _fit_boolean(value: Any, _slot: Slot) -> Any:
    if isinstance(value, bool):
        return value
    return {"true": True, "yes": True, "false": False, "no": False}.get(str(value).strip().lower(), NO_VALUE)


def _fit_array(value: Any, slot: Slot) -> Any:
    inner = slot_of_items(slot)
    many = value if is_list(value) else [value]
    fitted = [fit(item, inner) for item in many]
    limit = slot.schema.get("maxItems", len(fitted))
    if any(item is NO_VALUE for item in fitted) or len(fitted) < slot.schema.get("minItems", 0):
        return NO_VALUE
    return fitted[:limit]


def slot_of_items(of: Slot) -> Slot:
    """The slot of an array's items, under a singular name."""
    singular = of.name[:-1] if of.name.endswith("s") and not of.name.endswith("ss") else of.name
    return slot(singular, of.schema.get("items", {}), of.root, required=of.required)


def _fit_object(value: Any, slot: Slot) -> Any:
    if not is_mapping(value):
        return NO_VALUE
    return dict(value) if all(name in value for name in slot.schema.get("required", ())) else NO_VALUE


_FITS: Mapping[str, Callable[[Any, Slot], Any]] = MappingProxyType(
    {
        "string": _fit_string,
        "integer": _fit_number,
        "number": _fit_number,
        "boolean": _fit_boolean,
        "array": _fit_array,
        "object": _fit_object,
    }
)
