"""How vectors are indexed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from pilotman.guardrails.errors import ConfigurationError

Metric: TypeAlias = Literal["cosine", "dot"]
Refine: TypeAlias = Literal["SQ8"]

SMALLEST_TRAINING = 39
"""Vectors a cluster below which FAISS calls its own training poor (``ClusteringParameters``)."""

_PQ = re.compile(r"PQ(\d+)x4fs")


@dataclass(frozen=True, kw_only=True)
class IndexConfig:
    """How vectors are indexed; the defaults are what measured best at a million chunks.

    ``metric``: cosine (vectors are brought to length one) or dot (the inner product of what comes).
    ``exact_below``: rows up to which a search looks at each; above it an inverted file is trained.
    ``nlist``: its clusters; None is the power of two near 4 √rows.
    ``nprobe``: clusters that a query looks into; ``k_factor``: candidates a result that are ranked again.
    ``pq``: product quantizer ``PQ<parts>x4fs``, in 4 bits a part; None is a part for two dimensions.
    ``refine``: what ranks again: a scalar quantizer of 8 bits a dimension.
    ``threads``: for training and rebuilding; None is every core. A search always uses one.

    Raises:
        ConfigurationError: a value cannot work; the message names the field and what it takes.
    """

    metric: Metric = "cosine"
    exact_below: int = 20_000
    nlist: int | None = None
    nprobe: int = 64
    pq: str | None = None
    k_factor: float = 4
    refine: Refine = "SQ8"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, known in (("metric", get_args(Metric)), ("refine", get_args(Refine))):
            if (value := getattr(self, name)) not in known:
                raise ConfigurationError(
                    f"{name}={value!r} is not known", hint=f"take {' or '.join(map(repr, known))}"
                )
        for name in ("exact_below", "nlist", "nprobe", "threads"):
            self._check_whole(name, getattr(self, name))
        if not 1 <= self.k_factor <= 1_000:
            raise ConfigurationError(f"k_factor={self.k_factor!r} is no factor", hint="take 1 to 1000")
        if self.pq is not None and _PQ.fullmatch(self.pq) is None:
            raise ConfigurationError(
                f"pq={self.pq!r} is not known",
                hint="take PQ<parts>x4fs, such as PQ192x4fs",
            )

    def parts(self, dimensions: int) -> int:
        """Sub-quantizers for vectors of so many dimensions.

        Raises:
            ConfigurationError: the dimensions cannot be divided into so many parts.
        """
        if self.pq is not None:
            parts = int(self.pq[2:-4])
        else:
            parts = dimensions // 2 if dimensions % 2 == 0 else dimensions
        if parts < 1 or dimensions % parts:
            raise ConfigurationError(
                f"pq={self.pq!r} does not divide {dimensions} dimensions",
                hint=f"take a divisor of {dimensions}, or leave pq out",
            )
        return parts

    def clusters(self, rows: int) -> int:
        """``nlist`` for so many rows: as set, or near 4 √rows; never more than can be trained well."""
        near = self.nlist if self.nlist is not None else 2 ** round(math.log2(4 * max(1, rows) ** 0.5))
        return max(1, min(near, rows // SMALLEST_TRAINING))

    def _check_whole(self, name: str, value: int | None) -> None:
        if value is None and name in ("nlist", "threads"):
            return
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigurationError(f"{name}={value!r} is no count", hint="take a whole number from 1 up")
