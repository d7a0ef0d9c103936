"""Embedding in chunks: nothing computed twice, the same bytes after an interruption."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest

from fannsbench.data.build import embed as module
from fannsbench.data.build.embed import SentenceEncoder, embed
from fannsbench.errors import DatasetError


class HashEncoder:
    """A vector that depends on the text alone; remembers what it was asked for, and fails on demand."""

    name = identity = "hash"

    def __init__(self, fail_at: int | None = None) -> None:
        self.calls: list[list[str]] = []
        self.fail_at = fail_at

    def encode(self, texts):
        if self.fail_at == len(self.calls):
            raise KeyboardInterrupt
        self.calls.append(list(texts))
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") for text in texts]
        vectors = np.stack([np.random.default_rng(seed).normal(size=6) for seed in seeds])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4)


TEXTS = [f"text {i}" for i in range(11)]


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(tmp_path):
    whole = embed(TEXTS, HashEncoder(), tmp_path / "whole")
    assert whole.shape == (11, 6) and whole.dtype == np.float32
    with pytest.raises(KeyboardInterrupt):
        embed(TEXTS, HashEncoder(fail_at=2), tmp_path / "broken")
    second, done = HashEncoder(), []
    np.testing.assert_array_equal(embed(TEXTS, second, tmp_path / "broken", done.append), whole)
    assert second.calls == [TEXTS[8:]]
    assert done == [4, 4, 3]
    finished = HashEncoder(fail_at=0)
    np.testing.assert_array_equal(embed(TEXTS, finished, tmp_path / "broken"), whole)


def test_a_chunk_cut_off_while_written_is_not_taken_for_whole(tmp_path, monkeypatch):
    def full_disk(file, vectors):
        file.write(b"\x93NUMPY")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(module.np, "save", full_disk)
        embed(TEXTS, HashEncoder(), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    np.testing.assert_array_equal(embed(TEXTS, HashEncoder(), tmp_path), HashEncoder().encode(TEXTS))


def test_other_texts_and_other_encoders_have_chunks_of_their_own(tmp_path):
    embed(TEXTS, HashEncoder(), tmp_path)
    changed = [*TEXTS[:-1], "another"]
    encoder = HashEncoder()
    np.testing.assert_array_equal(embed(changed, encoder, tmp_path), HashEncoder().encode(changed))
    other = HashEncoder()
    other.identity = "other"
    embed(TEXTS, other, tmp_path)
    assert len(encoder.calls) == len(other.calls) == 3


def test_a_missing_library_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(DatasetError, match=r"pip install 'fannsbench\[embed\]'"):
        SentenceEncoder()
