"""When a source is listed again. Pure."""

from __future__ import annotations

from datetime import timedelta

_SHARE = 0.8
"""Of the objective: so much of it passes before the next listing, which needs some time itself."""

_SHORTEST = timedelta(seconds=1)
_LONGEST = timedelta(minutes=5)
"""Between two tries of a source that fails."""


def wait(
    max_staleness: timedelta, *, failures: int = 0, retry_after: float | None = None, jitter: float = 0.0
) -> timedelta:
    """How long to wait after a listing began, or after it failed for the ``failures``-th time in a row.

    ``jitter`` in [0, 1) shortens it by up to a tenth, after failures by up to a half: many processes must not
    ask at the same moment. After failures it doubles from a second on, at most to the objective or to five
    minutes; a ``retry_after`` of the origin's, in seconds, is never undercut.
    """
    if not failures:
        return max(_SHORTEST, max_staleness * (_SHARE * (1 - jitter / 10)))
    longest = max(_SHORTEST, min(_LONGEST, max_staleness))
    doubled = min(longest, _SHORTEST * 2.0 ** min(failures - 1, 20))
    return max(doubled * (1 - jitter / 2), timedelta(seconds=retry_after or 0.0))
