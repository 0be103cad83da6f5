"""Models by ``provider:name`` through LangChain, and instances with their SDK's own retries off.

Retrying is the gateway's work: a second layer beneath it would multiply attempts and hide them.
"""

from __future__ import annotations

import re
from typing import Any, cast

from langchain_core.language_models import BaseChatModel

from pilotman.guardrails.errors import ConfigurationError

_NAME = re.compile(r"[a-z][a-z0-9_]*:\S+")


def configured(name: str) -> BaseChatModel:
    """The LangChain chat model that ``name`` (``provider:name``) stands for.

    Raises:
        ConfigurationError: not such a name, no such provider, its package or its API key is missing.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} names no model", hint="write provider:name, as in openai:gpt-5-mini"
        )
    provider, model = name.split(":", 1)
    if provider == "pilotman":
        raise ConfigurationError(f"unknown model {name!r}", hint="the only one of ours is pilotman:rules")
    built = _build(name, provider, model)
    if "max_retries" in type(built).model_fields:
        built = _build(name, provider, model, max_retries=0)
    return without_retries(built)


def _build(name: str, provider: str, model: str, **options: Any) -> BaseChatModel:
    try:
        from langchain.chat_models import init_chat_model
    except ImportError:
        raise ConfigurationError(
            f"model {name!r} needs the package langchain", hint="pip install 'pilotman[models]'"
        ) from None
    try:
        built = cast("BaseChatModel", init_chat_model(model, model_provider=provider, **options))
    except ImportError as error:
        raise ConfigurationError(f"model {name!r} needs a package: {_line(error)}") from None
    except ValueError as error:
        if "model_provider" in str(error):
            hint = "see LangChain's list of chat model providers"
            raise ConfigurationError(f"unknown model provider {provider!r}", hint=hint) from None
        raise _unusable(name, provider, error) from None
    except Exception as error:  # each provider's SDK has errors of its own
        raise _unusable(name, provider, error) from None
    return built


def _unusable(name: str, provider: str, error: Exception) -> ConfigurationError:
    hint = f"is its API key set ({provider.upper()}_API_KEY)?"
    return ConfigurationError(f"model {name!r} cannot be used: {_line(error)}", hint=hint)


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


def without_retries(model: BaseChatModel) -> BaseChatModel:
    """A copy whose SDK does not retry; the model itself where it exposes no ``max_retries``.

    SDK clients that were built already keep their own count: those are replaced by copies too.
    A count of None leaves it to the SDK, which then retries.
    """
    if getattr(model, "max_retries", 0) == 0:
        return model
    copy = model.model_copy(update={"max_retries": 0})
    for name, value in list(vars(copy).items()):
        client = _client_without_retries(value)
        if client is not None:
            vars(copy)[name] = client
    return copy


def _client_without_retries(value: Any) -> Any:
    """A client (``with_options``) or a resource that holds one, without retries; None if it is neither."""
    if hasattr(value, "with_options") and getattr(value, "max_retries", None):
        return value.with_options(max_retries=0)
    client = getattr(value, "_client", None)
    if client is not None and hasattr(client, "with_options") and getattr(client, "max_retries", None):
        return type(value)(client.with_options(max_retries=0))
    return None
