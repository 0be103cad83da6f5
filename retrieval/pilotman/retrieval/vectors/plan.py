"""How a search under a filter is done: which rows are few enough to be looked at one by one."""

from __future__ import annotations

# Measured in units of one row that is scanned: 0.07 µs at 384 dimensions out of the cache, 0.2 µs out of a
# gigabyte. Where both cost about the same, the scan is exact.
_CODE = 0.1
"""A product code in a cluster that is probed."""

_CLUSTER = 0.4
"""A centre that the query is compared with."""

_CALL = 500.0
"""What every search of a trained index costs beside these."""

_SHARE = -0.4
"""With a share ``s`` of the rows allowed, ``nprobe`` times ``s`` to this power kept recall level: what is
allowed is that much farther from the query."""


def planned(*, allowed: int, among: int, held: int, clusters: int, nlist: int, nprobe: int) -> int:
    """How many clusters to probe for ``allowed`` rows of the ``held`` in an index of ``nlist`` clusters; 0:
    it is cheaper to look at each.

    ``among``: rows of the ``clusters`` clusters that hold an allowed one.
    """
    if allowed >= held:
        return nprobe
    share = min(1.0, max(1, allowed) / max(1, among))
    wide = min(clusters, round(nprobe * share**_SHARE))
    cost = _CALL + _CLUSTER * nlist + _CODE * among * wide / max(1, clusters)
    return 0 if allowed <= cost else wide
