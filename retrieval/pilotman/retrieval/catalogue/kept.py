"""A document of a source that is kept, whether or not anything of it can be found."""

from __future__ import annotations

from typing import NamedTuple


class Kept(NamedTuple):
    """``listed`` is its version in the source's listing; ``expires_at`` its own, in seconds since 1970."""

    source: str
    document: str
    listed: str
    expires_at: float | None
    owner: str | None = None
