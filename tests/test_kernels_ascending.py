"""Short ascending arrays, against sorting."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.kernels import jit
from fannsbench.kernels.ascending import keep_nearest, keep_smallest

values = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, np.inf]), max_size=20)


@jit
def smallest(kept: np.ndarray, value: float) -> bool:
    return keep_smallest(kept, value)


@jit
def nearest(distances: np.ndarray, ids: np.ndarray, distance: float, item: int) -> bool:
    return keep_nearest(distances, ids, distance, item)


@given(values, st.integers(1, 6))
@settings(deadline=None)
def test_the_smallest_are_kept(offered: list[float], k: int) -> None:
    kept = np.full(k, np.inf)
    for done, value in enumerate(offered):
        before = kept.copy()
        assert smallest(kept, value) == (value < before[-1])
        assert kept.tolist() == sorted([*offered[: done + 1], *[np.inf] * k])[:k]


@given(values, st.integers(1, 6), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_nearest_are_kept_of_equal_ones_the_lower(offered: list[float], k: int, random: object) -> None:
    items = [(value, item) for item, value in enumerate(offered) if value < np.inf]
    random.shuffle(items)  # type: ignore[attr-defined]
    distances, ids = np.full(k, np.inf), np.full(k, -1, np.int32)
    for done, (distance, item) in enumerate(items, 1):
        before = ids.tolist()
        assert nearest(distances, ids, distance, item) == (ids.tolist() != before)
        expected = [*sorted(items[:done]), *[(np.inf, -1)] * k][:k]
        assert list(zip(distances.tolist(), ids.tolist(), strict=True)) == expected
