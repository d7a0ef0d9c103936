"""Results by selectivity band and the latency of every query."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest
import reference
from sample_results import Sample

from fannsbench.algorithm import Metric
from fannsbench.attributes import Number
from fannsbench.dataset import DatasetWriter
from fannsbench.results import bands, table

N = 1000
LIMITS = [0, 1, 1, 2, 10, 11, 50, 100, 101, 350, 600, 999, 1000, 1000]
"""How many items match each query."""
BAND_OF = {
    0: None, 1: "0-0.1 %", 2: "0.1-1 %", 10: "0.1-1 %", 11: "1-5 %", 50: "1-5 %", 100: "5-10 %",
    101: "10-20 %", 350: "20-40 %", 600: "40-60 %", 999: "80-100 %", 1000: "80-100 %",
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Items numbered from 0; query j keeps those below LIMITS[j]."""
    rng = np.random.default_rng(4)
    vectors, queries = (rng.standard_normal((rows, 4)).astype(np.float32) for rows in (N, len(LIMITS)))
    masks = np.arange(N) < np.array(LIMITS)[:, None]
    path = tmp_path_factory.mktemp("bands") / "bands.h5"
    with DatasetWriter(path, name="bands", metric=Metric.EUCLIDEAN) as writer:
        writer.items(vectors)
        writer.queries(queries)
        writer.attribute("number", Number.from_values(range(N)))
        writer.truth(*reference.brute_force(vectors, queries, 10, Metric.EUCLIDEAN))
        truth = reference.brute_force(vectors, queries, 10, Metric.EUCLIDEAN, masks)
        writer.workload("r", "number < $limit", {"limit": np.array(LIMITS)}, *truth, masks.sum(axis=1))
    return path


def test_bands_are_those_of_each_query(dataset: Path, tmp_path: Path) -> None:
    sample = Sample(tmp_path, dataset)
    answers = sample.truth("r", 5).copy()
    answers[1::2] = -1  # every second query finds nothing
    latencies = [np.arange(1, 15) * 0.001, np.arange(1, 15) * 0.003, np.arange(1, 15) * 0.002]
    path = sample.write("r", [sample.run(answers, latency=seconds) for seconds in latencies], k=5)
    rows = table.load(tmp_path)
    split = bands.by_selectivity(rows)
    labels = [BAND_OF[limit] for limit in LIMITS]
    assert split.band.tolist() == list(dict.fromkeys(label for label in labels if label))
    assert split.band_order.tolist() == sorted(split.band_order)
    for row in split.itertuples():
        inside = [j for j, label in enumerate(labels) if label == row.band]
        assert row.queries == len(inside)
        assert row.recall == pytest.approx(statistics.mean(float(j % 2 == 0) for j in inside))
        assert row.qps == pytest.approx(1 / statistics.mean((j + 1) * 0.002 for j in inside), rel=1e-5)
        assert (row.workload, row.algorithm, row.k, row.path) == ("r", "plain", 5, str(path))
    assert sum(split.queries) == len([limit for limit in LIMITS if limit])


def test_only_queries_that_were_timed_count_for_qps(dataset: Path, tmp_path: Path) -> None:
    sample = Sample(tmp_path, dataset)
    run = sample.run(sample.truth("r", 5))
    run.latency_seconds = np.full(2, 0.004)
    sample.write("r", [run], k=5)
    split = bands.by_selectivity(table.load(tmp_path)).set_index("band")
    assert split.qps["0-0.1 %"] == pytest.approx(250)
    assert split.queries["0-0.1 %"] == 2
    assert split.qps.drop("0-0.1 %").isna().all()


def test_an_unfiltered_workload_is_one_band(dataset: Path, tmp_path: Path) -> None:
    sample = Sample(tmp_path, dataset)
    sample.write("none", k=5)
    (row,) = bands.by_selectivity(table.load(tmp_path)).itertuples()
    assert (row.band, row.queries, row.recall) == ("80-100 %", len(LIMITS), 1.0)


def test_what_failed_or_has_lost_its_data_set_has_no_bands(dataset: Path, tmp_path: Path) -> None:
    sample = Sample(tmp_path, dataset)
    sample.write("r", k=5, runs=[], status="failed", reason="time-out")
    sample.write("none", k=5, checksum="of another data set", dataset_path="/not/here.h5")
    assert bands.by_selectivity(table.load(tmp_path)).empty
