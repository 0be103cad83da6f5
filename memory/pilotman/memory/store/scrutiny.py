"""What is looked for in what is to last: secrets are refused, what reads like orders is kept from readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilotman.guardrails.incoming.cleaner import clean
from pilotman.guardrails.outbound.inspection import Inspection
from pilotman.guardrails.outbound.leaves import leaves
from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.memory.defence.secrets import refuse, secrets_in
from pilotman.memory.defence.steering import steers


def suspicions(
    namespace: Sequence[str], key: str, value: Mapping[str, Any], *, own: bool = True
) -> frozenset[str]:
    """Why an item may be up to something: it reads like instructions, hides text, holds chat tokens; or a run
    wrote it, or others (it is not its owner's ``own``), and it would steer those that come later.

    Raises:
        SecretRefused: there is a password, a key or a token in it.
    """
    inspection = Inspection()
    refuse(_secrets([*namespace, key], "", inspection) | _secrets(value, key, inspection))
    found = frozenset[str](clean([*namespace, key, value]).suspicions)
    return found | {"steering"} if not own and steers(" ".join(leaves(value))) else found


def _secrets(value: Any, name: str, inspection: Inspection) -> set[str]:
    """The kinds of secrets in a value that is called ``name``."""
    if is_mapping(value):
        named = [_secrets(inner, str(key), inspection) for key, inner in value.items()]
        return _secrets(list(value), "", inspection).union(*named)
    if is_list(value):
        return set[str]().union(*(_secrets(inner, name, inspection) for inner in value))
    texts = (
        one for text in leaves(value) for one in (text, f"{name}: {text}")
    )  # a password is told by its name
    return set[str]().union(*(secrets_in(text, name, inspection=inspection) for text in texts))
