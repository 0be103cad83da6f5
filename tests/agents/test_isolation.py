"""A host's callbacks, tracers and streams do not reach what runs in an isolated context."""

from __future__ import annotations

import contextvars
import importlib
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.runnables.config import set_config_context, var_child_runnable_config
from langchain_core.tracers.context import collect_runs

from pilotman.agents.isolation import _HOST_VARIABLES, isolated  # pyright: ignore[reportPrivateUsage]


class Spy(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.seen.append(str(inputs))


def echo(value: str) -> str:
    return value


def test_a_hosts_handlers_see_nothing() -> None:
    spy = Spy()
    config: RunnableConfig = {"callbacks": [spy], "tags": ["host"]}
    with set_config_context(config) as host:

        def inside() -> None:
            assert var_child_runnable_config.get() is not None
            context = isolated()
            assert context.run(var_child_runnable_config.get) is None
            context.run(RunnableLambda(echo).invoke, "secret draft")

        host.run(inside)
    assert spy.seen == []


def test_handlers_that_hooks_put_into_the_context_see_nothing() -> None:
    with collect_runs() as runs, get_usage_metadata_callback():
        isolated().run(RunnableLambda(echo).invoke, "secret draft")
        assert runs.traced_runs == []
        RunnableLambda(echo).invoke("seen")
        assert len(runs.traced_runs) == 1


def test_the_users_own_variables_stay_and_the_callers_context_is_not_changed() -> None:
    mine = contextvars.ContextVar("mine", default="")
    mine.set("kept")
    token = var_child_runnable_config.set({"tags": ["host"]})
    try:
        assert isolated().run(mine.get) == "kept"
        assert var_child_runnable_config.get() == {"tags": ["host"]}
    finally:
        var_child_runnable_config.reset(token)


@pytest.mark.parametrize(("module", "name"), _HOST_VARIABLES)
def test_the_hosts_variables_still_have_these_names(module: str, name: str) -> None:
    variable: contextvars.ContextVar[Any] = getattr(importlib.import_module(module), name)

    def check() -> None:
        variable.set(object())
        assert isolated().run(variable.get) is None

    contextvars.copy_context().run(check)
