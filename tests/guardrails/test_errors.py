"""One tree of errors: drawn in its docstring as it is, with codes that programs can rely on."""

from __future__ import annotations

import re

from pilotman.guardrails import errors
from pilotman.guardrails.errors import BudgetExceeded, Conflict, PilotmanError


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert drawn == [
        cls.__name__ for cls in PilotmanError.__subclasses__() if cls.__module__ == errors.__name__
    ]


def test_codes_are_stable_and_unique() -> None:
    kinds = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, PilotmanError)]
    codes = {cls.__name__: cls.code for cls in kinds}
    assert len(set(codes.values())) == len(codes)
    assert all(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() == code for name, code in codes.items())


def test_an_error_says_what_happened_and_what_to_do() -> None:
    assert str(Conflict("it is busy", hint="try later")) == "it is busy (try later)"
    assert str(Conflict("it is busy")) == "it is busy"
    assert BudgetExceeded("no", limit="max_steps").limit == "max_steps"
