"""Random streams."""

from __future__ import annotations

import numpy as np


def stream(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """A stream of its own for each purpose, and each of its parts: no draw depends on what else is drawn."""
    return np.random.default_rng(np.random.SeedSequence([seed, *purpose.encode()], spawn_key=numbers))
