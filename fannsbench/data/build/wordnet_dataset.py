"""Builds the data set of WordNet: synsets as items, lemmas as search terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fannsbench import folders
from fannsbench.data.build import wordnet
from fannsbench.data.build.embed import Encoder, embed
from fannsbench.data.build.wordnet_attributes import attributes_of
from fannsbench.data.build.wordnet_workloads import WORKLOADS
from fannsbench.data.draft import Draft, DraftWorkload, write
from fannsbench.data.draw import Values
from fannsbench.data.progress import Progress
from fannsbench.data.seeds import stream
from fannsbench.errors import DatasetError
from fannsbench.filters import Filter
from fannsbench.metric import Metric

NUM_QUERIES = 10_000
_COMPACT_STEP = np.float32(2.0**-14)
_SEED = 0


def build(
    path: Path,
    load_encoder: Callable[[], Encoder],
    source: Path,
    progress: Progress,
    num_items: int | None = None,
    num_queries: int = NUM_QUERIES,
    compact: bool = False,
) -> None:
    """Write the data set to `path`.

    num_items: how many synsets, drawn at random and kept in WordNet's order; None for all. num_queries: how
    many of the distinct lemmas, in lower case. compact: float16 vectors, compressed; the truth is that of the
    rounded vectors. Everything is drawn from fixed seeds; embeddings of an interrupted build are used again.

    Raises DatasetError where `source` does not hold WordNet, or not as much as is asked for.
    """
    synsets = wordnet.read_synsets(source)
    sense_counts = wordnet.read_sense_counts(source)
    items = [synsets[i] for i in np.sort(_drawn("items", num_items, len(synsets)))]
    lemmas = sorted({lemma.lower() for synset in synsets for lemma in synset.lemmas})
    terms = [lemmas[i] for i in _drawn("queries", num_queries, len(lemmas))]
    encoder = load_encoder()

    def embedded(what: str, texts: Sequence[str]) -> np.ndarray:
        with progress(f"embedding {what}", len(texts)) as advance:
            vectors = embed(texts, encoder, folders.cache() / "embeddings", advance)
        return _rounded(vectors) if compact else vectors

    queries = embedded("queries", terms)
    vectors = embedded("items", [item.text for item in items])
    attributes = attributes_of(items, synsets, sense_counts, stream(_SEED, "parts"))
    workloads = {
        name: DraftWorkload(
            Filter.parse(template.filter), template.draw(Values(attributes, len(terms), stream(_SEED, name)))
        )
        for name, template in WORKLOADS.items()
    }
    draft = Draft(
        Metric.EUCLIDEAN,
        vectors,
        queries,
        attributes,
        workloads,
        description=f"{len(items):,} WordNet synsets (lemmas and gloss); queries: {len(terms):,} lemmas; "
        f"embedded with {encoder.name}",
        source="WordNet 3.0, Princeton University",
        license=wordnet.read_license(source),
    )
    write(draft, path, compress=compact, progress=progress)


def _drawn(what: str, count: int | None, available: int) -> np.ndarray:
    if count is not None and count > available:
        raise DatasetError(f"{count:,} {what} asked for; WordNet has enough for {available:,}")
    return stream(_SEED, what).permutation(available)[:count]


def _rounded(vectors: np.ndarray) -> np.ndarray:
    """As float16 with the precision that it gives to the large numbers: what it adds to that for small ones
    hardly changes a distance, and does not compress."""
    return (np.round(vectors / _COMPACT_STEP) * _COMPACT_STEP).astype(np.float16)
