"""The context in which code that is not ours runs: the caller's, less what LangChain passes down in it."""

from __future__ import annotations

import sys
from contextvars import Context, ContextVar, copy_context
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config

# Context variables by which a host's tracing and streaming would reach into our calls; there is no public
# handle to them. A test pins the names; all default to None.
_HOST_VARIABLES = (
    ("langsmith._internal._context", "_PARENT_RUN_TREE_REF"),
    ("langsmith._internal._context", "_TRACING_ENABLED"),
    ("langsmith._internal._context", "_CLIENT"),
    ("langgraph.pregel._tools", "_tool_call_writer"),
)


def isolated() -> Context:
    """A copy of the current context without LangChain's config, callback handlers and tracers.

    A graph or model that is invoked in it is nobody's child: it gets a fresh config and no handler
    of a host. Everything else (OpenTelemetry's span, the user's own variables) stays.
    """
    context = copy_context()
    for variable, value in list(context.items()):
        if isinstance(value, BaseCallbackHandler):
            context.run(variable.set, None)
    context.run(var_child_runnable_config.set, None)
    for module, name in _HOST_VARIABLES:
        found: Any = getattr(sys.modules.get(module), name, None)
        if isinstance(found, ContextVar):
            context.run(found.set, None)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    return context
