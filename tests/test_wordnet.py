"""The WordNet builder on a small database in WordNet's own format."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from wordnet_sample import COUNTS, DATA, NOTICE, BagOfLetters, write_large_wordnet, write_wordnet

from fannsbench import folders
from fannsbench.algorithm import Metric
from fannsbench.data import draft
from fannsbench.data.build import wordnet, wordnet_dataset
from fannsbench.data.build.wordnet_attributes import attributes_of
from fannsbench.dataset import Dataset
from fannsbench.errors import DatasetError
from fannsbench.filters import matches_item


@pytest.fixture
def source(tmp_path):
    return write_wordnet(tmp_path / "wn", DATA, COUNTS)


@pytest.fixture
def synsets(source):
    return wordnet.read_synsets(source)


def test_synsets_in_order_with_their_texts(synsets):
    assert [synset.label for synset in synsets] == [
        "entity.n.1740", "farm_animal.n.1930", "Animal.n.2000", "dog.n.3000", "Laika.n.4000",
        "inhibit.v.100", "restrain.v.200", "able.a.500", "capable.a.600", "ably.r.700",
    ]  # fmt: skip
    assert synsets[1].text == 'farm animal, pet: kept "as a pet"'
    assert synsets[8].text == "capable, fit: (usually followed by `of') ready"
    assert synsets[8].id == 300_000_600


def test_attributes(synsets, source):
    columns = attributes_of(synsets, synsets, wordnet.read_sense_counts(source), np.random.default_rng(0))

    def values(name):
        return [columns[name].value(i) for i in range(len(synsets))]

    assert values("pos") == ["noun"] * 5 + ["verb"] * 2 + ["adjective"] * 2 + ["adverb"]
    assert values("lexname")[:5] == ["noun.Tops", "noun.animal", "noun.animal", "noun.animal", "noun.person"]
    assert values("lexname")[5:] == ["verb.social", "verb.social", "adj.all", "adj.all", "adv.all"]
    assert values("has_example") == ["false", "true"] + ["false"] * 8
    assert values("lemmas")[1] == {"farm animal", "pet"}
    assert values("number_of_lemmas") == [1, 2, 1, 1, 1, 1, 1, 1, 2, 1]
    assert values("hypernyms")[0] == set()
    assert values("hypernyms")[4] == {
        "dog.n.3000",
        "farm_animal.n.1930",
        "Animal.n.2000",
        "entity.n.1740",
    }
    assert values("hypernyms")[5:7] == [{"restrain.v.200"}, {"inhibit.v.100"}]  # a circle, as in WordNet 3.0
    assert values("number_of_hypernyms") == [0, 1, 1, 3, 4, 1, 1, 0, 0, 0]
    assert values("relations")[3:6] == [
        {"hypernym", "domain_topic"},
        {"instance_hypernym"},
        {"hypernym", "antonym"},
    ]
    assert values("relations")[7:] == [{"similar_to", "antonym"}, {"similar_to"}, {"pertainym"}]
    assert values("gloss_length")[3:5] == [len("barks"), len("the dog in space")]
    assert values("offset")[3] == 100_003_000
    assert values("offset") == sorted(set(values("offset")))
    assert values("frequency") == [0, 2, 0, 42, 3, 0, 0, 1, 11, 0]
    assert sorted(values("decile")) == [f"d{i}" for i in range(10)]
    assert sorted(values("half")) == ["h0"] * 5 + ["h1"] * 5
    assert {part for part in values("percentile") if len(part) == 3 and part[0] == "p"} == set(
        values("percentile")
    )


def test_the_notice(source):
    assert wordnet.read_license(source).splitlines() == [
        "This software and database is being provided to you, the LICENSEE, by",
        "",
        "WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.",
    ]


def test_lexnames_are_those_of_the_format():
    assert len(wordnet.LEXNAMES) == len(set(wordnet.LEXNAMES)) == 45
    assert (wordnet.LEXNAMES[5], wordnet.LEXNAMES[29], wordnet.LEXNAMES[44]) == (
        "noun.animal",
        "verb.body",
        "adj.ppl",
    )


@pytest.mark.parametrize("name", [*DATA, "cntlist.rev"])
def test_a_missing_file_says_how_to_get_it(source, name):
    (source / name).unlink()
    with pytest.raises(DatasetError, match=rf"{name} is not in .*apt-get install wordnet-base.*--source"):
        wordnet.read_synsets(source)
        wordnet.read_sense_counts(source)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "00001740 99 n 01 entity 0 000 | unknown lexicographer file",
        "00001740 03 n 03 entity 0 000 | too few lemmas",
        "00001740 03 n 01 entity 0 001 ?? 00001930 n 0000 | unknown pointer",
        "00001740 03 n 01 entity 0 002 ~ 00001930 n 0000 | too few pointers",
    ],
)
def test_a_damaged_line_is_named(source, line):
    (source / "data.noun").write_text(NOTICE + line + "\n")
    with pytest.raises(DatasetError, match=r"data\.noun, line 4: not a synset"):
        wordnet.read_synsets(source)


def test_a_damaged_count_is_named(source):
    (source / "cntlist.rev").write_text("dog%1:05:01:: 1 many\n")
    with pytest.raises(DatasetError, match=r"cntlist\.rev, line 1"):
        wordnet.read_sense_counts(source)


@contextmanager
def silent(_what, _total):
    yield lambda _: None


@pytest.fixture
def large_source(tmp_path, monkeypatch):
    monkeypatch.setenv("FANNSBENCH_CACHE", str(tmp_path / "cache"))
    return write_large_wordnet(tmp_path / "large")


def build(path, source, **options):
    wordnet_dataset.build(path, BagOfLetters, source, silent, **options)
    return path


@pytest.mark.parametrize("compact", [False, True])
def test_the_built_data_set_is_true(large_source, tmp_path, compact):
    path = build(tmp_path / "wn.h5", large_source, num_items=180, num_queries=40, compact=compact)
    with Dataset.open(path) as dataset:
        assert (dataset.name, dataset.n, dataset.num_queries, dataset.metric) == (
            "wn",
            180,
            40,
            Metric.EUCLIDEAN,
        )
        assert dataset.vectors.dtype == (np.float16 if compact else np.float32)
        assert "LICENSEE" in dataset.about("license")
        vectors, queries = dataset.vectors[:].astype(np.longdouble), dataset.queries().astype(np.longdouble)
        distances = np.sqrt(((queries[:, None] - vectors[None]) ** 2).sum(axis=2))
        attributes = dataset.attributes
        assert {column.kind for column in attributes.values()} == {"category", "number", "set"}
        kinds = {name: str(dataset.workload(name).kind) for name in dataset.workload_names}
        assert kinds == {
            "none": "None", "em": "EM", "em-0.01": "EM", "em-0.1": "EM", "em-0.5": "EM", "r": "R",
            "r-correlated": "R", "emis": "EMIS", "mem": "MEM", "mr": "MR", "memis": "MEMIS", "c": "C",
        }  # fmt: skip
        for name in dataset.workload_names:
            workload = dataset.workload(name)
            assert workload.depth == 100
            for j in range(40):
                parameters = {p: values[j] for p, values in workload.parameters.items()}
                used = workload.filter.attributes if workload.filter else ()
                matching = [
                    i
                    for i in range(180)
                    if workload.filter is None
                    or matches_item(workload.filter, {a: attributes[a].value(i) for a in used}, parameters)
                ]
                assert workload.matches[j] == len(matching)
                expected = np.sort(distances[j, matching])[:100]
                found = workload.neighbors[j][workload.neighbors[j] >= 0]
                assert len(set(found)) == len(expected) and set(found) <= set(matching)
                np.testing.assert_allclose(
                    distances[j, found].astype(float), expected.astype(float), atol=1e-12
                )
                np.testing.assert_allclose(
                    workload.distances[j, : len(found)], expected.astype(float), rtol=1e-6, atol=1e-12
                )
        assert (dataset.workload("em").matches > 0).all() and (dataset.workload("emis").matches > 0).all()
        assert (dataset.workload("memis").matches > 0).all() and (dataset.workload("mem").matches > 0).all()
        np.testing.assert_array_equal(dataset.workload("em-0.5").matches, 90)
        np.testing.assert_array_equal(dataset.workload("em-0.1").matches, 18)


def test_building_again_gives_the_same_bytes_even_after_an_interruption(large_source, tmp_path, monkeypatch):
    options = {"num_items": 150, "num_queries": 20}
    one = build(tmp_path / "a" / "wn.h5", large_source, **options).read_bytes()
    monkeypatch.setenv("FANNSBENCH_CACHE", str(tmp_path / "other"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(draft, "exact_knn", interrupt)
        build(tmp_path / "b" / "wn.h5", large_source, **options)
    assert list((tmp_path / "b").iterdir()) == []
    assert any(folders.cache().rglob("*.npy"))
    assert build(tmp_path / "b" / "wn.h5", large_source, **options).read_bytes() == one


def interrupt(*_args, **_kwargs):
    raise KeyboardInterrupt


def test_a_smaller_draw_of_queries_is_the_beginning_of_a_larger_one(large_source, tmp_path):
    few, many = (build(tmp_path / f"{q}.h5", large_source, num_queries=q) for q in (10, 30))
    with Dataset.open(few) as small, Dataset.open(many) as large:
        np.testing.assert_array_equal(small.queries(), large.queries()[:10])
        assert small.n == large.n == 251


@pytest.mark.parametrize(
    ("options", "what"), [({"num_items": 252}, "252 items"), ({"num_queries": 10_000}, "10,000 q")]
)
def test_more_than_there_is_cannot_be_drawn(large_source, tmp_path, options, what):
    with pytest.raises(DatasetError, match=what):
        build(tmp_path / "wn.h5", large_source, **options)
