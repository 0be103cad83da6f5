"""Where an item stands: whose it is and in which tier in clear, its namespace and key only as digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.seal import Seal, Subject
from pilotman.memory.storage.codec import dump

SESSION = "session"
"""The first label of every namespace of the session tier."""
DURABLE = ""
"""What stands in the place of a session in the durable tier."""
_LABEL = 24
"""Hexadecimal digits for each level of a namespace: 96 bits."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A user of a tenant, and the conversation if there is one."""

    subject: Subject
    session: str | None

    def session_of(self, namespace: Sequence[str]) -> str:
        """The session that holds this namespace; ``DURABLE`` where none does.

        Raises:
            ConfigurationError: it is in the session tier, and there is no conversation.
        """
        if not namespace or namespace[0] != SESSION:
            return DURABLE
        if not self.session:
            raise ConfigurationError(
                f"{tuple(namespace)} is of a conversation, and none is known here",
                hint="use it inside a run, invoke the graph with a thread_id, or as_store(…, thread_id=…)",
            )
        return self.session

    def sessions(self, prefix: Sequence[str]) -> tuple[str, str]:
        """The sessions (at most two) in which namespaces that begin like this may stand."""
        if prefix:
            session = self.session_of(prefix)
            return session, session
        return DURABLE, self.session or DURABLE


@dataclass(frozen=True, slots=True)
class Place:
    """A row's key beside tenant and user."""

    session: str
    path: str
    name: str


class Places:
    """Finds places. The same namespace and key have the same place as long as the subject's key lives.

    A path is one digest for each level, of all labels so far: what begins with the same labels begins with
    the same digits, and namespaces of two users have nothing in common.
    """

    def __init__(self, seal: Seal, owner: Owner, *, seek: bool = False) -> None:
        """``seek``: to look things up, which makes no key for a subject that has none."""
        self._blind = seal.sought if seek else seal.blind
        self._owner = owner

    def path(self, namespace: Sequence[str]) -> str:
        """The digits of a namespace, or of the beginning of one."""
        ends = range(1, len(namespace) + 1)
        return "".join(self.digest(dump(namespace[:end]))[:_LABEL] for end in ends)

    def of(self, namespace: Sequence[str], key: str) -> Place:
        """Raises ``ConfigurationError`` for a session where there is no conversation."""
        name = self.digest(dump([namespace, key]))[: 2 * _LABEL]
        return Place(self._owner.session_of(namespace), self.path(namespace), name)

    def digest(self, text: str | bytes) -> str:
        """A keyed digest in hexadecimal digits."""
        raw = text.encode() if isinstance(text, str) else text
        return self._blind(self._owner.subject, raw).hex()
