from __future__ import annotations

import numpy as np
import pytest

from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval.catalogue.model import Model

VECTOR = np.linspace(-1, 1, 32, dtype=np.float32)


def test_a_model_is_known_by_its_probe_not_by_its_name() -> None:
    stored = Model.of("one.Name", VECTOR)
    stored.check(Model.of("another.Name", VECTOR + np.float32(1e-4)))
    with pytest.raises(ConfigurationError, match="another model"):
        stored.check(Model.of("one.Name", VECTOR[::-1].copy()))
    with pytest.raises(ConfigurationError, match="32 dimensions"):
        stored.check(Model.of("one.Name", VECTOR[:16]))
