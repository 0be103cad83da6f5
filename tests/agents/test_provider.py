"""What must not break: providers by name, their own retries off, one clear line when something is missing."""

from __future__ import annotations

import sys

import httpx
import pytest
from langchain_core.language_models import BaseChatModel

from pilotman.agents.models import ModelTable
from pilotman.agents.provider import configured, without_retries
from pilotman.agents.rules.model import ChatRules
from pilotman.guardrails.errors import ConfigurationError

openai = pytest.importorskip("langchain_openai")
pytest.importorskip("langchain")


def failing(calls: list[httpx.Request]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(500, headers={"retry-after-ms": "1"}, json={"error": {"message": "down"}})

    return httpx.MockTransport(answer)


def test_a_provider_model_by_name_does_not_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    model = configured("openai:gpt-5-mini")
    assert isinstance(model, openai.ChatOpenAI)
    assert (getattr(model, "model_name", None), getattr(model, "max_retries", None)) == ("gpt-5-mini", 0)
    tier = ModelTable.resolve("openai:gpt-5-mini").chain("worker")[0]
    assert (tier.name, tier.rules) == ("openai:gpt-5-mini", False)


@pytest.mark.anyio
@pytest.mark.parametrize("own", [4, None], ids=["own count", "the SDK's count"])
async def test_an_instance_is_asked_once_and_not_changed(own: int | None) -> None:
    calls: list[httpx.Request] = []
    given = openai.ChatOpenAI(
        model="gpt-5-mini",
        api_key="sk-test",
        max_retries=own,
        http_client=httpx.Client(transport=failing(calls)),
        http_async_client=httpx.AsyncClient(transport=failing(calls)),
    )
    tier = ModelTable.resolve(given).chain("worker")[0]
    with pytest.raises(Exception, match="down"):
        await tier.model.ainvoke("x")
    assert len(calls) == 1
    with pytest.raises(Exception, match="down"):
        tier.model.invoke("x")
    assert len(calls) == 2
    assert (tier.name, given.max_retries, tier.model is given) == ("openai:gpt-5-mini", own, False)


def test_a_model_without_retries_stays_itself() -> None:
    model: BaseChatModel = ChatRules()
    assert without_retries(model) is model


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        configured("openai:gpt-5-mini")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_anthropic", None)
    with pytest.raises(ConfigurationError, match="anthropic"):
        configured("anthropic:claude-opus-4")


def test_without_langchain_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ConfigurationError, match=r"pilotman\[models\]"):
        configured("openai:gpt-5-mini")
