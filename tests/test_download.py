"""Downloads, from servers that misbehave in every way a real one does."""

from __future__ import annotations

import hashlib
import random
import socket
from contextlib import contextmanager

import pytest
from file_server import Served, serving

from fannsbench import __version__, folders
from fannsbench.data.download import transfer
from fannsbench.data.download.catalogue import SourceFile
from fannsbench.errors import DatasetError

CONTENT = random.Random(3).randbytes(3_000_000)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    with serving() as started:
        yield started


def fetch(server, folder, name="x.bin", sha256="", **options):
    file = SourceFile(url=server.url(name), sha256=sha256, size=len(CONTENT))
    return transfer.fetch(file, folder, **options)


def ranges(server):
    return [asked[2] for asked in server.asked]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_under_its_name_and_once(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT)
    path = fetch(server, tmp_path, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert path == tmp_path / "x.bin" and path.read_bytes() == CONTENT
    assert names(tmp_path) == ["x.bin"]
    assert fetch(server, tmp_path) == path
    assert len(server.asked) == 1
    assert server.agents == {f"fannsbench/{__version__}"} and server.authorizations == {None}


def test_cut_connections_go_on_where_they_were_within_a_run(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT, cuts=[1_000_000, 0, 500_000, 1, 700_000, 300_000, 0])
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    starts = [int(asked.removeprefix("bytes=")[:-1]) for asked in ranges(server)[1:]]
    assert starts[0] == 999_999 and starts == sorted(starts) and len(starts) == 7
    assert names(tmp_path) == ["x.bin"]


@pytest.mark.parametrize("served", [{}, {"etag": None, "modified": "Tue, 01 Jul 2025 00:00:00 GMT"},
                                    {"etag": None}])  # fmt: skip
def test_a_later_run_goes_on_with_what_there_is(server, tmp_path, served):
    server.files["x.bin"] = Served(CONTENT, cuts=[2_000_000, *[0] * 4], **served)
    with pytest.raises(DatasetError, match=r"/x\.bin: cut 5 times, last after 2\.0 MB \(.*\); run again"):
        fetch(server, tmp_path)
    assert [name for name in names(tmp_path) if not name.endswith(".part")] == []
    server.asked.clear()
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1999999-"]


def test_a_download_that_was_whole_when_killed_is_not_begun_anew(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT, cuts=[2_000_000, *[0] * 4])
    with pytest.raises(DatasetError):
        fetch(server, tmp_path)
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(CONTENT)
    server.asked.clear()
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={len(CONTENT) - 1}-"]


def test_a_published_checksum_says_more_than_the_server_s_tags(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT, cuts=[2_000_000, *[0] * 4])
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(DatasetError):
        fetch(server, tmp_path, sha256=sha256)
    server.files["x.bin"] = Served(CONTENT, etag='"another server of the same file"')
    server.asked.clear()
    assert fetch(server, tmp_path, sha256=sha256).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1999999-"]


def test_what_is_not_for_everyone_is_said(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT, statuses=[401])
    with pytest.raises(DatasetError, match=r"401 Unauthorized; it is not for everyone; .*`hf auth login`"):
        fetch(server, tmp_path)


@pytest.mark.parametrize("new", [CONTENT[::-1], CONTENT[:1_500_000], CONTENT + CONTENT], ids=len)
def test_a_file_that_changed_meanwhile_is_begun_anew(server, tmp_path, new):
    server.files["x.bin"] = Served(CONTENT, cuts=[2_000_000, *[0] * 4])
    with pytest.raises(DatasetError):
        fetch(server, tmp_path)
    server.files["x.bin"] = Served(new, etag='"two"')
    assert fetch(server, tmp_path).read_bytes() == new
    assert names(tmp_path) == ["x.bin"]


def test_without_anything_to_compare_nothing_is_gone_on_with(server, tmp_path):
    plain = {"etag": None, "length": False}
    server.files["x.bin"] = Served(CONTENT, cuts=[2_000_000, *[0] * 4], ranges=False, **plain)
    # Without a length, the end of the connection is the end of the file: nobody can tell that it was cut.
    assert fetch(server, tmp_path).read_bytes() == CONTENT[:2_000_000]
    (tmp_path / "x.bin").rename(tmp_path / "x.bin.0123456789abcdef.part")
    server.files["x.bin"] = Served(CONTENT[::-1], **plain)
    assert fetch(server, tmp_path).read_bytes() == CONTENT[::-1]


def test_a_server_that_knows_no_ranges_begins_anew(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT, ranges=False, cuts=[2_000_000, 1_000_000])
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_a_length_that_is_a_lie_is_a_cut_connection(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT, ranges=False, announced=len(CONTENT) + 5)
    with pytest.raises(DatasetError, match=r"cut 5 times, last after 3\.0 MB"):
        fetch(server, tmp_path)
    assert not (tmp_path / "x.bin").exists()


def test_a_wrong_checksum_removes_the_file_and_says_both(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT)
    wrong, right = "ab" * 32, hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(DatasetError) as caught:
        fetch(server, tmp_path, sha256=wrong)
    assert server.url("x.bin") in str(caught.value) and wrong in str(caught.value)
    assert right in str(caught.value) and "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_wrong_address_is_not_tried_again(server, tmp_path):
    with pytest.raises(DatasetError, match=r"/x\.bin: 404 Not Found; its publisher may have moved it"):
        fetch(server, tmp_path)
    assert len(server.asked) == 1 and names(tmp_path) == []
    with pytest.raises(DatasetError, match="404 Not Found"):
        transfer.size_of(server.url("x.bin"))


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT, statuses=[503, 429, 500])
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    server.files["y.bin"] = Served(CONTENT, statuses=[503] * 9)
    with pytest.raises(DatasetError, match=r"last after 0\.0 MB \(503 Service Unavailable\)"):
        fetch(server, tmp_path, "y.bin")


def test_no_network_is_said_at_once(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listened to
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x.bin"
        for ask in (transfer.size_of, lambda url: transfer.fetch(SourceFile(url=url), tmp_path)):
            with pytest.raises(DatasetError, match=r"cannot be reached \(.*refused\); is there a network\?"):
                ask(url)


def test_a_compressed_answer_is_kept_as_it_is(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT, headers={"Content-Encoding": "gzip"})
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_sizes_are_asked_for_and_may_be_unknown(server):
    server.files["x.bin"] = Served(CONTENT)
    server.files["y.bin"] = Served(CONTENT, length=False)
    assert transfer.size_of(server.url("x.bin")) == len(CONTENT)
    assert transfer.size_of(server.url("y.bin")) == 0


def test_progress_ends_at_the_size_whatever_happened(server, tmp_path):
    server.files["x.bin"] = Served(CONTENT, cuts=[1_000_000, 10, 100_000])
    told = []

    @contextmanager
    def progress(what, total):
        told.append((what, total))
        yield told.append

    fetch(server, tmp_path, progress=progress)
    assert told[0] == ("x.bin", len(CONTENT)) and sum(told[1:]) == len(CONTENT)


def test_the_first_checksum_is_remembered(tmp_path):
    file = SourceFile(url="http://host/x.bin")
    path = tmp_path / "x.bin"
    path.write_bytes(b"one")
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    assert transfer.compare_with_first(file, path) == (one, one)
    path.write_bytes(b"two")
    assert transfer.compare_with_first(file, path) == (two, one)
    assert transfer.compare_with_first(SourceFile(url="http://host/y.bin"), path) == (two, two)
    assert (folders.cache() / "downloads" / "sha256.json").exists()
