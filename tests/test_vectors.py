"""Vectors that are read in blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fannsbench import vectors
from fannsbench.vectors import Chosen


class Recorded:
    """A matrix that remembers which rows were read."""

    def __init__(self, matrix):
        self.matrix, self.read = matrix, []
        self.shape, self.dtype = matrix.shape, matrix.dtype

    def __getitem__(self, rows):
        self.read.append(rows)
        return self.matrix[rows]


@given(st.sets(st.integers(0, 99)), st.integers(0, 100), st.integers(0, 100), st.integers(1, 40))
def test_chosen_rows_are_those_of_the_whole(numbers, start, stop, block_rows):
    matrix = np.arange(200.0, dtype=np.float32).reshape(100, 2)
    chosen = Chosen(matrix, np.array(sorted(numbers), np.int64))
    before, vectors.BLOCK_BYTES = vectors.BLOCK_BYTES, block_rows * 8
    try:
        np.testing.assert_array_equal(chosen[start:stop], matrix[sorted(numbers)][start:stop])
    finally:
        vectors.BLOCK_BYTES = before


def test_rows_far_between_are_not_read(monkeypatch):
    monkeypatch.setattr(vectors, "_WORTH_SKIPPING", 10 * 8)
    recorded = Recorded(np.arange(2_000.0, dtype=np.float32).reshape(1_000, 2))
    numbers = np.array([3, 5, 500, 505, 999])
    np.testing.assert_array_equal(Chosen(recorded, numbers)[:], recorded.matrix[numbers])
    assert recorded.read == [slice(3, 6), slice(500, 506), slice(999, 1000)]
