"""What graphs remember, sealed for the user for whom they run, before a saver sees it.

Values of channels and writes are sealed one by one; whose they are stands beside them in clear, so that who
reads need not know. Ids, versions, names of channels and metadata (by which checkpoints are listed) are no
content.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple
from langgraph.checkpoint.serde.base import SerializerProtocol

from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Seal, Subject

INSTALLATION: Final = Subject("", "")
"""Whose the state of a graph is for which nobody is named."""
_MAGIC: Final = b"\x93pilotman\x01"
_WORD: Final = "\ue000pilotman1:"
"""How sealed values begin, and as text: savers keep short plain values in another place than large ones."""


class Sealing:
    """Seals and opens by one ``Seal``, with the serializer of the saver that is used."""

    def __init__(self, seal: Seal, serde: SerializerProtocol) -> None:
        self._seal = seal
        self._serde = serde

    def checkpoint(self, subject: Subject, config: RunnableConfig, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint as it may lie on a disk."""
        place = _place(config)
        values = {
            name: self._close(subject, place, name, value)
            for name, value in checkpoint["channel_values"].items()
        }
        sealed = checkpoint.copy()
        sealed["channel_values"] = values
        return sealed

    def writes(
        self, subject: Subject, config: RunnableConfig, writes: Sequence[tuple[str, Any]]
    ) -> list[tuple[str, Any]]:
        """Writes as they may lie on a disk."""
        place = _place(config)
        return [(name, self._close(subject, place, name, value)) for name, value in writes]

    def opened(self, item: CheckpointTuple) -> CheckpointTuple:
        """A checkpoint as it was put.

        Raises:
            Forgotten: a key that it needs was destroyed.
            Tampered: it is not what was stored there.
        """
        place, checkpoint = _place(item.config), item.checkpoint.copy()
        checkpoint["channel_values"] = {
            name: self._open(place, name, value) for name, value in item.checkpoint["channel_values"].items()
        }
        pending = item.pending_writes
        if pending is not None:
            pending = [(task, name, self._open(place, name, value)) for task, name, value in pending]
        return item._replace(checkpoint=checkpoint, pending_writes=pending)

    def _close(self, subject: Subject, place: str, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        kind, body = self._serde.dumps_typed(value)
        whose = json.dumps([subject.tenant, subject.user]).encode()
        sealed = self._seal.seal(subject, b"\n".join((kind.encode(), body)), _at(place, name))
        stored = _MAGIC + len(whose).to_bytes(4, "big") + whose + sealed
        return (
            stored if not isinstance(value, str | int | float) else _WORD + base64.b64encode(stored).decode()
        )

    def _open(self, place: str, name: str, value: Any) -> Any:
        found = _owner(value)
        if found is None:
            return value  # of a version that did not seal
        subject, sealed = found
        kind, _, body = self._seal.open(subject, sealed, _at(place, name)).partition(b"\n")
        return self._serde.loads_typed((kind.decode(), body))


def signs(subject: Subject) -> tuple[bytes, str]:
    """How all sealed values of a subject begin, as bytes and as text; no other's do."""
    whose = json.dumps([subject.tenant, subject.user]).encode()
    head = _MAGIC + len(whose).to_bytes(4, "big") + whose
    whole = len(head) // 3 * 3  # the last letters of the text tell what follows, too; what is cut off is `"]`
    return head, _WORD + base64.b64encode(head[:whole]).decode()


def _owner(value: Any) -> tuple[Subject, bytes] | None:
    """Whose a stored value is, and what was sealed; None: it is not sealed."""
    if isinstance(value, str) and value.startswith(_WORD):
        value = base64.b64decode(value[len(_WORD) :])
    if not isinstance(value, bytes) or not value.startswith(_MAGIC):
        return None
    start = len(_MAGIC) + 4
    end = start + int.from_bytes(value[start - 4 : start], "big")
    return Subject(*json.loads(value[start:end])), value[end:]


def subject_in(config: RunnableConfig, acting: Callable[[], Principal | None]) -> Subject:
    """For whom a user's own graph runs: the ``principal`` in its config, else who is ``acting``."""
    said: Any = config.get("configurable", {}).get("principal")
    if isinstance(said, Mapping):
        said = Principal.from_dict(said)  # pyright: ignore[reportUnknownArgumentType]
    found = said if isinstance(said, Principal) else acting()
    return INSTALLATION if found is None else Subject(found.tenant, found.user)


def _place(config: RunnableConfig) -> str:
    return str(config.get("configurable", {})["thread_id"])


def _at(place: str, name: str) -> bytes:
    return f"checkpoints.{name}/{place}".encode()
