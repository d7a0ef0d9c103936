"""`fannsbench datasets`."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from wordnet_sample import BagOfLetters, write_large_wordnet

from fannsbench.cli.datasets import datasets
from fannsbench.data.build import embed
from fannsbench.dataset import Dataset, find
from fannsbench.errors import DatasetError, UnknownNameError


@pytest.fixture
def own_datasets(tmp_path, monkeypatch):
    """The user's folder of data sets, and a small WordNet and its encoder to fill it."""
    monkeypatch.setenv("FANNSBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FANNSBENCH_DATASETS", str(tmp_path / "own"))
    monkeypatch.setattr(embed, "SentenceEncoder", lambda model: BagOfLetters())
    write_large_wordnet(tmp_path / "wn")
    return tmp_path / "own"


def invoke(*arguments):
    result = CliRunner().invoke(datasets, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_build_list_and_show(own_datasets, tmp_path):
    built = invoke("build", "wordnet", "--source", tmp_path / "wn", "--queries", 30)
    assert built.exit_code == 0
    assert str(own_datasets / "wordnet.h5") in built.stdout
    path = own_datasets / "small.h5"
    few = ("--items", 120, "--queries", 10, "--compact", "-o", path)
    assert invoke("build", "wordnet", "--source", tmp_path / "wn", *few).exit_code == 0
    assert path.stat().st_size < (own_datasets / "wordnet.h5").stat().st_size
    with Dataset.open(find("small")) as opened:
        assert (opened.n, opened.num_queries) == (120, 10)

    rows = {row["name"]: row for row in json.loads(invoke("list", "--json").stdout)}
    assert rows["wordnet"] | {"megabytes": 0} == {
        "name": "wordnet", "items": 251, "dimension": 10, "queries": 30, "metric": "euclidean",
        "workloads": 12, "megabytes": 0, "path": str(own_datasets / "wordnet.h5"), "error": None,
    }  # fmt: skip
    assert re.search(r"small\s+120\s+10\s+10\s+euclidean\s+12", invoke("list").stdout)

    shown = json.loads(invoke("show", "wordnet", "--json").stdout)
    assert shown["items"] == 251 and "LICENSEE" in shown["license"]
    assert {"attribute": "half", "kind": "category", "values": "2 values, e.g. h0, h1"} in shown["attributes"]
    half = next(workload for workload in shown["workloads"] if workload["workload"] == "em-0.5")
    assert half["filter"] == "half == $half" and half["kind"] == "EM" and half["truth"] == 100
    assert half["selectivity"] == pytest.approx([0.5] * 3, abs=0.003)
    text = invoke("show", path).stdout
    assert "120 WordNet synsets" in text and "$ancestor in" in text and "gloss_length" in text


def test_a_damaged_file_is_listed_with_its_error(own_datasets):
    own_datasets.mkdir()
    (own_datasets / "broken.h5").write_bytes(b"not HDF5")
    rows = {row["name"]: row for row in json.loads(invoke("list", "--json").stdout)}
    assert str(own_datasets / "broken.h5") in rows["broken"]["error"]
    assert rows["broken"]["items"] is None
    assert "broken" in invoke("list").stdout


def test_unknown_names_and_missing_sources(own_datasets, tmp_path):
    with pytest.raises(UnknownNameError, match="wordnet-10k"):
        invoke("show", "wordnet-10")
    with pytest.raises(DatasetError, match="apt-get install wordnet-base"):
        invoke("build", "wordnet", "--source", tmp_path)
    assert not own_datasets.exists()


def test_a_place_that_cannot_be_written_is_one_line(own_datasets, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"cannot build .*file/wn\.h5"):
        path = tmp_path / "file" / "wn.h5"
        invoke("build", "wordnet", "--source", tmp_path / "wn", "--queries", 10, "-o", path)
