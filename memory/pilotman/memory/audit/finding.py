"""What the audit finds: an event, a run, a payload, a block or an anchor that is not as it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["edited", "dropped", "inserted", "reordered", "truncated", "forged", "unchecked"]
What: TypeAlias = Literal["event", "run", "payload", "block", "anchor"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, or that cannot be judged (``unchecked``) because what it follows is gone.

    ``first`` to ``last`` number events (of ``run_id``), blocks or anchors; it may have begun at ``since``, if
    the hashes that follow were forged with it. ``digest`` names a payload, ``note`` says more.
    """

    kind: Kind
    what: What
    run_id: str | None = None
    first: int | None = None
    last: int | None = None
    since: int | None = None
    digest: str | None = None
    note: str = ""

    def __str__(self) -> str:
        parts = [f"{self.kind}: {self.what}"]
        if self.digest is not None:
            parts.append(self.digest)
        elif self.first is not None:
            parts.append(f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}")
            parts[0] += "" if self.first == self.last else "s"
        if self.run_id is not None:
            parts.append(self.run_id if self.what == "run" else f"of {self.run_id}")
        if self.since is not None:
            parts.append(f"(perhaps from {self.since} on)")
        return " ".join(parts) + (f": {self.note}" if self.note else "")

    def to_dict(self) -> dict[str, Any]:
        """What it says, field by field, and in words as ``text``."""
        said = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        return {**said, "text": str(self)}


def merged(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The same findings, neighbours of one kind in one."""
    last: Finding | None = None
    for finding in findings:
        joined = None if last is None else _joined(last, finding)
        if joined is None and last is not None:
            yield last
        last = joined or finding
    if last is not None:
        yield last


def _joined(one: Finding, other: Finding) -> Finding | None:
    if one.last is None or other.first != one.last + 1 or one.what == "anchor":
        return None
    same = replace(other, first=one.first, last=one.last, since=one.since) == one
    return replace(one, last=other.last) if same else None
