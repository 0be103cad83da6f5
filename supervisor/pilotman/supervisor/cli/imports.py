"""What ``package.module:name`` names: somebody's own code, handed to a command."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from operator import attrgetter
from pathlib import Path

from pilotman.guardrails.errors import InvalidRequest


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


def told(error: Exception) -> str:
    """An error of somebody's code in one line, with the place that raised it unless that is our import."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    known = last.filename != __file__ and not last.filename.startswith("<")
    where = f" ({Path(last.filename).name}:{last.lineno})" if known else ""
    return f"{type(error).__name__}: {error}{where}"
