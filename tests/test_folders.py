"""Where things lie, and files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from fannsbench import folders


def test_the_environment_names_the_users_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("FANNSBENCH_CACHE", "/c")
    monkeypatch.setenv("FANNSBENCH_DATASETS", "/d")
    monkeypatch.setenv("FANNSBENCH_PLUGINS", f"/p:{tmp_path}::rest")
    assert (folders.cache(), folders.user_datasets()) == (Path("/c"), Path("/d"))
    assert folders.user_plugins() == [Path("/p"), tmp_path, Path.cwd() / "rest"]


def test_without_it_they_are_the_checkouts_or_the_users(monkeypatch, tmp_path):
    for name in ("CACHE", "DATASETS", "PLUGINS"):
        monkeypatch.delenv(f"FANNSBENCH_{name}", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert folders.cache() == tmp_path / "cache" / "fannsbench"
    assert folders.user_plugins() == []
    assert folders.user_datasets() == folders.bundled("datasets") == Path(__file__).parent.parent / "datasets"
    monkeypatch.setattr(folders, "CHECKOUT", None)  # as after an install
    assert folders.bundled("algorithms") == Path(folders.__file__).parent / "algorithms"
    assert folders.user_datasets() == tmp_path / "data" / "fannsbench" / "datasets"


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "x.txt"
    with folders.whole_file(path) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127])
def test_a_name_may_be_as_long_as_names_may_be(tmp_path, name):
    with folders.whole_file(tmp_path / name) as temporary:
        temporary.write_text("whole")
    assert (tmp_path / name).read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(error), folders.whole_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with folders.whole_file(tmp_path / "x") as temporary:
            temporary.write_text("x")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_of_two_writers_at_once_one_file_stays_whole(tmp_path):
    both = threading.Barrier(2, timeout=30)

    def write(content: str) -> None:
        with folders.whole_file(tmp_path / "x") as temporary:
            temporary.write_text(content)
            both.wait()

    writers = [threading.Thread(target=write, args=(letter * 100_000,)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (tmp_path / "x").read_text() in {"a" * 100_000, "b" * 100_000}
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
