"""Fronts against every point compared with every other; QPS at a recall against numpy's interpolation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fannsbench.results.pareto import at_recall, front

VALUES = st.one_of(
    st.integers(-3, 3).map(float),  # few values, so that ties are common
    st.floats(-1e6, 1e6),
    st.sampled_from([math.nan, math.inf, -math.inf]),
)
POINTS = st.lists(st.tuples(VALUES, VALUES), max_size=30)
RECALL = st.one_of(
    st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]), st.integers(0, 10_000).map(lambda i: i / 10_000)
)
MEASURED = st.lists(st.tuples(RECALL, st.floats(0.1, 1e6)), min_size=1, max_size=30)
BETTER = st.sampled_from(["high", "low"])


def naive_front(x, y, x_better="high", y_better="high"):
    def gain(i):
        return x[i] if x_better == "high" else -x[i], y[i] if y_better == "high" else -y[i]

    def beats(j, i):
        (xj, yj), (xi, yi) = gain(j), gain(i)
        return xj >= xi and yj >= yi and ((xj, yj) != (xi, yi) or j < i)

    finite = [i for i in range(len(x)) if math.isfinite(x[i]) and math.isfinite(y[i])]
    kept = [i for i in finite if not any(beats(j, i) for j in finite if j != i)]
    return sorted(kept, key=lambda i: x[i])


@given(POINTS, BETTER, BETTER)
def test_front_is_what_no_point_beats(points, x_better, y_better):
    x, y = [p[0] for p in points], [p[1] for p in points]
    assert front(x, y, x_better, y_better).tolist() == naive_front(x, y, x_better, y_better)


def test_front_of_nothing():
    assert front([], []).shape == (0,)
    assert front([math.nan], [1.0]).shape == (0,)


@pytest.mark.parametrize(("x", "y"), [([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]])])
def test_front_refuses_columns_that_do_not_fit(x, y):
    with pytest.raises(ValueError, match="columns of one length"):
        front(x, y)


@given(MEASURED, RECALL)
def test_qps_at_recall_interpolates_the_logarithm_along_the_front(points, target):
    recall, qps = np.array(points).T
    kept = naive_front(recall, qps)
    found = at_recall(recall, qps, target)
    if target > recall.max():
        assert math.isnan(found)
    else:
        wanted = math.exp(np.interp(target, recall[kept], np.log(qps[kept])))
        assert found == pytest.approx(wanted, rel=1e-9)


@given(MEASURED, RECALL)
def test_qps_at_recall_is_at_least_that_of_any_point_that_reaches_it(points, target):
    reaching = [qps for recall, qps in points if recall >= target]
    if reaching:
        assert at_recall(*np.array(points).T, target) >= max(reaching) * (1 - 1e-12)


@given(MEASURED, st.randoms(use_true_random=False))
def test_qps_at_recall_does_not_depend_on_the_order(points, random):
    shuffled = random.sample(points, len(points))
    for target in (0.0, 0.3, 0.9, 0.95, 1.0):
        first, second = (at_recall(*np.array(p).T, target) for p in (points, shuffled))
        assert first == second or (math.isnan(first) and math.isnan(second))


def test_qps_at_recall_by_hand():
    recall, qps = [0.8, 0.9, 0.85, 1.0], [10_000.0, 1_000.0, 500.0, 10.0]
    assert at_recall(recall, qps, 0.5) == 10_000
    assert at_recall(recall, qps, 0.9) == 1_000
    assert at_recall(recall, qps, 0.95) == pytest.approx(100)
    assert at_recall(recall, qps, 1.0) == 10
    assert math.isnan(at_recall(recall[:3], qps[:3], 0.95))


def test_points_without_a_measurement_do_not_count():
    assert at_recall([0.5, math.nan, 0.9], [100.0, 1e9, math.nan], 0.5) == 100
    assert math.isnan(at_recall([0.99, 0.99], [0.0, -5.0], 0.9))
    assert math.isnan(at_recall([], [], 0.9))
