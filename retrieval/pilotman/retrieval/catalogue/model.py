"""What the vectors were made by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval.arrays import Vectors

PROBE = "The pilotman rides with the train, or hands its driver the ticket."
"""A text that is always the same: a model is known by where it puts it."""

_SAME = 0.999
"""Cosine from which two vectors of the probe are one model's: threads and batches move the last digits."""


class Model(NamedTuple):
    """``probe`` is the vector of ``PROBE``, float32."""

    name: str
    dimensions: int
    probe: bytes

    @classmethod
    def of(cls, name: str, probe: Vectors) -> Model:
        """From the vector of the probe, shape ``(dimensions,)``."""
        return cls(name, len(probe), probe.astype(np.float32).tobytes())

    def check(self, given: Model) -> None:
        """Whether ``given`` is this model.

        Raises:
            ConfigurationError: its vectors would not fit to those that are stored.
        """
        hint = "use the embedding that the store was made with, or another folder"
        if given.dimensions != self.dimensions:
            raise ConfigurationError(
                f"the stored vectors have {self.dimensions} dimensions ({self.name}), those of {given.name}"
                f" have {given.dimensions}; nothing was changed",
                hint=hint,
            )
        one, other = (np.frombuffer(model.probe, dtype=np.float32) for model in (self, given))
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        if float(one @ other) < _SAME * lengths:
            raise ConfigurationError(
                f"the stored vectors were made by another model ({self.name}) than {given.name} has loaded;"
                " nothing was changed",
                hint=hint,
            )
