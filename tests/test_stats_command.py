"""`fannsbench datasets stats`: whole data sets, JSON, and pictures."""

from __future__ import annotations

import json
import re
import warnings

import h5py
import numpy as np
import pytest
import tiny
from click.testing import CliRunner

from fannsbench.algorithm import Metric
from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.cli.datasets import datasets
from fannsbench.data import stats
from fannsbench.data.draft import Draft, DraftWorkload, write
from fannsbench.dataset import Dataset
from fannsbench.errors import UnknownNameError, UserError
from fannsbench.filters import Filter
from fannsbench.plot import frame
from fannsbench.plot.dataset import panels

LONG = "ein sehr langer Wert mit ä, 日本語, 🎉 and $a^2$\nover two lines"


def invoke(*arguments):
    result = CliRunner().invoke(datasets, ["stats", *map(str, arguments)], env={"COLUMNS": "160"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def no_constants(text):
    raise AssertionError(f"{text} is no JSON")


def figures(path):
    return json.loads(invoke(path, "--json"), parse_constant=no_constants)


def make(path, items, queries, columns=None, workloads=None, metric=Metric.EUCLIDEAN, depth=100):
    """A data set file; workloads: template and parameters by name."""
    drafts = {
        name: DraftWorkload(Filter.parse(text), values) for name, (text, values) in (workloads or {}).items()
    }
    attributes = Attributes(columns or {}, len(items))
    write(Draft(metric, items, queries, attributes, drafts), path, depth=depth)
    return path


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def odd(tmp_path, rng):
    """Unit norms, long names and texts, empty and constant attributes, numbers of all sizes, queries without
    a match."""
    n, q = 400, 50
    items, queries = (rng.standard_normal((rows, 6)).astype(np.float32) for rows in (n, q))
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    texts = [LONG, "x", None]
    columns = {
        "a_name_that_is_much_too_long_for_any_title_of_a_panel": Category.from_values(
            [texts[i] for i in rng.integers(0, 3, n)]
        ),
        "tags": LabelSet.from_values([[LONG, "b"][: rng.integers(0, 3)] for _ in range(n)]),
        "no_tags": LabelSet.from_values([[]] * n),
        "no_text": Category.from_values([None] * n),
        "no_number": Number.from_values([None] * n),
        "constant": Number.from_values([5] * n),
        "infinite": Number.from_values([np.inf, -np.inf, *rng.random(n - 2)]),
        "time": Number.from_values((1.7e9 + 1e4 * rng.random(n)).tolist()),
        "huge": Number.from_values(rng.integers(-(2**62), 2**62, n).tolist()),
        "skewed": Number.from_values(rng.lognormal(0, 4, n).tolist()),
        "mostly_zero": Number.from_values([0] * (n - 3) + [7, 300, 9000]),
    } | {f"year_{i}": Number.from_values(rng.integers(2010, 2024, n).tolist()) for i in range(19)}
    asked = np.array([[LONG, "unknown"][i] for i in rng.integers(0, 2, q)], object)
    name = "a_workload_with_a_name_that_is_far_too_long_to_be_shown"
    workloads = {name: ("$tag in tags", {"tag": asked}), "all": ("year_0 > 0", {})}
    return make(tmp_path / "odd.h5", items, queries, columns, workloads, Metric.COSINE)


def test_figures_of_a_small_data_set(tiny_dataset):
    found = figures(tiny_dataset)
    assert (found["items"], found["dimension"], found["queries"], found["metric"]) == (
        300,
        8,
        12,
        "euclidean",
    )
    with Dataset.open(tiny_dataset) as opened:
        items, queries = opened.items().vectors, opened.queries()
        selectivities = {
            name: opened.workload(name).matches / 300 for name in opened.workload_names if name != "none"
        }
    norms = np.linalg.norm(items, axis=1)
    assert found["vectors"]["norms"]["summary"]["mean"] == pytest.approx(norms.mean(), rel=1e-6)
    assert found["vectors"]["distances"]["summary"]["count"] == 300 * 299 / 2
    assert found["vectors"]["distances"]["fits"]["ranked"][0]["name"] in {"normal", "Nakagami", "Weibull"}
    expected = np.abs(np.corrcoef(items.T)[np.triu_indices(8, 1)]).mean()
    assert found["vectors"]["correlation"]["mean_absolute"] == pytest.approx(expected, abs=1e-5)
    assert "matrix" not in found["vectors"]["correlation"]
    assert found["duplicates"] == {"repeats": 0, "groups": 0, "largest": 0, "examples": []}
    assert found["queries_among_items"] == 0

    near = found["neighbourhood"]
    gaps = np.linalg.norm(queries[:, None] - items, axis=2)
    assert near["contrast"] == pytest.approx(gaps.mean() / gaps.min(axis=1).mean(), rel=1e-5)
    assert near["nearest_of_queries"]["mean"] == pytest.approx(gaps.min(axis=1).mean(), rel=1e-5)
    between = np.linalg.norm(items[:, None] - items, axis=2)
    np.fill_diagonal(between, np.inf)
    assert near["nearest_of_items"]["mean"] == pytest.approx(between.min(axis=1).mean(), rel=1e-5)
    hundred = np.sort(gaps, axis=1)[:, :100]  # the file's truth is of depth 20: it does not do
    lid = -1 / np.log(hundred / hundred[:, -1:]).mean(axis=1)
    assert near["lid_queries"]["mean"] == pytest.approx(lid.mean(), rel=1e-4)
    ratio = np.median(gaps.min(axis=1)) / np.median(between.min(axis=1))
    assert near["out_of_distribution"]["ratio"] == pytest.approx(ratio, rel=1e-5)
    assert near["left_out"] == {}

    assert set(found["attributes"]) == {"colour", "price", "weight", "tags"}
    assert set(found["workloads"]) == set(tiny.WORKLOADS)
    for name, selectivity in selectivities.items():
        shown = found["workloads"][name]
        assert shown["filter"] == tiny.WORKLOADS[name]
        assert shown["selectivity"]["mean"] == pytest.approx(selectivity.mean())
        assert shown["selectivity"]["quartiles"] == pytest.approx(np.quantile(selectivity, [0.25, 0.5, 0.75]))
        assert shown["without_match"] == (selectivity == 0).sum()
    assert found["workloads"]["em"]["without_match"] > 0  # no item is violet


def test_the_same_file_gives_the_same_figures_and_pictures(odd, tmp_path):
    first, second = (invoke(odd, "--json", "-o", tmp_path / name) for name in ("one", "two"))
    assert first == second
    for picture in (tmp_path / "one").iterdir():
        assert picture.read_bytes() == (tmp_path / "two" / picture.name).read_bytes()


def test_the_text_shows_what_matters(odd):
    text = " ".join(invoke(odd).split())
    assert "constant, 1 but for rounding" in text and "Euclidean of the vectors scaled to length 1" in text
    assert "local intrinsic dimensionality of items" in text and "hubness" in text
    assert re.search(r"no_tags set 100 % 0", text) and re.search(r"constant number 1 5 / 5 / 5 / 5 / 5", text)
    assert re.search(r"all R 1 / 1 / 1 / 1 / 1 1\.0", text)


def test_pictures_are_whole_and_everything_is_within_them(odd, tmp_path, monkeypatch):
    drawn = {}
    original = frame.write
    monkeypatch.setattr(
        frame, "write", lambda figure, path: (drawn.update({path: figure}), original(figure, path))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as of characters that the font does not have
        text = invoke(odd, "-o", tmp_path / "pictures")
    names = ["attributes-1", "attributes-2", "correlation", "neighbourhood", "vectors", "workloads"]
    files = sorted((tmp_path / "pictures").iterdir())
    assert [path.name for path in files] == [f"{name}.png" for name in names]
    assert all(path.read_bytes()[:4] == b"\x89PNG" and str(path) in text for path in files)
    assert len(drawn) == len(files)
    for path, figure in drawn.items():
        taken, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert 0 <= taken.x0 < taken.x1 <= width and 0 <= taken.y0 < taken.y1 <= height, path.name


def test_texts_are_cut_to_fit_and_have_no_unknown_characters():
    assert panels.fitted("short", 1) == "short"
    cut = panels.fitted("x" * 200, 1)
    assert cut.endswith("…") and 5 < len(cut) < 40
    assert panels.fitted("a 日\n🎉 b", 2) == "a □ □ b"


def test_an_inner_product_leaves_out_what_takes_a_distance(tmp_path, rng):
    items, queries = (rng.standard_normal((rows, 5)).astype(np.float32) for rows in (200, 20))
    found = figures(make(tmp_path / "ip.h5", items, queries, metric=Metric.INNER_PRODUCT))
    near = found["neighbourhood"]
    for name in ("lid_items", "lid_queries", "contrast", "out_of_distribution"):
        assert near[name] is None and "no distance" in near["left_out"][name]
    assert near["hubness"]["skewness"] > 0
    assert found["vectors"]["distances"]["summary"]["min"] < 0
    assert found["workloads"] == {} and found["attributes"] == {}
    assert "left out: an inner product is no distance" in " ".join(invoke(tmp_path / "ip.h5").split())


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("n", [1, 2, 11])
def test_very_few_items(tmp_path, rng, n, metric):
    items, queries = (rng.standard_normal((rows, 3)).astype(np.float32) for rows in (n, 4))
    columns = {"price": Number.from_values(range(n))}
    workloads = {"r": ("price >= $low", {"low": np.array([0, 0, 1, 100])})}
    found = figures(make(tmp_path / "few.h5", items, queries, columns, workloads, metric))
    assert found["items"] == n and found["workloads"]["r"]["without_match"] >= 1
    hubs, left_out = found["neighbourhood"]["hubness"], found["neighbourhood"]["left_out"]
    assert (hubs is None and "hubness" in left_out) or n == 11
    invoke(tmp_path / "few.h5", "-o", tmp_path / "pictures")
    assert (tmp_path / "pictures" / "vectors.png").exists()


@pytest.mark.parametrize("metric", list(Metric))
def test_items_that_are_all_the_same(tmp_path, metric):
    items = np.ones((150, 3), np.float32)
    found = figures(make(tmp_path / "same.h5", items, items[:5], metric=metric))
    assert found["duplicates"] == {
        "repeats": 149, "groups": 1, "largest": 150, "examples": [[0, 1, 2, 3, 4]],
    }  # fmt: skip
    assert found["queries_among_items"] == 5
    near = found["neighbourhood"]
    assert near["contrast"] is None and near["lid_items"] is None and near["hubness"] is None
    assert found["vectors"]["correlation"]["mean_absolute"] is None
    invoke(tmp_path / "same.h5", "-o", tmp_path / "pictures")
    assert not (tmp_path / "pictures" / "correlation.png").exists()


def test_samples_are_samples_of_large_data(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("fannsbench.data.stats.survey.SAMPLE_ITEMS", 60)
    monkeypatch.setattr(stats, "SAMPLE_SEARCHED", 30)
    monkeypatch.setattr(stats, "SAMPLE_QUERIES", 10)
    items, queries = (rng.standard_normal((rows, 4)).astype(np.float32) for rows in (500, 40))
    columns = {"price": Number.from_values(range(500))}
    workloads = {"r": ("price >= $low", {"low": rng.integers(0, 400, 40)})}
    found = figures(make(tmp_path / "large.h5", items, queries, columns, workloads))
    assert (found["sampled_items"], found["sampled_queries"]) == (60, 10)
    assert found["vectors"]["norms"]["summary"]["count"] == 500
    assert found["vectors"]["distances"]["summary"]["count"] == 60 * 59 / 2
    near = found["neighbourhood"]
    assert near["hubness"]["items"] == 60 and near["nearest_of_items"]["count"] == 30
    assert near["lid_queries"]["count"] == 10
    assert found["workloads"]["r"]["selectivity"]["count"] == 40
    assert found["workloads"]["r"]["correlation"]["queries"] == 10


def test_an_ann_benchmarks_file_has_figures(tmp_path, rng):
    items, queries = (rng.standard_normal((rows, 4)).astype(np.float32) for rows in (50, 5))
    with h5py.File(tmp_path / "glove.hdf5", "w") as file:
        file.attrs["distance"] = "angular"
        file["train"], file["test"] = items, queries
        file["neighbors"], file["distances"] = np.zeros((5, 3), np.int32), np.zeros((5, 3), np.float32)
    found = figures(tmp_path / "glove.hdf5")
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, items)]
    gaps = np.linalg.norm(unit[0][:, None] - unit[1], axis=2)
    assert found["neighbourhood"]["contrast"] == pytest.approx(
        gaps.mean() / gaps.min(axis=1).mean(), rel=1e-4
    )


def test_what_a_user_can_get_wrong_is_one_line(tiny_dataset, tmp_path):
    with pytest.raises(UnknownNameError, match="wordnet-10k"):
        invoke("wordnet-1k")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        invoke(tiny_dataset, "-o", tmp_path / "file" / "folder")
