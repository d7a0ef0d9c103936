"""Synthetic data sets: vectors that do not depend on how they are read, and filters that are near or far."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import reference
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.algorithm import Metric
from fannsbench.cli.datasets import datasets
from fannsbench.cli.options import METRIC
from fannsbench.data.make import synthetic as module
from fannsbench.data.make.synthetic import SPREAD, SyntheticVectors, synthetic
from fannsbench.dataset import Dataset, find
from fannsbench.errors import DatasetError, UserError


def invoke(*arguments):
    result = CliRunner().invoke(datasets, ["make", "synthetic", *(str(argument) for argument in arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@settings(max_examples=40)
@given(
    count=st.integers(1, 60),
    more=st.integers(0, 30),
    dimension=st.integers(1, 12),
    clusters=st.integers(0, 4),
    chunk=st.integers(1, 100),
    data=st.data(),
)
def test_vectors_do_not_depend_on_how_they_are_read(count, more, dimension, clusters, chunk, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK_NUMBERS", chunk)
        vectors = SyntheticVectors(count, dimension, clusters, 3, "items")
        whole = vectors[:]
        assert whole.shape == vectors.shape == (count, dimension)
        assert whole.dtype == vectors.dtype == np.float32
        cuts = sorted({0, count, *data.draw(st.lists(st.integers(0, count), max_size=4))})
        for start, stop in reversed(list(pairwise(cuts))):
            np.testing.assert_array_equal(vectors[start:stop], whole[start:stop])
        longer = SyntheticVectors(count + more, dimension, clusters, 3, "items")
        np.testing.assert_array_equal(longer[:count], whole)
        np.testing.assert_array_equal(longer.keys()[:count], vectors.keys())


def test_uniform_vectors():
    vectors = SyntheticVectors(20_000, 3, 0, 0, "items")[:]
    assert -1 <= vectors.min() < -0.99 and 0.99 < vectors.max() <= 1
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(vectors.var(axis=0), 1 / 3, atol=0.01)


def test_clustered_vectors():
    """Items and queries of a seed share their clusters, whose spread is a share of that of the centres."""
    d, clusters = 16, 40
    items, queries = (SyntheticVectors(8000, d, clusters, 0, purpose)[:] for purpose in ("items", "queries"))
    assert not np.isin(items, queries).all(axis=1).any()
    variances = np.sort(1 / np.arange(1, d + 1))
    within = SPREAD**2 * variances.sum()
    nearest = ((queries[:200, None] - items[None]) ** 2).sum(axis=2)
    own = np.sort(nearest, axis=1)[:, : 8000 // clusters // 2].mean()
    assert own < 2 * within < 0.5 * nearest.mean()
    assert nearest.mean() == pytest.approx(2 * (1 + SPREAD**2) * variances.sum(), rel=0.25)
    np.testing.assert_allclose(np.sort(items.var(axis=0)), (1 + SPREAD**2) * variances, rtol=0.6)
    other = SyntheticVectors(8000, d, clusters, 1, "items")[:]
    assert not np.isin(items, other).all(axis=1).any()


def test_half_of_the_keys_of_a_cluster_lie_together():
    vectors = SyntheticVectors(2000, 8, 10, 0, "items")
    keys = vectors.keys()
    assert sorted(set(np.floor(keys))) == list(range(10))
    means = np.array([vectors[:][np.floor(keys) == cluster].mean(axis=0) for cluster in range(10)])
    distances = np.linalg.norm(vectors[:][:, None] - means[None], axis=2)
    assert (np.argmin(distances, axis=1) == np.floor(keys)).mean() > 0.9


def nearness(draft, seed=0):
    """By workload: how much nearer the nearest match is than the nearest of as many random items (ACORN's
    query correlation), and how much nearer all matches are in the mean than all items."""
    items, rng, found = draft.items[:], np.random.default_rng(seed), {}
    distances = np.array([np.linalg.norm(items - query, axis=1) for query in draft.queries])
    for name, bound in draft.bound.items():
        bits = np.unpackbits(bound.bitmaps(1), axis=1, bitorder="little")[:, : len(items)].astype(bool)
        nearest, mean = [], []
        for row, mask in zip(distances, bits, strict=True):
            some = [row[rng.permutation(len(row))[: mask.sum()]].min() for _ in range(10)]
            nearest.append(np.mean(some) - row[mask].min())
            mean.append(row.mean() - row[mask].mean())
        found[name] = np.mean(nearest), np.mean(mean)
    return found


@pytest.mark.parametrize(("clusters", "dimension"), [(0, 4), (20, 16), (20, 128)])
@pytest.mark.parametrize("share", [0.02, 0.3])
def test_correlation_is_what_it_says(clusters, dimension, share):
    steps = [-1.0, -0.5, 0.0, 0.5, 1.0]
    draft = synthetic(
        2000, dimension, 60, clusters=clusters, selectivities=[share], correlations=steps, seed=2
    )
    found = nearness(draft)
    for kind in ("em", "r", "emis"):
        names = [f"{kind}-{share:g}" + (f"-c{step:g}" if step else "") for step in steps]
        nearest, mean = np.array([found[name] for name in names]).T
        assert (np.diff(nearest) > 0).all()
        assert nearest[1] < 0 < nearest[3]
        assert abs(nearest[2]) < 0.3 * max(abs(nearest[0]), nearest[4])
        assert mean[0] < 0.01 and mean[2] < mean[3] < mean[4]
        assert abs(mean[2]) < 0.2 * mean[4]


def test_correlated_values_have_their_distribution_all_the_same():
    draft = synthetic(1000, 8, 50, distributions=["zipf"], num_values=10, correlations=[-1, 0, 1])
    sizes = [sorted(np.bincount(column.codes)) for column in draft.attributes.values()]
    assert len(sizes) == 2 and sizes[0] == sizes[1]
    found = nearness(draft)
    assert found["em-zipf-c-1"][0] < found["em-zipf"][0] < found["em-zipf-c1"][0]


def test_without_correlation_the_items_are_not_made_before_they_are_read(monkeypatch):
    monkeypatch.setattr(SyntheticVectors, "keys", None)
    draft = synthetic(10**6, 4096, 2, selectivities=[0.001], kinds=["r"])
    draft.check()
    assert draft.stored_bytes == (10**6 + 2) * 4096 * 4


def test_the_command(tmp_path):
    shape = ("--name", "made", "--items", 500, "--dimension", 6, "--queries", 8, "--depth", 5)
    filters = ("--selectivity", "0.1,study", "--selectivity", 0.1, "--kind", "r", "--correlation", -1)
    made = invoke(*shape, *filters, "--metric", "cosine", "--seed", 4)
    assert made.exit_code == 0 and "r-0.1-c-1" in made.stdout and str(find("made")) in made.stdout
    with Dataset.open(find("made")) as opened:
        assert (opened.n, opened.dimension, opened.num_queries) == (500, 6, 8)
        assert opened.metric is Metric.COSINE
        assert opened.workload_names == ["none", *(f"r-{s}-c-1" for s in (0.1, 0.2, 0.4, 0.6, 0.8))]
        vectors, queries = opened.vectors[:], opened.queries()
        np.testing.assert_array_equal(vectors, SyntheticVectors(500, 6, 100, 4, "items")[:])
        workload = opened.workload("r-0.1-c-1")
        assert set(workload.matches) == {50}
        masks = reference.masks(workload.filter.text, opened.attributes, workload.parameters)
        ids, _ = reference.brute_force(vectors, queries, 5, "cosine", masks)
        np.testing.assert_array_equal(workload.neighbors, ids)
    with pytest.raises(DatasetError, match="exists already"):
        invoke(*shape)
    assert "r-0.1" not in invoke(*shape, "--preview").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "r"], "--kind is that of filters of a --selectivity"),
        (["--values", 3], "--values is for a --distribution"),
        (["--correlation", 1], "--correlation is that of filters"),
        (["--selectivity", 0.1, "--kind", "rr"], "unknown kind of filter 'rr'; did you mean r"),
        (["--selectivity", 0.001], "selectivity 0.001 of 50 items is 0 items"),
        (["--distribution", "zipf"], "100 values of 50 items"),
    ],
)
def test_options_that_do_not_fit(arguments, message):
    with pytest.raises(UserError, match=message):
        invoke("--name", "made", "--items", 50, "--dimension", 6, *arguments)


@pytest.mark.parametrize("value", ["0", "1.5", "-0.1", "studies", "nan", "0.1,", ""])
def test_what_is_no_selectivity(value):
    refused = invoke("--name", "made", "--items", 50, "--dimension", 6, "--selectivity", value)
    assert refused.exit_code == 2 and "is no fraction of the items" in refused.stderr


def test_all_metrics_can_be_chosen():
    @METRIC
    def command(metric):
        pass

    (option,) = command.__click_params__
    assert set(option.type.choices) == set(Metric)


def test_the_list_names_it():
    invoke("--name", "made", "--items", 50, "--dimension", 6, "--queries", 2)
    rows = {row["name"]: row for row in json.loads(CliRunner().invoke(datasets, ["list", "--json"]).stdout)}
    assert rows["made"]["workloads"] == 1


def test_more_clusters_than_memory_can_hold_are_refused():
    with pytest.raises(DatasetError, match="1,000,001 clusters; 1,000,000 at most"):
        synthetic(9, 2, 1, clusters=1_000_001)
