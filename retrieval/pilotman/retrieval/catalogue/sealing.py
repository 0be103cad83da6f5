"""What chunks that a user owns say, and what they are called, as they lie in the file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson

from pilotman.guardrails.seal import Forgotten, Seal, Subject, Tampered
from pilotman.retrieval.access import subject_of
from pilotman.retrieval.sources.terms import version_of

HERE = Subject("", "")
"""The installation: by its key a name is looked for, whoever owns it, and a forgotten one known again."""
_END = b"\n"
"""Of the names that are sealed before the metadata; JSON has none."""


@dataclass(frozen=True, slots=True)
class Content:
    """The columns of a chunk that hold content. Of one that is sealed ``id`` and ``document`` lie as blind
    names, ``ref`` and ``version`` as the owner's pseudonyms for its document and that one's version; what
    they stand for, and the ``label``, is sealed before the ``metadata``. No ``ref``: names lie in clear."""

    id: str
    document: str | None
    version: str | None
    label: bytes | None
    ref: str | None
    metadata: bytes
    text: bytes


class Sealing:
    """Closes and opens the columns of a chunk that hold content. What nobody owns lies as it is; without
    keys so does the rest."""

    def __init__(self, seal: Seal) -> None:
        self.seal = seal
        self._subjects: dict[str, Subject] = {}

    def closed(self, row: int, owner: str | None, content: Content, version: str) -> Content:
        """A chunk's content as it may lie at ``row``; ``version``: of its document."""
        if owner is None or self.seal.keys is None:
            return content
        subject = self._subject(owner)
        label = None if content.label is None else content.label.decode()
        names = orjson.dumps([content.id, content.document, content.version, label])
        return Content(
            id=self.blind(content.id),
            document=None if content.document is None else self.blind(content.document),
            version=self.seal.pseudonym(subject, version),
            label=None,
            ref=self.seal.pseudonym(subject, content.document or content.id),
            metadata=self.seal.seal(subject, names + _END + content.metadata, _place("metadata", row)),
            text=self.seal.seal(subject, content.text, _place("text", row)),
        )

    def opened(self, row: int, owner: str | None, content: Content) -> Content:
        """What lies at ``row``, in clear; ``ref`` stays.

        Raises:
            Forgotten: the owner's key is gone, or was never given to this process.
            Tampered: it is not what was sealed there.
        """
        if owner is None:
            return content
        subject = self._subject(owner)
        metadata = self.seal.open(subject, content.metadata, _place("metadata", row))
        text = self.seal.open(subject, content.text, _place("text", row))
        if not metadata.startswith(b"["):  # of a version that sealed no names
            return replace(content, metadata=metadata, text=text)
        head, _, metadata = metadata.partition(_END)
        id_, document, version, label = orjson.loads(head)
        return Content(
            id=id_,
            document=document,
            version=version,
            label=None if label is None else label.encode(),
            ref=content.ref,
            metadata=metadata,
            text=text,
        )

    def names(self, row: int, owner: str, metadata: bytes) -> tuple[str, str | None]:
        """What the owner calls the document of what lies at ``row`` (a text that was added: itself), and its
        version.

        Raises:
            Forgotten, Tampered: as ``opened``.
        """
        sealed = self.seal.open(self._subject(owner), metadata, _place("metadata", row))
        id_, document, version, _ = orjson.loads(sealed.partition(_END)[0])
        return document or id_, version

    def is_lost(self, owner: str, sealed: bytes) -> bool:
        """Whether there are keys, but not that of this owner by which something was sealed."""
        return self.seal.keys is not None and not self.seal.opens(self._subject(owner), sealed)

    def kept(self, owner: str, document: str, listed: str) -> bytes:
        """What a source calls a document and its version, sealed."""
        subject, said = self._subject(owner), orjson.dumps([document, listed])
        return self.seal.seal(subject, said, _place("document", self.blind(document)))

    def unkept(self, owner: str, blind: str, sealed: bytes) -> tuple[str, str] | None:
        """Both of what is sealed beside a blind name; None: the owner's key is gone, or it is not that."""
        try:
            opened = self.seal.open(self._subject(owner), sealed, _place("document", blind))
        except (Forgotten, Tampered):
            return None
        document, listed = orjson.loads(opened)
        return document, listed

    def blind(self, name: str) -> str:
        """What stands for a name that is somebody's content, in the column where it is looked for."""
        return self.seal.pseudonym(HERE, name)

    def forms(self, name: str) -> tuple[str, str]:
        """How a name may lie in its column: as it is, or blind."""
        return name, self.seal.pseudonym(HERE, name, seek=True)

    def _subject(self, owner: str) -> Subject:
        found = self._subjects.get(owner)
        if found is None:
            found = self._subjects[owner] = subject_of(owner)
        return found


def version_in(content: Content) -> str:
    """Of the document that content in clear is of; a text that somebody added is one by itself."""
    return version_of(content.text) if content.version is None else content.version


def _place(column: str, row: int | str) -> bytes:
    return f"chunk.{column}/{row}".encode()
