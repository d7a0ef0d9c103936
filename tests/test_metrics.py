"""Recall and broken promises, against a count in plain Python."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fannsbench.algorithm import Metric
from fannsbench.attributes import Category
from fannsbench.dataset import DatasetWriter
from fannsbench.errors import DatasetError, UnknownNameError
from fannsbench.results import metrics
from fannsbench.results.metrics import Judge

N, Q, DEPTH = 40, 5, 8
COLOURS = ["red"] * 3 + ["blue"] * 12 + ["green"] * 25
WANTED = ["red", "blue", "green", "violet", "red"]
"""Of the queries: 3, 12, 25, no and 3 matches."""


def coordinates() -> tuple[np.ndarray, np.ndarray]:
    """Small integers, so that many items are equally far."""
    rng = np.random.default_rng(3)
    vectors, queries = rng.integers(-2, 3, (N, 3)), rng.integers(-2, 3, (Q, 3))
    vectors[5] = vectors[6] = vectors[20] = queries[2] = (1, 1, 0)
    vectors[30], vectors[31] = (3, 3, 0), (0, 0, 0)
    return vectors.astype(np.float32), queries.astype(np.float32)


def distance(metric: Metric, one: np.ndarray, other: np.ndarray) -> float:
    a, b = [float(x) for x in one], [float(x) for x in other]
    if metric is Metric.EUCLIDEAN:
        return math.dist(a, b)
    product = sum(x * y for x, y in zip(a, b, strict=True))
    if metric is Metric.INNER_PRODUCT:
        return -product
    lengths = math.hypot(*a) * math.hypot(*b)
    return 1 - product / lengths if lengths else 1.0


def matching(query: int, workload: str) -> list[int]:
    return [i for i in range(N) if workload == "none" or COLOURS[i] == WANTED[query]]


def write(path: Path, metric: Metric) -> Path:
    vectors, queries = coordinates()
    with DatasetWriter(path, name="ties", metric=metric) as writer:
        writer.items(vectors)
        writer.queries(queries)
        writer.attribute("colour", Category.from_values(COLOURS))
        truths = {}
        for workload in ("none", "em"):
            neighbors, distances = np.full((Q, DEPTH), -1), np.full((Q, DEPTH), np.inf)
            for j in range(Q):
                found = sorted((distance(metric, queries[j], vectors[i]), i) for i in matching(j, workload))
                for place, (how_far, i) in enumerate(found[:DEPTH]):
                    neighbors[j, place], distances[j, place] = i, how_far
            truths[workload] = neighbors, distances
        writer.truth(*truths["none"])
        counts = np.array([len(matching(j, "em")) for j in range(Q)])
        wanted = {"wanted": np.array(WANTED, object)}
        writer.workload("em", "colour == $wanted", wanted, *truths["em"], counts)
    return path


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> dict[Metric, Judge]:
    folder = tmp_path_factory.mktemp("ties")
    return {metric: Judge(write(folder / f"{metric}.h5", metric)) for metric in Metric}


def counted(metric: Metric, workload: str, neighbors: np.ndarray) -> tuple[list[float | None], int, int]:
    """Recall of each query (None: no match), repeated and not matching items."""
    vectors, queries = coordinates()
    recalls: list[float | None] = []
    repeated = wrong = 0
    for j, row in enumerate(neighbors.tolist()):
        right = matching(j, workload)
        distances = sorted(distance(metric, queries[j], vectors[i]) for i in right)
        wanted = min(len(row), len(right))
        hits: set[int] = set()
        seen: set[int] = set()
        for i in row:
            if i == -1:
                continue
            repeated += i in seen
            wrong += i not in right
            seen.add(i)
            if i in right and distance(metric, queries[j], vectors[i]) <= distances[wanted - 1] + 1e-9:
                hits.add(i)
        recalls.append(min(len(hits), wanted) / wanted if wanted else None)
    return recalls, repeated, wrong


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("workload", ["none", "em"])
def test_judged_as_counted_by_hand(judges: dict[Metric, Judge], metric: Metric, workload: str) -> None:
    @settings(max_examples=150)
    @given(
        hnp.arrays(
            np.int32, st.tuples(st.integers(1, Q), st.integers(1, DEPTH)), elements=st.integers(-1, N - 1)
        )
    )
    def judged_as_counted(neighbors: np.ndarray) -> None:
        recalls, repeated, wrong = counted(metric, workload, neighbors)
        judged = judges[metric].judge(workload, neighbors)
        assert [None if math.isnan(r) else r for r in judged.recall] == pytest.approx(recalls)
        assert (judged.duplicates, judged.violations) == (repeated, wrong)
        known = [recall for recall in recalls if recall is not None]
        assert judged.mean_recall == pytest.approx(
            sum(known) / len(known) if known else math.nan, nan_ok=True
        )

    judged_as_counted()


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("workload", ["none", "em"])
@pytest.mark.parametrize("k", [1, 4, DEPTH])
def test_any_exact_answer_has_recall_1(
    judges: dict[Metric, Judge], metric: Metric, workload: str, k: int
) -> None:
    """Whichever of the items at the same distance it takes."""
    vectors, queries = coordinates()
    neighbors = np.full((Q, k), -1, np.int32)
    for j in range(Q):
        order = sorted(
            matching(j, workload), key=lambda i: (round(distance(metric, queries[j], vectors[i]), 9), -i)
        )
        neighbors[j, : len(order)] = order[:k]
    judged = judges[metric].judge(workload, neighbors)
    assert judged.mean_recall == 1
    assert (judged.duplicates, judged.violations) == (0, 0)


def test_the_sample_has_ties_worth_testing(judges: dict[Metric, Judge]) -> None:
    for judge in judges.values():
        workload, _ = judge.workload("none")
        assert (workload.distances[:, DEPTH - 1] == workload.distances[:, DEPTH - 2]).any()


def test_without_any_match_recall_is_unknown(judges: dict[Metric, Judge]) -> None:
    judge = judges[Metric.EUCLIDEAN]
    answers = np.full((Q, 2), -1, np.int32)
    recall = judge.judge("em", answers).recall
    assert np.isnan(recall).tolist() == [False, False, False, True, False]
    assert (recall[[0, 1, 2, 4]] == 0).all()


@pytest.mark.parametrize(
    "neighbors", [np.full((Q, 2), N), np.full((Q, 2), -2), np.zeros((Q + 1, 2)), np.zeros((Q, DEPTH + 1))]
)
def test_answers_to_something_else_are_refused(judges: dict[Metric, Judge], neighbors: np.ndarray) -> None:
    with pytest.raises(DatasetError, match="are none to workload none"):
        judges[Metric.COSINE].judge("none", neighbors.astype(np.int32))


def test_unknown_workloads_are_refused(judges: dict[Metric, Judge]) -> None:
    with pytest.raises(UnknownNameError):
        judges[Metric.COSINE].judge("en", np.zeros((Q, 1), np.int32))


@given(hnp.arrays(np.float32, (2, 7, 3), elements=st.floats(-100, 100, width=32)))
def test_distances_by_definition(rows: np.ndarray) -> None:
    for metric in Metric:
        got = metrics.distances(metric, *rows)
        for i in range(7):
            if metric is Metric.COSINE and min(np.linalg.norm(rows[:, i], axis=1)) < 1e-3:
                continue  # lengths that underflow
            assert got[i] == pytest.approx(distance(metric, rows[0, i], rows[1, i]), rel=1e-9, abs=1e-9)
