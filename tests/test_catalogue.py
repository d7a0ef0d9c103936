"""The catalogue, and `fannsbench datasets download` from local servers, in the forms of real ones."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import reference
from click.testing import CliRunner
from file_server import Served, serving
from test_import_qdrant import make

from fannsbench import folders
from fannsbench.cli.datasets.download import download as command
from fannsbench.data.download import catalogue, transfer
from fannsbench.dataset import UNFILTERED, Dataset
from fannsbench.errors import DatasetError, UnknownNameError

N, Q, DIMENSION = 60, 8, 4
REVISION = "a" * 40


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    with serving() as started:
        yield started


def invoke(*arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def catalogued(text):
    """Makes it the user's own catalogue."""
    path = folders.user_datasets() / "catalogue.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def entry(format_, *urls, name="mine", **more):
    files = ", ".join(f'{{url = "{url}"}}' for url in urls)
    lines = [f"[{name}]", f'format = "{format_}"', f"files = [{files}]" if urls else ""]
    lines += ["items = 60", "dimension = 4", 'source = "http://page"']
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in more.items())])


def ann_benchmarks_file(path):
    rng = np.random.default_rng(5)
    items, queries = (rng.standard_normal((rows, DIMENSION)).astype(np.float32) for rows in (N, Q))
    neighbors, distances = reference.brute_force(items, queries, 10, "euclidean")
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = "euclidean"
        file.update({"train": items, "test": queries, "neighbors": neighbors, "distances": distances})
    return path.read_bytes(), items


def test_the_bundled_catalogue_is_sound_and_names_what_the_field_uses():
    entries = catalogue.entries()
    assert {"arxiv-for-fanns-large", "yfcc-10m", "sift-128-euclidean", "qdrant-arxiv"} <= set(entries)
    assert entries["arxiv-for-fanns-medium"].hub == "SPCL/arxiv-for-fanns-medium"
    assert entries["yfcc-10m"].about_bytes == sum(file.size for file in entries["yfcc-10m"].files)
    # float32 vectors, and 100 neighbours of 10,000 queries (1,000 of gist) with their distances
    for name, queries in (("sift-128-euclidean", 10_000), ("gist-960-euclidean", 1_000)):
        known = entries[name]
        expected = 4 * known.dimension * (known.items + queries) + 800 * queries
        assert known.about_bytes == pytest.approx(expected, rel=0.02)
    with pytest.raises(UnknownNameError, match="did you mean yfcc-10m"):
        catalogue.find("yfcc10m")


@pytest.mark.parametrize(("text", "message"), [
    (entry("hdf", "http://h/x"), r"mine\.format: Input should be 'ann-benchmarks'"),
    (entry("qdrant"), r"mine: names either files or a hub repository"),
    (entry("qdrant", "http://h/x", hub="a/b"), r"mine: names either files or a hub repository"),
    (entry("qdrant", "ftp://h/x"), r"mine\.files\.0\.url: String should match"),
    (entry("qdrant", "http://h/"), r"mine\.files\.0\.url: String should match"),
    (entry("qdrant", "http://h/a/x", "http://h/b/x"), r"mine: has two files of one name"),
    (entry("qdrant", "http://h/x", colour="red"), r"mine\.colour: Extra inputs are not permitted"),
    (entry("qdrant", "http://h/x").replace("items = 60", ""), r"mine\.items: Field required"),
    ("[mine", r"is not TOML"),
])  # fmt: skip
def test_what_is_wrong_in_a_catalogue_is_said_with_its_place(text, message):
    path = catalogued(text)
    with pytest.raises(DatasetError, match=message) as caught:
        catalogue.entries()
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_without_a_name_the_catalogue_is_listed_and_the_users_entries_come_before():
    catalogued(entry("qdrant", "http://h/x.tgz", name="yfcc-10m", license="mine alone"))
    shown = invoke().stdout
    assert "arxiv-for-fanns-large" in shown and "46,100" in shown and "mine alone" in shown
    rows = {row["name"]: row for row in json.loads(invoke("--json").stdout)}
    assert rows["yfcc-10m"]["files"][0]["url"] == "http://h/x.tgz"
    assert rows["sift-128-euclidean"]["citation"]


def test_names_complete():
    (argument,) = [parameter for parameter in command.params if parameter.name == "dataset"]
    found = argument.shell_complete(None, "glove-")  # type: ignore[arg-type]
    assert [item.value for item in found] == [f"glove-{d}-angular" for d in (25, 50, 100, 200)]


def test_a_data_set_is_announced_fetched_imported_and_cleared_away(server, tmp_path):
    content, items = ann_benchmarks_file(tmp_path / "x.hdf5")
    server.files["x.hdf5"] = Served(content, cuts=[3_000])
    catalogued(
        entry("ann-benchmarks", server.url("x.hdf5"), license="CC0", citation="Me 2025", note="a note")
    )
    done = invoke("mine")
    text = " ".join(done.stdout.split())
    downloads = folders.cache() / "downloads"
    assert "license: CC0" in text and "citation: Me 2025" in text
    assert f"download: {len(content) / 1e6:.1f} MB, 1 file, to {downloads / 'mine'}" in text
    assert f"x.hdf5: sha256 {hashlib.sha256(content).hexdigest()}; none is published" in text
    with Dataset.open(folders.user_datasets() / "mine.h5") as opened:
        np.testing.assert_array_equal(opened.vectors, items)
        assert opened.workload(UNFILTERED).depth == 10
        assert (opened.about("license"), opened.about("source")) == ("CC0", "http://page")
        assert "a note\nMe 2025" in opened.about("description")
    assert [path.name for path in downloads.iterdir()] == ["sha256.json"]
    with pytest.raises(DatasetError, match=r"mine\.h5 exists already; choose another --name"):
        invoke("mine")


def test_kept_files_are_not_fetched_again_and_a_change_of_checksum_is_told(server, tmp_path):
    content, _ = ann_benchmarks_file(tmp_path / "x.hdf5")
    server.files["x.hdf5"] = Served(content)
    catalogued(entry("ann-benchmarks", server.url("x.hdf5")))
    kept = folders.cache() / "downloads" / "mine" / "x.hdf5"
    assert f"kept: {kept}" in invoke("mine", "--keep").stdout.replace("\n", " ")
    assert kept.read_bytes() == content
    invoke("mine", "--name", tmp_path / "again.h5")
    assert [method for method, _, _ in server.asked].count("GET") == 1
    assert not kept.exists()
    with h5py.File(tmp_path / "x.hdf5", "a") as file:
        file.attrs["more"] = 1
    server.files["x.hdf5"] = Served((tmp_path / "x.hdf5").read_bytes())
    told = " ".join(invoke("mine", "--replace").stdout.split())
    assert f"the first download here had {hashlib.sha256(content).hexdigest()}: one is damaged" in told


def test_a_preview_downloads_nothing(server, tmp_path):
    content, _ = ann_benchmarks_file(tmp_path / "x.hdf5")
    server.files["x.hdf5"] = Served(content)
    own = catalogued(entry("ann-benchmarks", server.url("x.hdf5")))
    path = tmp_path / "new" / "mine.h5"
    assert "1 file" in invoke("mine", "--preview", "--name", path).stdout
    assert {method for method, _, _ in server.asked} == {"HEAD"}
    assert not path.parent.exists() and not folders.cache().exists()
    assert list(folders.user_datasets().iterdir()) == [own]


def test_what_is_there_is_said_and_gone_on_with(server, tmp_path):
    content, _ = ann_benchmarks_file(tmp_path / "x.hdf5")
    server.files["x.hdf5"] = Served(content, cuts=[5_000, *[0] * 4])
    catalogued(entry("ann-benchmarks", server.url("x.hdf5")))
    with pytest.raises(DatasetError, match="run again to go on from there"):
        invoke("mine")
    assert not (folders.user_datasets() / "mine.h5").exists()
    server.asked.clear()
    assert "here already: 0.0 MB" in " ".join(invoke("mine").stdout.split())
    assert server.asked[-1] == ("GET", "/x.hdf5", "bytes=4999-")


def test_a_wrong_checksum_leaves_nothing_that_looks_whole(server, tmp_path):
    content, _ = ann_benchmarks_file(tmp_path / "x.hdf5")
    server.files["x.hdf5"] = Served(content)
    text = entry("ann-benchmarks", server.url("x.hdf5"))
    catalogued(text.replace('.hdf5"}', f'.hdf5", sha256 = "{"ab" * 32}"}}'))
    with pytest.raises(DatasetError, match="expected abab"):
        invoke("mine")
    assert not list(folders.user_datasets().glob("*.h5"))
    assert not list((folders.cache() / "downloads" / "mine").glob("[!.]*"))
    catalogued(text.replace('.hdf5"}', f'.hdf5", sha256 = "{hashlib.sha256(content).hexdigest()}"}}'))
    assert "x.hdf5: sha256 as published" in invoke("mine").stdout


def test_space_is_checked_before_anything_is_fetched(server):
    server.files["x.hdf5"] = Served(b"", announced=10**17)
    catalogued(entry("ann-benchmarks", server.url("x.hdf5")))
    with pytest.raises(DatasetError, match=r"200,000,000\.00 GB needed, .* GB free"):
        invoke("mine")
    assert {method for method, _, _ in server.asked} == {"HEAD"}


def test_an_archive_of_qdrants_is_imported(server, tmp_path):
    make(tmp_path / "source", ["r"])
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        archive.add(tmp_path / "source", ".")
    server.files["x.tgz"] = Served((tmp_path / "x.tgz").read_bytes())
    catalogued(entry("qdrant", server.url("x.tgz")))
    invoke("mine")
    with Dataset.open(folders.user_datasets() / "mine.h5") as opened:
        assert opened.workload_names == [UNFILTERED, "r"]
    assert sorted(path.name for path in folders.cache().iterdir()) == ["downloads", folders.UNPACKED]
    assert not list((folders.cache() / folders.UNPACKED).iterdir())


def test_several_files_are_imported_as_a_folder(server):
    rng = np.random.default_rng(6)
    vectors = {"base.60.fbin": N, "query.public.8.fbin": Q}
    for name, rows in vectors.items():
        numbers = rng.standard_normal((rows, DIMENSION)).astype("<f4")
        server.files[name] = Served(np.array([rows, DIMENSION], "<u4").tobytes() + numbers.tobytes())
    catalogued(entry("big-ann", *(server.url(name) for name in vectors)))
    invoke("mine")
    with Dataset.open(folders.user_datasets() / "mine.h5") as opened:
        assert (opened.n, opened.num_queries) == (N, Q)


def arxiv_files():
    """By name, in the folder format of arxiv-for-fanns."""
    rng = np.random.default_rng(7)

    def rows(dtype, listed):
        return b"".join(
            np.array([len(row)], "<i4").tobytes() + np.array(row, dtype).tobytes() for row in listed
        )

    items, queries = rng.standard_normal((N, DIMENSION)), rng.standard_normal((Q, DIMENSION))
    paper = {
        "submitter": "a", "has_comments": True, "main_categories": ["cs"], "sub_categories": ["x"],
        "number_of_main_categories": 1, "number_of_sub_categories": 1, "license": None,
        "number_of_versions": 1, "update_date": 14_000, "authors": ["A", "B"], "number_of_authors": 2,
    }  # fmt: skip
    nearest = np.argsort(((queries[:, None].astype("f4") - items.astype("f4")) ** 2).sum(axis=2), axis=1)
    lines = {"em": {"label": 1}, "r": {"range_start": 0, "range_end": 20_000}, "emis": {"label": "cs"}}
    files = {"database_vectors.fvecs": rows("<f4", items), "query_vectors.fvecs": rows("<f4", queries),
             "database_attributes.jsonl": (json.dumps(paper) + "\n").encode() * N}  # fmt: skip
    for workload, line in lines.items():
        files[f"{workload}_query_attributes.jsonl"] = (json.dumps(line) + "\n").encode() * Q
    for name in ("", "_em", "_r", "_emis"):
        files[f"ground_truth{name}.ivecs"] = rows("<i4", nearest[:, :10])
    return files | {"README.md": b"# data", ".gitattributes": b""}


def serve_as_hub(server, repository, files, lfs_from=3_000):
    """In the form of the hub's API; larger files are kept by LFS, smaller ones by git."""
    siblings = []
    for name, content in files.items():
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        about = {"rfilename": name, "size": len(content), "blobId": git}
        if len(content) >= lfs_from:
            sha256 = hashlib.sha256(content).hexdigest()
            about["lfs"] = {"size": len(content), "sha256": sha256, "pointerSize": 130}
        siblings.append(about)
        server.files[f"datasets/{repository}/resolve/{REVISION}/{name}"] = Served(content)
    answer = {"id": repository, "sha": REVISION, "siblings": siblings, "tags": []}
    server.files[f"api/datasets/{repository}"] = Served(json.dumps(answer).encode())


def run_against_hub(server, *arguments):
    """In a process of its own, as the library reads the hub's address when it is imported."""
    settings = {"HF_ENDPOINT": server.address, "HF_TOKEN": "hf_secret", "HF_HUB_OFFLINE": "0",
                "HF_HOME": str(folders.cache() / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}  # fmt: skip
    program = Path(sys.executable).with_name("fannsbench")
    line = [str(program), "datasets", "download", *arguments]
    return subprocess.run(
        line, env=os.environ | settings, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_repository_of_the_hub_is_resumed_across_runs_checked_and_imported(server):
    files = arxiv_files()
    serve_as_hub(server, "lab/tiny", files)
    catalogued(entry("arxiv-for-fanns", hub="lab/tiny"))
    large = f"datasets/lab/tiny/resolve/{REVISION}/database_attributes.jsonl"
    whole = server.files[large].content
    server.files[large].cuts, server.files[large].statuses = [2_000], [200, 403]
    cut = run_against_hub(server, "mine")
    assert cut.returncode == 2
    assert "database_attributes.jsonl: 403 Forbidden" in cut.stderr and "Traceback" not in cut.stderr
    server.asked.clear()
    done = run_against_hub(server, "mine")
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    size = sum(len(content) for name, content in files.items() if name not in ("README.md", ".gitattributes"))
    assert f"{size / 1e6:,.1f} MB, 10 files" in told and f"revision {REVISION}" in told
    assert server.authorizations == {"Bearer hf_secret"}
    (asked,) = [range_ for _, path, range_ in server.asked if path.endswith("database_attributes.jsonl")]
    assert asked == "bytes=1999-" and len(whole) > 2_000
    with Dataset.open(folders.user_datasets() / "mine.h5") as opened:
        assert opened.workload_names == [UNFILTERED, "em", "emis", "r"]
    assert not (folders.cache() / "downloads" / "mine").exists()


def test_a_repository_with_two_files_of_one_name_is_refused(server):
    serve_as_hub(server, "lab/tiny", {"a/x.bin": b"1", "b/x.bin": b"2"})
    catalogued(entry("arxiv-for-fanns", hub="lab/tiny"))
    refused = run_against_hub(server, "mine")
    assert refused.returncode == 2
    assert "lab/tiny on the Hugging Face hub: has several files of the name x.bin" in refused.stderr


@pytest.mark.parametrize("name", ["database_attributes.jsonl", "em_query_attributes.jsonl"])
def test_a_file_that_is_not_what_the_hub_says_is_removed(server, name):
    files = arxiv_files()
    serve_as_hub(server, "lab/tiny", files)
    served = server.files[f"datasets/lab/tiny/resolve/{REVISION}/{name}"]
    served.content = served.content[:-2] + b" \n"
    catalogued(entry("arxiv-for-fanns", hub="lab/tiny"))
    refused = run_against_hub(server, "mine")
    assert refused.returncode == 2 and name in refused.stderr and "Traceback" not in refused.stderr
    hashes = (hashlib.sha256(content) for content in (files[name], served.content))
    if len(files[name]) >= 3_000:
        assert all(each.hexdigest() in refused.stderr for each in hashes)
    assert not (folders.cache() / "downloads" / "mine" / name).exists()
    assert not (folders.user_datasets() / "mine.h5").exists()


def test_a_repository_that_is_not_there_is_one_line(server):
    catalogued(entry("arxiv-for-fanns", hub="lab/none"))
    refused = run_against_hub(server, "mine")
    assert refused.returncode == 2
    assert "lab/none on the Hugging Face hub: there is no such data set" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_two_downloads_of_one_data_set_do_not_mix(server, tmp_path):
    content, _ = ann_benchmarks_file(tmp_path / "x.hdf5")
    server.files["x.hdf5"] = Served(content)
    catalogued(entry("ann-benchmarks", server.url("x.hdf5")))
    folder = folders.cache() / "downloads" / "mine"
    folder.mkdir(parents=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DatasetError, match="another download of it is under way"):
            invoke("mine")
    shutil.rmtree(folder)
    invoke("mine")
