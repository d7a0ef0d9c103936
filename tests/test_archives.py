"""Packed sources."""

from __future__ import annotations

import io
import tarfile

import pytest

from fannsbench import folders
from fannsbench.data.importers.archives import unpacked
from fannsbench.errors import DatasetError


def packed(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_a_folder_is_itself(tmp_path):
    with unpacked(tmp_path) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize("mode", ["w:gz", "w", "w:xz"])
@pytest.mark.parametrize("top", ["", "./", "one/", "one/two/"])
def test_an_archive_is_a_folder_while_it_is_open(tmp_path, mode, top):
    archive = packed(tmp_path / "x.tgz", {f"{top}a.txt": b"a", f"{top}b/c.txt": b"c"}, mode)
    with unpacked(archive) as folder:
        assert (folder / "a.txt").read_bytes() == b"a" and (folder / "b" / "c.txt").read_bytes() == b"c"
    assert list((folders.cache() / folders.UNPACKED).iterdir()) == []


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt"])
def test_nothing_is_written_outside(tmp_path, name):
    archive = packed(tmp_path / "x.tgz", {"fine.txt": b"a", name: b"b"})
    with pytest.raises(DatasetError, match=r"x\.tgz: cannot be unpacked: .*outside"), unpacked(archive):
        pass
    assert list((folders.cache() / folders.UNPACKED).iterdir()) == []


def test_damaged_archives_are_one_line(tmp_path):
    whole = packed(tmp_path / "x.tgz", {"a.bin": bytes(range(256)) * 1000}).read_bytes()
    middle = len(whole) // 2
    changed = [bytearray(whole), bytearray(whole)]
    changed[0][middle] ^= 255
    changed[1][-8] ^= 255  # of the checksum
    for damaged in (b"", b"not an archive", whole[:middle], *changed):
        (tmp_path / "y.tgz").write_bytes(damaged)
        with pytest.raises(DatasetError, match=r"y\.tgz: cannot be unpacked"), unpacked(tmp_path / "y.tgz"):
            pass
    with pytest.raises(DatasetError, match="no such folder or archive"), unpacked(tmp_path / "z.tgz"):
        pass


def test_space_is_checked_before_a_member_is_written(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        member = tarfile.TarInfo("huge.bin")
        archive.addfile(member)
    raw = bytearray((tmp_path / "x.tar").read_bytes())
    member.size = 2**62
    raw[:512] = member.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "x.tar").write_bytes(raw)
    with pytest.raises(DatasetError, match="GB needed"), unpacked(tmp_path / "x.tar"):
        pass
