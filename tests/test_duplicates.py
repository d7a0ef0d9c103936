"""Equal rows, against a dictionary of tuples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fannsbench import vectors as vectors_module
from fannsbench.data.duplicates import EXAMPLES, digests_of, digests_of_all, duplicates, rows_equal_to

ROWS = st.lists(st.tuples(*[st.sampled_from([0.0, -0.0, 1.5, 2.0])] * 2), max_size=40)


def matrix(rows, dtype=np.float32):
    return np.array(rows, dtype).reshape(-1, 2)


@given(ROWS)
def test_groups_of_equal_rows(rows):
    groups: dict[tuple[float, float], list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(row, []).append(number)
    several = sorted((group for group in groups.values() if len(group) > 1), key=lambda g: (-len(g), g[0]))
    found = duplicates(digests_of_all(matrix(rows)))
    assert found.repeats == len(rows) - len(groups)
    assert found.groups == len(several)
    assert found.largest == max(map(len, several), default=0)
    assert found.examples == [group[:EXAMPLES] for group in several[:EXAMPLES]]


@given(ROWS, ROWS)
def test_rows_that_are_equal_to_others(rows, queries):
    expected = [rows.index(query) if query in rows else -1 for query in queries]
    found = rows_equal_to(digests_of_all(matrix(rows)), digests_of(matrix(queries)))
    assert (found.tolist(), found.dtype) == (expected, np.int64)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16, np.float64, ">f4"])
def test_any_stored_dtype_is_compared_as_float32(dtype):
    rows = np.array([[1, 2], [3, 4], [1, 2]])
    assert (digests_of(rows.astype(dtype)) == digests_of(rows.astype(np.float32))).all()


def test_blocks_do_not_matter(monkeypatch):
    rows = np.random.default_rng(0).integers(0, 9, (1000, 2)).astype(np.float32)
    whole, steps = digests_of_all(rows), []
    monkeypatch.setattr(vectors_module, "BLOCK_BYTES", 8 * 300)
    assert (digests_of_all(rows, steps.append) == whole).all()
    assert steps == [300, 300, 300, 100]
