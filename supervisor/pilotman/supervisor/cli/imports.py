"""What ``package.module:name`` names: somebody's own code, handed to a command."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Final, cast

from pilotman.guardrails.errors import InvalidRequest, PilotmanError
from pilotman.supervisor.supervisor import Supervisor

A_TEAM: Final = "package.module:team, a Supervisor or a function that makes one"


def imported(name: str, *, what: str, usage: str) -> object:
    """What a name stands for; as with ``python -m``, modules of the working folder are found.

    ``what`` says what it is to be, ``usage`` how to write it.

    Raises:
        InvalidRequest: it names nothing, or importing it raises.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise InvalidRequest(f"{name} names no {what}", hint=usage)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = attrgetter(attribute)(import_module(module))
    except Exception as error:  # somebody's module may raise anything
        raise InvalidRequest(f"{name} cannot be imported: {told(error)}") from error
    return found


def team(name: str) -> Supervisor:
    """The team that a name stands for.

    Raises:
        InvalidRequest: it is none.
    """
    made = imported(name, what="team", usage=A_TEAM)
    if not isinstance(made, Supervisor) and callable(made):
        made = _made(name, cast("Callable[[], object]", made))
    if not isinstance(made, Supervisor):
        raise InvalidRequest(f"{name} is no Supervisor", hint=A_TEAM)
    return made


def _made(name: str, make: Callable[[], object]) -> object:
    """What somebody's function makes."""
    try:
        return make()
    except PilotmanError:
        raise
    except Exception as error:  # somebody's function may raise anything
        raise InvalidRequest(f"{name} makes no team: {told(error)}") from error


def told(error: Exception) -> str:
    """An error of somebody's code in one line, with the place that raised it unless that is our import."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    known = last.filename != __file__ and not last.filename.startswith("<")
    where = f" ({Path(last.filename).name}:{last.lineno})" if known else ""
    return f"{type(error).__name__}: {error}{where}"
