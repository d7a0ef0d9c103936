"""What an index is built on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fannsbench.attributes import Attributes


@dataclass(frozen=True, eq=False)
class Items:
    """What an index is built on: `vectors` (n, d) float32, C-contiguous, read-only and possibly
    memory-mapped, and the `attributes` of the same n items."""

    vectors: np.ndarray
    attributes: Attributes
