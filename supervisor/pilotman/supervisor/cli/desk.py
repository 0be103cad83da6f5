"""What the commands about what a home holds have in common: who asks, where, and what for, said once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Concatenate, TypeVar, get_type_hints

from pilotman.guardrails.level import OPERATOR
from pilotman.guardrails.principal import Principal
from pilotman.memory import Memory
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.home import TENANT, Home
from pilotman.supervisor.cli.session import HomeOption, TenantOption, UserOption, perform, principal_of

T = TypeVar("T")


@dataclass(frozen=True)
class Desk:
    """Who asks, in which home, and whether a program reads the answer."""

    who: Principal
    folder: Path | None
    as_json: bool

    @cached_property
    def home(self) -> Home:
        return Home(self.folder)

    @property
    def memory(self) -> Memory:
        return self.home.memory

    @property
    def operator(self) -> Principal:
        """Whoever can write the home's files may do anything with it."""
        return replace(self.who, roles=frozenset({OPERATOR}))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """One command's work, and the journal closed whatever happens. A home that is made by it is named: it
        may have been meant to be another one."""
        if not self.home.exists:
            output.remark(f"{self.home.path} is a new home: nothing was kept there before")
        return perform(self.home, work)


def _shared(
    *,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> Desk:
    return Desk(principal_of(tenant, user), home, as_json)


def at_desk(command: Callable[Concatenate[Desk, ...], None]) -> Callable[..., None]:
    """The command with the options ``--tenant --user --home --json`` after its own; it is given a desk."""
    _, *own = inspect.signature(command).parameters.values()
    shared = inspect.signature(_shared).parameters
    hints = {**get_type_hints(_shared, include_extras=True), **get_type_hints(command, include_extras=True)}

    @wraps(command)
    def whole(**given: Any) -> None:
        desk = _shared(**{name: given.pop(name) for name in shared})
        command(desk, **given)

    everything = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name])
        for one in (*own, *shared.values())
    ]
    vars(whole)["__signature__"] = inspect.Signature(everything)  # what typer makes options of
    whole.__annotations__ = {one.name: one.annotation for one in everything}
    return whole
