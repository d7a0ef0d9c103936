"""`fannsbench.data.stats`: each figure against a known answer or a naive computation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from fannsbench.algorithm import Metric
from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.data.stats import attributes, distances, neighbourhood, vectors, workloads
from fannsbench.data.stats.fits import FAMILIES, fit
from fannsbench.data.stats.summary import Histogram, Summary
from fannsbench.data.stats.survey import Survey
from fannsbench.data.stats.workloads import Sampled, nearest_of_random_sets
from fannsbench.data.truth.exact import exact_knn
from fannsbench.dataset import Workload
from fannsbench.filters import Filter

METRICS = list(Metric)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def naive_distances(queries, items, metric):
    if metric is Metric.INNER_PRODUCT:
        return -np.array([[q @ x for x in items.astype(float)] for q in queries.astype(float)])
    if metric is Metric.COSINE:
        queries, items = (
            v / np.linalg.norm(v.astype(float), axis=1, keepdims=True) for v in (queries, items)
        )
    return np.array([np.linalg.norm(items.astype(float) - query, axis=1) for query in queries.astype(float)])


# Summaries and histograms


def test_a_summary_is_of_the_finite_values(rng):
    values = rng.gamma(2, size=500)
    found = Summary.of(np.concatenate([values, [np.inf, np.nan]]))
    assert found.count == 500
    assert [found.mean, found.std, found.min, found.max] == pytest.approx(
        [values.mean(), values.std(), values.min(), values.max()]
    )
    assert found.quartiles == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]).tolist())
    assert found.histogram.counts.sum() == 500
    assert (found.histogram.density * np.diff(found.histogram.edges)).sum() == pytest.approx(1)
    assert Summary.of(np.array([np.nan])) is None and Summary.of(np.array([])) is None


@pytest.mark.parametrize(
    "values",
    [
        np.array([3.5]),
        np.array([0.0, 0.0]),
        np.array([1.0, np.nextafter(1.0, 2)]),
        np.array([-(2**62), 2**62]),
        np.array([-1.7e308, 1.7e308]),
        np.array([-5, 0, 7]),
        np.geomspace(1e-9, 1e9, 200),
    ],
)
def test_a_histogram_holds_every_value(values):
    found = Histogram.of(values)
    assert found.counts.sum() == len(values)
    assert (np.diff(found.edges) > 0).all() and np.isfinite(found.edges).all()
    assert Summary.of(values).count == len(values)


def test_bins_of_integers_hold_as_many_integers_each(rng):
    values = np.arange(0, 1234).repeat(3)
    found = Histogram.of(values)
    assert len(set(found.counts[:-1].tolist())) == 1
    few = Histogram.of(rng.integers(0, 5, 4000))
    assert few.edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]
    assert Histogram.of(np.geomspace(1, 1e6, 100)).log and not few.log


# Distances


@pytest.mark.parametrize("metric", METRICS)
def test_distances_are_those_of_the_definition(rng, metric):
    queries, items = (rng.standard_normal((rows, 6)).astype(np.float32) for rows in (5, 9))
    expected = naive_distances(queries, items, metric)
    assert distances.between(queries, items, metric) == pytest.approx(expected, abs=1e-5)
    one, other = np.array([0, 3, 3]), np.array([8, 2, 3])
    pairs = naive_distances(items, items, metric)[one, other]
    assert distances.of_pairs(items, one, other, metric) == pytest.approx(pairs, abs=1e-6)
    truth = exact_knn(items, queries, 9, metric)
    assert distances.of_truth(truth.distances, metric) == pytest.approx(np.sort(expected, axis=1), abs=1e-3)
    assert neighbourhood.mean_distances(queries, items, metric) == pytest.approx(expected.mean(1), rel=1e-5)


def test_a_common_offset_does_not_blur_distances(rng):
    vectors_ = (1000 + rng.standard_normal((50, 8))).astype(np.float32)
    expected = naive_distances(vectors_[:5], vectors_, Metric.EUCLIDEAN)
    assert distances.between(vectors_[:5], vectors_, Metric.EUCLIDEAN) == pytest.approx(expected, abs=2e-3)


def test_a_vector_of_length_zero_has_cosine_distances():
    pair = np.array([[0, 0], [0, 2]], np.float32)
    assert distances.of_pairs(pair, [0], [1], Metric.COSINE) == pytest.approx(1)
    assert np.isfinite(distances.between(pair, pair, Metric.COSINE)).all()


# Fits


SAMPLES = {
    "normal": scipy_stats.norm(10, 1),
    "Student's t": scipy_stats.t(3, 10, 0.5),
    "logistic": scipy_stats.logistic(20, 1),
    "skew normal": scipy_stats.skewnorm(-8, 10, 2),
    "generalised extreme value": scipy_stats.genextreme(-0.3, 10, 1),
    "log-normal": scipy_stats.lognorm(0.6, scale=3),
    "gamma": scipy_stats.gamma(2, scale=3),
    "Nakagami": scipy_stats.nakagami(1.5, scale=2),
    "Weibull": scipy_stats.weibull_min(5, scale=2),
    "beta": scipy_stats.beta(0.5, 0.5, 1, 3),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_of_a_distribution_are_given_back(rng, name):
    values = SAMPLES[name].rvs(5000, random_state=rng)
    best = fit(values, rng).best
    assert best.name == name and best.ks < 0.03
    x = np.quantile(values, [0.2, 0.5, 0.8])
    assert best.density(x) == pytest.approx(SAMPLES[name].pdf(x), rel=0.1)
    assert best.ks == scipy_stats.kstest(values, best.scipy, tuple(best.parameters.values())).statistic


def test_the_better_of_two_fits_comes_first(rng):
    ranked = fit(rng.gamma(3, size=2000), rng).ranked
    assert [one.bic for one in ranked] == sorted(one.bic for one in ranked)
    assert len(ranked) == 10
    assert "log-normal" not in {one.name for one in fit(rng.standard_normal(2000), rng).ranked}


def test_what_does_not_vary_has_no_fit(rng):
    ones = np.linalg.norm(scipy_stats.norm.rvs(size=(300, 64), random_state=rng), axis=1)
    for values in (np.ones(100), 1 + 1e-4 * rng.standard_normal(1000), np.zeros(60)):
        found = fit(values, rng)
        assert found.best is None and "constant" in found.no_fit
    assert fit(ones, rng).best
    assert "49 values" in fit(ones[:49], rng).no_fit
    assert fit(np.array([]), rng).best is None


def test_zeros_of_repeated_vectors_are_left_out_of_fits(rng):
    values = rng.gamma(4, size=3000)
    assert (
        fit(np.concatenate([values, np.zeros(500)]), np.random.default_rng(0)).best == fit(values, rng).best
    )


# Vectors


@pytest.mark.parametrize("metric", METRICS)
def test_norms_and_distances_of_all_pairs(rng, metric):
    sample = rng.standard_normal((40, 5)).astype(np.float32)
    norms = np.linalg.norm(sample.astype(float), axis=1)
    found = vectors.figures(norms, sample, metric, rng)
    assert found.norms.summary.mean == pytest.approx(norms.mean())
    gaps = naive_distances(sample, sample, metric)
    pairs = [gaps[i, j] for i, j in itertools.combinations(range(40), 2)]
    assert found.distances.summary.count == len(pairs)
    assert found.distances.summary.mean == pytest.approx(np.mean(pairs), abs=1e-6)
    assert found.distances.summary.std == pytest.approx(np.std(pairs), abs=1e-6)


def test_pairs_of_a_large_sample_are_drawn_and_differ(rng, monkeypatch):
    monkeypatch.setattr(vectors, "PAIRS", 500)
    found = vectors.figures(np.ones(100), np.eye(100, dtype=np.float32), Metric.EUCLIDEAN, rng)
    summary = found.distances.summary
    assert summary.count == 500 and summary.min == summary.max == pytest.approx(np.sqrt(2))


def test_correlation_of_dimensions_is_pearsons(rng):
    sample = (rng.standard_normal((500, 6)) @ rng.standard_normal((6, 6)) + 100).astype(np.float32)
    expected = np.corrcoef(sample.astype(float).T)
    found = vectors.correlation(np.insert(sample, 2, 5, axis=1), rng)
    assert found.matrix == pytest.approx(expected, abs=1e-5)
    off_diagonal = expected[np.triu_indices(6, 1)]
    assert found.mean_absolute == pytest.approx(np.abs(off_diagonal).mean(), abs=1e-5)
    assert found.constant_dimensions == 1
    counts, _ = np.histogram(off_diagonal, found.histogram.edges)
    assert found.histogram.counts.tolist() == counts.tolist()


@pytest.mark.parametrize("sample", [np.ones((9, 4)), np.arange(9)[:, None], np.ones((1, 3))])
def test_without_two_dimensions_that_vary_there_is_no_correlation(rng, sample):
    found = vectors.correlation(sample.astype(np.float32), rng)
    assert found.mean_absolute is None and found.histogram is None


# The pass over all items


def test_a_survey_sees_every_item_in_blocks(rng, monkeypatch):
    monkeypatch.setattr("fannsbench.vectors.BLOCK_BYTES", 100)
    monkeypatch.setattr("fannsbench.data.stats.survey.SAMPLE_ITEMS", 20)
    items, told = rng.standard_normal((53, 4)).astype(np.float16), []
    found = Survey.take(items, rng, told.append)
    assert sum(told) == 53 and len(told) > 5
    assert found.norms == pytest.approx(np.linalg.norm(items.astype(float), axis=1))
    assert len(set(found.numbers.tolist())) == 20 and (np.diff(found.numbers) > 0).all()
    assert (found.sample == items[found.numbers]).all()
    assert (found.distinct == found.sample).all()


# Neighbourhoods


def distances_among(points, k):
    found = exact_knn(points, points, k + 1, Metric.EUCLIDEAN)
    return neighbourhood.without_self(found.neighbors, found.distances, np.arange(len(points)))


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_lid_of_uniform_points_is_their_dimension(rng, dimension):
    cube = np.zeros((20_000, dimension + 3), np.float32)
    cube[:, :dimension] = rng.random((20_000, dimension))
    inner = cube[(np.abs(cube[:, :dimension] - 0.5) < 0.25).all(axis=1)][:300]
    near = exact_knn(cube, inner, 101, Metric.EUCLIDEAN).distances[:, 1:]
    assert np.nanmean(neighbourhood.lid(near)) == pytest.approx(dimension, rel=0.06)


def test_lid_leaves_duplicates_out_and_needs_ten_neighbours():
    radii = np.sort(np.random.default_rng(1).random((1, 20)) ** (1 / 3))
    expected = -1 / np.mean(np.log(radii / radii.max()))
    padded = np.concatenate([[[0.0, 0.0]], radii, [[np.inf]]], axis=1)
    assert neighbourhood.lid(padded) == pytest.approx([expected])
    undefined = [np.zeros((1, 30)), np.ones((1, 30)), radii[:, :9], np.full((1, 30), np.inf), np.ones((1, 0))]
    assert all(np.isnan(neighbourhood.lid(one)).all() for one in undefined)


def test_contrast_is_the_naive_one(rng):
    items, queries = (rng.standard_normal((rows, 4)).astype(np.float32) for rows in (80, 7))
    expected = naive_distances(queries, items, Metric.EUCLIDEAN)
    mean = neighbourhood.mean_distances(queries, items, Metric.EUCLIDEAN)
    nearest = exact_knn(items, queries, 1, Metric.EUCLIDEAN).distances[:, 0]
    found = neighbourhood.contrast(mean, nearest)
    assert found == pytest.approx(expected.mean() / expected.min(axis=1).mean(), rel=1e-5)
    assert neighbourhood.contrast(mean, np.zeros(7)) == "every query is an item"


def test_hubness_counts_occurrences(rng):
    points = rng.standard_normal((120, 3)).astype(np.float32)
    gaps = naive_distances(points, points, Metric.EUCLIDEAN)
    np.fill_diagonal(gaps, np.inf)
    occurrence = [0] * 120
    for row in gaps:
        for near in sorted(range(120), key=lambda j, row=row: row[j])[:10]:
            occurrence[near] += 1
    found = neighbourhood.hubness(distances_among(points, 10)[0])
    assert found.skewness == pytest.approx(scipy_stats.skew(occurrence))
    assert found.never == occurrence.count(0) / 120
    assert (found.most, found.k, found.items) == (max(occurrence), 10, 120)


def test_high_dimensions_have_hubs_and_low_ones_do_not(rng):
    low, high = rng.random((3000, 2)), rng.standard_normal((3000, 60))
    skewness = [
        neighbourhood.hubness(distances_among(points.astype(np.float32), 10)[0]).skewness
        for points in (low, high)
    ]
    assert abs(skewness[0]) < 0.5 and skewness[1] > 2


def test_hubness_of_items_that_all_neighbour_each_other(rng):
    points = rng.standard_normal((5, 3)).astype(np.float32)
    assert "equally often" in neighbourhood.hubness(distances_among(points, 4)[0])
    assert "no other" in neighbourhood.hubness(distances_among(points[:1], 0)[0])


def test_an_item_is_no_neighbour_of_its_own():
    ids = np.array([[0, 1, 2], [0, 2, 4], [7, 2, 9]])
    distances_ = np.array([[0.0, 1, 2], [0, 0, 0], [0, 0, 3]])
    found = neighbourhood.without_self(ids, distances_, np.array([0, 3, 2]))
    assert found[0].tolist() == [[1, 2], [0, 2], [7, 9]]
    assert found[1].tolist() == [[1, 2], [0, 0], [0, 3]]


def test_drift_tells_queries_of_another_distribution(rng):
    items, same = (rng.standard_normal((2000, 6)).astype(np.float32) for _ in range(2))
    near_items = distances_among(items, 1)[1][:, 0]

    def of(queries):
        return neighbourhood.drift(near_items, exact_knn(items, queries, 1, Metric.EUCLIDEAN).distances[:, 0])

    alike, other = of(same), of(same + np.float32(5))
    assert alike.ratio == pytest.approx(1, abs=0.05) and alike.far == pytest.approx(0.05, abs=0.02)
    assert other.ratio > 3 and other.far > 0.95
    assert "duplicate" in neighbourhood.drift(np.array([0, 0, 1.0]), np.ones(3))


# Attributes


def test_values_of_attributes():
    category = attributes.figures(Category.from_values(["b", "a", None, "b"]))
    assert (category.missing, category.distinct, category.numbers) == (0.25, 2, None)
    assert [(one.value, one.items, one.share) for one in category.top] == [("b", 2, 0.5), ("a", 1, 0.25)]
    number = attributes.figures(Number.from_values([4, None, 4, 10, 0]))
    assert (number.missing, number.distinct, number.top) == (pytest.approx(0.2), 3, [])
    assert (number.numbers.mean, number.numbers.max, number.numbers.count) == (4.5, 10, 4)
    tags = attributes.figures(LabelSet.from_values([["x", "y"], [], ["x"]]))
    assert (tags.missing, tags.distinct) == (pytest.approx(1 / 3), 2)
    assert [(one.value, one.items) for one in tags.top] == [("x", 2), ("y", 1)]
    assert (tags.numbers.mean, tags.numbers.max) == (1, 2)


def test_attributes_without_any_value():
    nothing = attributes.figures(LabelSet.from_values([[], []]))
    assert (nothing.missing, nothing.distinct, nothing.top) == (1, 0, [])
    assert attributes.figures(Number.from_values([None, None])).numbers is None
    assert attributes.figures(Category.from_values([None])).top == []
    assert attributes.figures(Number.from_values([np.inf, 1.0])).numbers.max == 1


def test_only_the_most_frequent_values_are_listed():
    values = [f"v{i:03}" for i in range(200) for _ in range(200 - i)]
    found = attributes.figures(Category.from_values(values))
    assert [one.value for one in found.top] == [f"v{i:03}" for i in range(attributes.TOP)]
    assert found.distinct == 200


# Workloads


@pytest.mark.parametrize("metric", METRICS)
def test_random_sets_are_random_sets_of_their_size(rng, monkeypatch, metric):
    monkeypatch.setattr("fannsbench.vectors.BLOCK_BYTES", 300)
    items, queries = (rng.standard_normal((rows, 3)).astype(np.float32) for rows in (40, 2))
    queries = np.repeat(queries, 4000, axis=0)
    sizes = np.tile([[0, 1, 3, 39, 40]], (8000, 1))
    told: list[int] = []
    monkeypatch.setattr(workloads, "BLOCK_BYTES", 4 * 8000 * 16)
    found = nearest_of_random_sets(items, queries, sizes, metric, rng, told.append)
    assert sum(told) == 40 and len(told) > 2
    exact = naive_distances(queries[[0, -1]], items, metric)
    for rows, row in ((slice(0, 4000), exact[0]), (slice(4000, 8000), exact[1])):
        assert np.isinf(found[rows, 0]).all()
        assert found[rows, 1].mean() == pytest.approx(row.mean(), abs=5 * row.std() / np.sqrt(40))
        assert found[rows, 4] == pytest.approx(row.min(), abs=1e-5)
        ranks = np.abs(found[rows, 1][:, None] - row).argmin(axis=1)
        assert (np.bincount(ranks, minlength=40) > 50).all()  # each item is drawn, about 100 times
        assert (np.diff(found[rows], axis=1)[:, 1:] <= 0).all()
    nearest_missed = (found[:, 3] > found[:, 4] + 1e-4).mean()
    assert nearest_missed == pytest.approx(1 / 40, abs=0.01)


def workload_of(matching, items, queries, metric):
    """A workload whose query j is matched by the items of matching[j], and its figures."""
    n, count = len(items), len(queries)
    labels = [[str(j) for j in range(count) if matching[j, i]] for i in range(n)]
    columns = Attributes({"tags": LabelSet.from_values(labels)}, n)
    filter_ = Filter.parse("$query in tags")
    parameters = {"query": np.array([str(j) for j in range(count)], object)}
    gaps = np.where(matching, naive_distances(queries, items, metric), np.inf)
    order = np.argsort(gaps, axis=1)[:, :100]
    nearest = np.take_along_axis(gaps, order, axis=1)
    truth = np.where(np.isinf(nearest), -1, order), nearest**2 / 2 if metric is Metric.COSINE else nearest
    workload = Workload("w", filter_, parameters, *truth, matching.sum(axis=1))
    found = exact_knn(items, queries, 100, metric)
    numbers = np.arange(count)
    sampled = Sampled(
        numbers,
        found.neighbors,
        distances.of_truth(found.distances[:, 0], metric),
        neighbourhood.mean_distances(queries, items, metric),
    )
    random = nearest_of_random_sets(
        items, queries, workload.matches[:, None], metric, np.random.default_rng(3)
    )[:, 0]
    return workloads.figures(workload, columns, sampled, random, metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_filter_vector_correlation_has_the_sign_of_nearness(rng, metric, share):
    items, queries = (rng.standard_normal((rows, 8)).astype(np.float32) for rows in (1000, 60))
    ranks = np.argsort(np.argsort(naive_distances(queries, items, metric), axis=1), axis=1)
    near, far = ranks < share * 1000, ranks >= (1 - share) * 1000
    random = rng.permuted(near, axis=1)
    found = {
        name: workload_of(matching, items, queries, metric).correlation
        for name, matching in (("near", near), ("far", far), ("random", random))
    }
    assert found["near"].mean > max(0, 2 * found["near"].error)
    assert found["far"].mean < -0.5
    assert abs(found["random"].mean) < 4 * found["random"].error
    assert found["near"].unscaled > 0 > found["far"].unscaled
    assert found["near"].lift > 1.9 and found["far"].near == 0
    assert found["random"].lift == pytest.approx(1, abs=0.3)
    assert found["near"].overall == pytest.approx(share) and found["near"].queries == 60
    assert found["near"].near == pytest.approx(min(1, 10 * share))


def test_a_lone_match_that_is_the_nearest_has_correlation_one(rng):
    items, queries = (rng.standard_normal((rows, 8)).astype(np.float32) for rows in (1000, 400))
    gaps = naive_distances(queries, items, Metric.EUCLIDEAN)
    matching = gaps == gaps.min(axis=1, keepdims=True)
    found = workload_of(matching, items, queries, Metric.EUCLIDEAN).correlation
    assert found.mean == pytest.approx(1, abs=4 * found.error)
    assert found.error < 0.05


def test_queries_without_a_match_take_no_part(rng):
    items, queries = (rng.standard_normal((rows, 4)).astype(np.float32) for rows in (50, 6))
    matching = np.zeros((6, 50), bool)
    matching[:4, :10] = True
    found = workload_of(matching, items, queries, Metric.EUCLIDEAN)
    assert (found.without_match, found.correlation.queries) == (2, 4)
    assert (found.selectivity.count, found.selectivity.min, found.selectivity.max) == (6, 0, 0.2)
    assert found.selectivity.mean == pytest.approx(4 * 0.2 / 6)
    assert found.selectivity.histogram.counts.sum() == 4
    nothing = workload_of(np.zeros((6, 50), bool), items, queries, Metric.EUCLIDEAN)
    assert nothing.correlation is None and "has a match" in nothing.no_correlation
    alike = workload_of(matching, np.ones_like(items), queries, Metric.EUCLIDEAN)
    assert alike.correlation is None and "equally far" in alike.no_correlation
