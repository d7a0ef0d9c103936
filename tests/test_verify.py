"""Checks of a data set: a sound one passes, and each single thing that is made wrong in it is found."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
import reference
import tiny
from click.testing import CliRunner

from fannsbench.algorithm import Metric
from fannsbench.attributes import Attributes
from fannsbench.cli.datasets import datasets
from fannsbench.data import draft as drafts
from fannsbench.data import verify as verify_module
from fannsbench.data.verify import NOTE, WRONG, rows, verify
from fannsbench.dataset import Dataset, DatasetWriter, find
from fannsbench.errors import DatasetError, UnknownNameError


@pytest.fixture
def copy(tmp_path, tiny_dataset):
    return shutil.copy(tiny_dataset, tmp_path / "copy.h5")


def found(path, outcome=WRONG, **options):
    """Which checks of what had this outcome."""
    return {(f.check, f.subject) for f in verify(path, **options) if f.outcome == outcome}


def detail(path, check, subject, outcome=NOTE):
    (finding,) = (f for f in verify(path) if (f.check, f.subject) == (check, subject))
    assert finding.outcome == outcome
    return finding.detail


def replace(group, name, data):
    del group[name]
    group[name] = data


def true_distances(file, query):
    return np.sqrt(((file["train"][:].astype(float) - file["test"][query]) ** 2).sum(axis=1))


MUTATIONS = []


def finds(subject, *checks):
    """Marks what makes one thing wrong in a file, with all that must be found."""

    def mark(mutation):
        expected = {(check, subject) for check in checks}
        MUTATIONS.append(pytest.param(mutation, expected, id=mutation.__name__))
        return mutation

    return mark


EM, R = "workloads/em", "workloads/r"
QUERY = 3
"""One that many items match in R."""


@finds("workload r", "sample: distances")
def swapped_ids(file):
    ids = file[R]["neighbors"][QUERY]
    file[R]["neighbors"][QUERY] = ids[[5, 1, 2, 3, 4, 0, *range(6, 20)]]


@finds("workload r", "order")
def swapped_items(file):
    for name in ("neighbors", "distances"):
        file[R][name][QUERY] = file[R][name][QUERY][[5, 1, 2, 3, 4, 0, *range(6, 20)]]


@finds("workload none", "sample: nearest")
def a_farther_item(file):
    distances = true_distances(file, QUERY)
    item = np.argsort(distances)[25]
    file["neighbors"][QUERY, 19], file["distances"][QUERY, 19] = item, distances[item]


@finds("workload none", "sample: distances")
def another_distance(file):
    file["distances"][QUERY, 19] *= 1.01


@finds("workload r", "sample: matches")
def another_number_of_matches(file):
    file[R]["matches"][QUERY] += 1


@finds("workload r", "sample: matches", "padding")
def fewer_matches_than_ids(file):
    file[R]["matches"][QUERY] = 5


@finds("workload r", "sample: matches", "matches")
def matches_of_more_items_than_there_are(file):
    file[R]["matches"][QUERY] = 301


@finds("workload r", "sample: filter", "sample: nearest")
def an_item_that_does_not_match(file):
    distances = true_distances(file, QUERY)
    low, high = (file[R]["parameters"][name][QUERY] for name in ("low", "high"))
    prices = file["attributes/price/values"][:]
    distances[(low <= prices) & (prices <= high)] = 0
    item = np.argmax(distances)
    file[R]["neighbors"][QUERY, 19], file[R]["distances"][QUERY, 19] = item, distances[item]


@finds("workload r", "distinct ids", "sample: nearest")
def an_item_twice(file):
    for name in ("neighbors", "distances"):
        file[R][name][QUERY, 19] = file[R][name][QUERY, 18]


@finds("workload r", "padding", "sample: nearest")
def padding_in_the_middle(file):
    file[R]["neighbors"][QUERY, 7], file[R]["distances"][QUERY, 7] = -1, np.inf


@finds("workload none", "padding", "sample: nearest")
def padding_too_early(file):
    file["neighbors"][QUERY, 19], file["distances"][QUERY, 19] = -1, np.inf


@finds("workload r", "padding")
def an_infinite_distance(file):
    file[R]["distances"][QUERY, 19] = np.inf


@finds("workload r", "order")
def a_distance_that_is_nan(file):
    file[R]["distances"][QUERY, 7] = np.nan


@finds("workload r", "padding")
def no_neighbors(file):
    for name in ("neighbors", "distances"):
        replace(file[R], name, file[R][name][:, :0])


@finds("workload r", "readable")
def an_item_beyond(file):
    file[R]["neighbors"][QUERY, 7] = 300


@finds("workload r", "readable")
def truth_of_fewer_queries(file):
    replace(file[R], "distances", file[R]["distances"][:11])


@finds("items", "finite")
def nan_in_an_item(file):
    file["train"][17, 3] = np.nan


@finds("queries", "finite")
def infinity_in_a_query(file):
    file["test"][2, 3] = -np.inf


@finds("attribute colour", "readable")
def a_code_out_of_range(file):
    file["attributes/colour/codes"][5] = 3


@finds("attribute colour", "readable")
def codes_of_too_few_items(file):
    replace(file["attributes/colour"], "codes", file["attributes/colour/codes"][:299])


@finds("attribute colour", "readable")
def a_text_twice(file):
    file["attributes/colour/vocabulary"][1] = "blue"


@finds("attribute colour", "readable")
def a_text_that_is_no_utf8(file):
    texts = np.array([b"blue", b"gr\xfcn", b"red"], h5py.string_dtype("utf-8", 4))
    replace(file["attributes/colour"], "vocabulary", texts)


@finds("attribute tags", "readable")
def an_unsorted_set(file):
    indptr, indices = (file["attributes/tags"][name] for name in ("indptr", "indices"))
    start = indptr[int(np.argmax(np.diff(indptr) == 2))]
    indices[start : start + 2] = indices[start : start + 2][::-1]


@finds("attribute tags", "readable")
def an_indptr_that_falls(file):
    file["attributes/tags/indptr"][7] = 500


@finds("attribute price", "readable")
def numbers_of_another_type(file):
    replace(file["attributes/price"], "values", file["attributes/price/values"][:].astype(np.int32))


@finds("attribute weight", "readable")
def an_unknown_kind(file):
    file["attributes/weight"].attrs["kind"] = "date"


@finds("attributes", "readable")
def attributes_that_are_no_groups(file):
    file["attributes/stray"] = np.arange(3)


@finds("workload em", "filter")
def a_missing_parameter(file):
    del file[EM]["parameters/colour"]


@finds("workload em", "readable")
def a_parameter_of_too_few_queries(file):
    replace(file[EM]["parameters"], "colour", file[EM]["parameters/colour"][:11])


@finds("workload r", "filter")
def a_parameter_of_another_type(file):
    replace(file[R]["parameters"], "low", np.array(["x"] * 12, h5py.string_dtype()))


@finds("workload em", "readable")
def a_filter_that_cannot_be_read(file):
    file[EM].attrs["filter"] = "colour = $colour"


@finds("workload em", "filter")
def an_unknown_attribute(file):
    file[EM].attrs["filter"] = "color == $colour"


@finds("workload em", "sample: matches", "sample: filter", "sample: nearest")
def another_filter(file):
    file[EM].attrs["filter"] = "colour != $colour"


@finds("workloads", "readable")
def a_workload_called_none(file):
    file["workloads"].copy("em", "none")


@finds("workloads", "readable")
def workloads_that_are_no_groups(file):
    file["workloads/stray"] = np.arange(3)


@finds("file", "readable")
def another_schema(file):
    file.attrs["schema"] = "fannsbench/9"


@finds("file", "readable")
def an_unknown_metric(file):
    file.attrs["distance"] = "jaccard"


@finds("file", "readable")
def no_items(file):
    del file["train"]


@finds("file", "about")
def no_licence(file):
    del file.attrs["license"]


@finds("file", "types")
def ids_of_another_type(file):
    replace(file[R], "neighbors", file[R]["neighbors"][:].astype(np.int64))


@pytest.mark.parametrize(("mutation", "expected"), MUTATIONS)
def test_what_is_made_wrong_is_found_and_nothing_else(copy, mutation, expected):
    before = found(copy, NOTE)
    with h5py.File(copy, "r+") as file:
        mutation(file)
    assert found(copy) == expected
    # What cannot be looked at for that reason is noted.
    assert {check for check, _ in found(copy, NOTE) - before} <= {"filter", "sample"}


def test_what_is_wrong_is_said_with_its_place(copy):
    with h5py.File(copy, "r+") as file:
        distances = true_distances(file, QUERY)
        order = np.argsort(distances)
        a_farther_item(file)
        file["workloads/r/matches"][QUERY] += 7
        matches = file["workloads/r/matches"][QUERY]
    said = f"1 of 12 queries, first query 3: item {order[19]} is missing, at {distances[order[19]]:g}; "
    said += f"the last listed is at {distances[order[25]]:g}"
    assert detail(copy, "sample: nearest", "workload none", WRONG) == said
    said = f"1 of 12 queries, first query 3: {matches} in the file, {matches - 7} counted"
    assert detail(copy, "sample: matches", "workload r", WRONG) == said


def write(path, items, queries, metric=Metric.EUCLIDEAN, depth=10, truth=None):
    """A data set without filters."""
    with DatasetWriter(path, name="made", metric=metric) as writer:
        writer.items(items)
        writer.queries(queries)
        writer.truth(*(truth or reference.brute_force(items, queries, depth, metric)))
    return path


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_a_sound_file_passes(tmp_path, metric, dtype):
    rng = np.random.default_rng(3)
    items, queries = ((rng.standard_normal((rows, 7), np.float32) * 20).astype(dtype) for rows in (200, 9))
    items[50], items[60] = 0, items[70]
    # 250 neighbors of 200 items: rows end in padding.
    path = write(tmp_path / "made.h5", items, queries.astype(np.float32), metric, 250)
    assert found(path) == set()
    zero = {("lengths", "items")} if metric is Metric.COSINE else set()
    assert found(path, NOTE) == zero | {("duplicates", "items")}


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("scale", [1e-19, 1e-22, 1e-30, 1e-42])
def test_tiny_numbers_are_sound_as_far_as_float32_goes(tmp_path, metric, scale):
    rng = np.random.default_rng(4)
    items, queries = ((rng.standard_normal((n, 7)) * scale).astype(np.float32) for n in (50, 9))
    draft = drafts.Draft(metric, items, queries, Attributes({}, 50))
    drafts.write(draft, tmp_path / "made.h5", depth=10)
    assert found(tmp_path / "made.h5") == set()


def test_a_distance_of_minus_infinity_is_wrong(tmp_path):
    items = np.ones((9, 2), np.float32)
    ids, distances = reference.brute_force(items, items[:3], 4, Metric.INNER_PRODUCT)
    distances[1, 0] = -np.inf
    path = write(tmp_path / "made.h5", items, items[:3], Metric.INNER_PRODUCT, truth=(ids, distances))
    assert detail(path, "order", "workload none", WRONG) == (
        "1 of 3 queries, first query 1: a distance is NaN or -inf"
    )


def test_the_bundled_data_set_is_sound():
    findings = verify(find("wordnet-10k"), sample=20)
    assert not [finding for finding in findings if finding.outcome == WRONG]
    with Dataset.open(find("wordnet-10k")) as opened:
        names = opened.workload_names
        unmatched = {name for name in names if (opened.workload(name).matches == 0).any()}
    notes = {(finding.check, finding.subject) for finding in findings if finding.outcome == NOTE}
    assert notes == {("matches", f"workload {name}") for name in unmatched}
    assert sum(finding.check == "sample: nearest" for finding in findings) == len(names) == 12


def test_blocks_do_not_matter(copy, monkeypatch):
    with h5py.File(copy, "r+") as file:
        a_farther_item(file)
        an_item_that_does_not_match(file)
        file["train"][200] = file["train"][10]
    whole, steps = verify(copy), []
    monkeypatch.setattr(rows, "BLOCK_BYTES", 32 * 7)
    blocks = verify(copy, progress=recorded(steps))
    assert blocks == whole
    assert (sum(steps), max(steps)) == (300, 7)
    monkeypatch.setattr(verify_module, "BLOCK_BYTES", 8 * 12 * 3)  # distances of twelve queries
    steps.clear()
    assert verify(copy, progress=recorded(steps)) == whole
    assert max(steps) == 3


def recorded(steps):
    @contextmanager
    def progress(what, total):
        yield steps.append

    return progress


def test_the_seed_draws_the_sample(copy):
    with h5py.File(copy, "r+") as file:
        another_number_of_matches(file)
    seeds = [found(copy, sample=4, seed=seed) == {("sample: matches", "workload r")} for seed in range(20)]
    assert 1 < sum(seeds) < 19  # a third of the samples hold the query
    assert verify(copy, sample=4, seed=5) == verify(copy, sample=4, seed=5)
    (said,) = {f.detail for f in verify(copy, sample=4) if f.check == "sample: distances"}
    assert said == "4 queries"


def test_duplicates_and_leaks(copy):
    with h5py.File(copy, "r+") as file:
        for row in (250, 260):
            file["train"][row] = file["train"][31]
        file["train"][100] = file["test"][4]
        file["test"][9] = file["test"][8]
    assert detail(copy, "duplicates", "items") == (
        "2 of 300 rows equal an earlier one; groups: 1, rows in the largest: 3; e.g. rows 31, 250, 260"
    )
    assert detail(copy, "duplicates", "queries").endswith("e.g. rows 8, 9")
    assert detail(copy, "among items", "queries") == "1 of 12 queries, first query 4, which is item 100"


def test_values_and_parameters_that_nobody_asks_for(copy):
    with h5py.File(copy, "r+") as file:
        vocabulary = np.array(["blue", "grün", "red", "white"], h5py.string_dtype())
        replace(file["attributes/colour"], "vocabulary", vocabulary)
        file[EM]["parameters/more"] = np.arange(12)
        file["attributes/weight/missing"][:] = True
    assert detail(copy, "values", "attribute colour") == "no item has 1 of 4 values, e.g. 'white'"
    assert detail(copy, "values", "attribute weight") == "no item has any"
    assert detail(copy, "filter", "workload em") == "colour == $colour does not ask for $more"


def test_queries_without_a_match(copy):
    with h5py.File(copy, "r+") as file:
        violet = sum(text == b"violet" for text in file[EM]["parameters/colour"][:])
        nothing = np.array(["pink"] * 12, h5py.string_dtype())
        for name, value in (("neighbors", -1), ("distances", np.inf), ("matches", 0)):
            file["workloads/emis"][name][...] = value
        replace(file["workloads/emis/parameters"], "tag", nothing)
    assert detail(copy, "matches", "workload em").startswith(f"no item matches {violet} of 12 queries")
    assert detail(copy, "matches", "workload emis") == "no query has a match"
    assert found(copy) == set()


def test_a_damaged_attribute_leaves_the_rest_to_be_looked_at(copy):
    with h5py.File(copy, "r+") as file:
        a_code_out_of_range(file)
        another_number_of_matches(file)
    assert found(copy) == {("readable", "attribute colour"), ("sample: matches", "workload r")}
    said = detail(copy, "filter", "workload c")
    assert said == "not looked at, as attribute colour cannot be read"


def test_files_of_ann_benchmarks(tmp_path):
    rng = np.random.default_rng(0)
    items, queries = (rng.standard_normal((n, 5)).astype(np.float32) for n in (100, 6))
    ids, distances = reference.brute_force(items, queries, 10, Metric.COSINE)
    with h5py.File(tmp_path / "foreign.hdf5", "w") as file:
        file.attrs["distance"] = "angular"
        file["train"], file["test"], file["neighbors"], file["distances"] = items, queries, ids, distances
    assert found(tmp_path / "foreign.hdf5") == set()
    assert found(tmp_path / "foreign.hdf5", NOTE) == {("about", "file"), ("types", "file")}


@pytest.mark.parametrize("metric", Metric)
def test_what_float32_may_be_off_is_a_note(tmp_path, metric):
    """Far from the origin and close together: an engine that computes in float32 makes many mistakes."""
    rng = np.random.default_rng(1)
    items, queries = (5 + rng.standard_normal((n, 48)).astype(np.float32) / 50 for n in (3000, 30))
    scores = -(queries @ items.T)
    squares = ((items**2).sum(axis=1), (queries**2).sum(axis=1)[:, None])
    if metric is Metric.EUCLIDEAN:
        scores = np.sqrt(np.maximum(0, 2 * scores + squares[0] + squares[1]))
    if metric is Metric.COSINE:
        scores = 1 + scores / np.sqrt(squares[0]) / np.sqrt(squares[1])
    ids = np.argsort(scores, axis=1, kind="stable")[:, :10]
    path = write(tmp_path / "a.h5", items, queries, metric, truth=(ids, np.take_along_axis(scores, ids, 1)))
    assert (ids != reference.brute_force(items, queries, 10, metric)[0]).any()
    assert found(path) == set()
    off = {("sample: nearest", "workload none"), ("sample: distances", "workload none")}
    assert found(path, NOTE) - {("order", "workload none")} == off
    # One that is missing by more than rounding is still found.
    with h5py.File(path, "r+") as file:
        for name in ("neighbors", "distances"):
            file[name][7, :9] = file[name][7, 1:]
        far = int(np.argsort(scores[7])[1500])
        file["neighbors"][7, 9], file["distances"][7, 9] = far, scores[7, far]
    assert found(path) == {("sample: nearest", "workload none")}


def test_ties_by_another_rule_are_a_note(tmp_path):
    grid = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3).astype(np.float32)
    queries = grid[[7, 100]]
    ids, distances = reference.brute_force(grid, queries, 10, Metric.EUCLIDEAN)
    assert found(write(tmp_path / "a.h5", grid, queries, truth=(ids, distances)), NOTE) == {
        ("among items", "queries")
    }
    tie = {("among items", "queries"), ("sample: ties", "workload none")}
    order = [np.lexsort((-np.arange(216), ((grid - query) ** 2).sum(axis=1)))[:10] for query in queries]
    path = write(tmp_path / "b.h5", grid, queries, truth=(np.array(order), distances))
    assert (found(path), found(path, NOTE)) == (set(), tie)
    # The same in order, but of those at the last distance the highest ids.
    last = int(np.sum(distances[0] < distances[0, -1]))
    equal = np.flatnonzero(((grid - queries[0]) ** 2).sum(axis=1) == round(distances[0, -1] ** 2))
    ids[0, last:] = equal[last - 10 :]
    path = write(tmp_path / "c.h5", grid, queries, truth=(ids, distances))
    assert (found(path), found(path, NOTE)) == (set(), tie)


def test_items_that_cannot_be_read(tmp_path):
    path = tiny.write(tmp_path / "small.h5", compress=True)
    with h5py.File(path) as file:
        chunk = file["train"].id.get_chunk_info(0)
    with path.open("r+b") as stream:
        stream.seek(chunk.byte_offset + chunk.size // 2)
        stream.write(b"\xff" * 64)
    assert found(path) == {("readable", "items")}


def test_a_truncated_file(copy):
    os.truncate(copy, 5000)
    assert found(copy) == {("readable", "file")}


def invoke(*arguments):
    result = CliRunner().invoke(datasets, ["verify", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_shows_what_is_wrong(copy):
    sound = invoke(copy, "--sample", 5)
    assert (sound.exit_code, "wrong" in sound.stdout) == (0, False)
    assert re.search(r"4 attributes +values +ok", sound.stdout)
    assert f"{copy}: nothing wrong in" in sound.stderr
    with h5py.File(copy, "r+") as file:
        a_code_out_of_range(file)
        file[R].attrs["filter"] = "price in [$low, $high]"
        codes, labels = np.zeros(300, np.int32), np.array(["a", "[red]"], h5py.string_dtype())
        file["attributes"].create_group("more").attrs["kind"] = "category"
        file["attributes/more/codes"], file["attributes/more/vocabulary"] = codes, labels
    wrong = invoke(copy)
    assert wrong.exit_code == 1
    assert re.search(r"attribute colour +readable +wrong", wrong.stdout)
    assert "'[red]'" in wrong.stdout
    rows = json.loads(invoke(copy, "--json").stdout)
    assert [row["check"] for row in rows if row["outcome"] == WRONG] == [
        "readable", "sample: matches", "sample: filter", "sample: nearest",
    ]  # fmt: skip
    assert set(rows[0]) == {"check", "subject", "outcome", "detail"}
    assert re.search(rf"4 of {len(rows)} checks wrong", wrong.stderr)


def test_what_is_no_data_set_is_one_line(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean wordnet-10k"):
        invoke("wordnet-10")
    with pytest.raises(DatasetError, match="no data set file at"):
        invoke(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(DatasetError, match=r"text\.h5 is no readable HDF5 file"):
        invoke(tmp_path / "text.h5")
    assert invoke("wordnet-10k", "--sample", 0).exit_code == 2
