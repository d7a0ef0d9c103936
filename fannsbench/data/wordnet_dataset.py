"""Builds the data set of WordNet: synsets as items, lemmas as search terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from fannsbench import folders
from fannsbench.algorithm import Metric
from fannsbench.data import wordnet
from fannsbench.data.embed import Encoder, embed
from fannsbench.data.truth import exact_knn
from fannsbench.data.wordnet_attributes import attributes_of
from fannsbench.data.wordnet_workloads import WORKLOADS, Values
from fannsbench.dataset import DatasetWriter
from fannsbench.errors import DatasetError
from fannsbench.filters import Filter

TRUTH_DEPTH = 100
NUM_QUERIES = 10_000
_COMPACT_STEP = np.float32(2.0**-14)
_SEED = 0

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""progress(what, total) is entered while that is done and gives what to call with each advance."""


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
    attributes = attributes_of(items, synsets, sense_counts, _rng("parts"))
    with DatasetWriter(
        path,
        name=path.stem,
        metric=Metric.EUCLIDEAN,
        description=f"{len(items):,} WordNet synsets (lemmas and gloss); queries: {len(terms):,} lemmas; "
        f"embedded with {encoder.name}",
        source="WordNet 3.0, Princeton University",
        license=wordnet.read_license(source),
        compress=compact,
    ) as writer:
        writer.items(vectors)
        writer.queries(queries)
        for name, column in attributes.items():
            writer.attribute(name, column)
        with progress("truth without filter", len(terms) * len(items)) as advance:
            truth = exact_knn(vectors, queries, TRUTH_DEPTH, Metric.EUCLIDEAN, advance=advance)
        writer.truth(truth.neighbors, truth.distances)
        for name, template in WORKLOADS.items():
            parameters = template.draw(Values(attributes, len(terms), _rng(name)))
            filters = Filter.parse(template.filter).bind(attributes, parameters)
            with progress(f"truth of workload {name}", len(terms) * len(items)) as advance:
                truth = exact_knn(vectors, queries, TRUTH_DEPTH, Metric.EUCLIDEAN, filters, advance=advance)
            writer.workload(name, template.filter, parameters, *truth)


def _drawn(what: str, count: int | None, available: int) -> np.ndarray:
    if count is not None and count > available:
        raise DatasetError(f"{count:,} {what} asked for; WordNet has enough for {available:,}")
    return _rng(what).permutation(available)[:count]


def _rounded(vectors: np.ndarray) -> np.ndarray:
    """As float16 with the precision that it gives to the large numbers: what it adds to that for small ones
    hardly changes a distance, and does not compress."""
    return (np.round(vectors / _COMPACT_STEP) * _COMPACT_STEP).astype(np.float16)


def _rng(purpose: str) -> np.random.Generator:
    """A stream of its own for each purpose, so that one draw does not depend on the others."""
    return np.random.default_rng([_SEED, *purpose.encode()])
