"""Structured replies: offered as a tool of the schema's name, read from its call or from JSON, strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pilotman.agents.messages import text_of

M = TypeVar("M", bound=BaseModel)
_FENCED = re.compile(r"```[a-zA-Z]*\s*\n(.*?)```", re.DOTALL)
_SHOWN = 5


class ModelGarbage(ValueError):
    """A model's reply cannot be used; the message says why, in words that the model can act on."""


@lru_cache(maxsize=256)
def json_schema(schema: type[BaseModel]) -> Mapping[str, Any]:
    """The JSON schema of a model class, built once: it costs pydantic milliseconds."""
    return schema.model_json_schema()


def schema_tool(schema: type[BaseModel]) -> dict[str, Any]:
    """The tool that a model calls to answer with this structure."""
    return {
        "name": schema.__name__,
        "description": (schema.__doc__ or f"Answer with a {schema.__name__}.").strip(),
        "parameters": json_schema(schema),
    }


def structured(message: Mapping[str, Any], schema: type[M]) -> M:
    """The structure that a plain assistant message holds.

    A call of the tool named after ``schema`` counts first, then JSON in the text: the whole text, a fenced
    block, or the outermost braces. JSON rules hold for types (an array is a tuple, a string is a date).

    Raises:
        ModelGarbage: there is none, or it does not validate.
    """
    problem = f"no call of the tool {schema.__name__} and no JSON in the text"
    for found in _candidates(message, schema.__name__):
        try:
            return schema.model_validate_json(found)
        except ValidationError as error:
            problem = _said(error, schema.__name__)
    raise ModelGarbage(problem)


def _candidates(message: Mapping[str, Any], name: str) -> Iterator[str]:
    for call in message.get("tool_calls") or ():
        if call["name"] == name:
            yield json.dumps(call["args"])
    text = text_of(message.get("content", "")).strip()
    blocks = [text, *_FENCED.findall(text), text[text.find("{") : text.rfind("}") + 1]]
    for block in blocks:
        if _is_json(block):
            yield block


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def _said(error: ValidationError, name: str) -> str:
    problems = [
        f"{'.'.join(map(str, e['loc'])) or name}: {e['msg']}" for e in error.errors(include_url=False)
    ]
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return f"not a valid {name}: {'; '.join(problems[:_SHOWN])}{more}"
