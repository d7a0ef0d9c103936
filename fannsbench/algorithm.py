"""The contract that every algorithm fulfils, bundled or a user's own.

A plugin is a folder `<name>/` with `plugin.py`, holding one subclass of `Algorithm`, and `params.toml`,
which declares its parameters. `algorithms/hnsw/` is a short, complete example.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fannsbench.attributes import Attributes
from fannsbench.filters import BoundFilters, FilterKind

if TYPE_CHECKING:
    from fannsbench.dataset import Dataset, Workload

Selection = Any
"""What `Algorithm.select` hands to `Algorithm.search`; its type is the plugin's own affair."""

Progress = Callable[[int, int], None]
"""progress(done, total): how much of a build is done, in items or whatever it counts."""

ALL_FILTERS: frozenset[FilterKind] = frozenset(FilterKind)


class Metric(StrEnum):
    """How far apart two vectors are; nearest means smallest."""

    EUCLIDEAN = "euclidean"
    COSINE = "cosine"
    INNER_PRODUCT = "inner_product"


@dataclass(frozen=True, eq=False)
class Items:
    """What an index is built on: `vectors` (n, d) float32, C-contiguous, read-only and possibly
    memory-mapped, and the `attributes` of the same n items."""

    vectors: np.ndarray
    attributes: Attributes


def _unheard(done: int, total: int) -> None:
    """Progress that nobody follows."""


class Algorithm(ABC):
    """One index. The harness calls: build or load, warm_up, then for every search setting
    configure, and for every block of queries select (filtered workloads only) and search."""

    filters: ClassVar[frozenset[FilterKind]] = frozenset()
    """The filter kinds it serves; empty: unfiltered search only."""
    metrics: ClassVar[frozenset[Metric]] = frozenset({Metric.EUCLIDEAN})
    exact_filter: ClassVar[bool] = True
    """False: it may return items that do not match (AFANNS); they count as misses."""
    builds_on_attributes: ClassVar[bool] = True
    """False: one build serves every workload of a data set."""

    threads: int = 1
    """How many threads `search` may use; the harness sets it before `configure`."""
    preprocess_seconds: float = 0.0
    """The part of the time of `build` that only sorted or encoded the data; `build` may set it."""
    progress: Progress = staticmethod(_unheard)
    """What a long `build` calls from time to time; the harness sets it before `build`."""

    def __init__(self, metric: Metric, seed: int) -> None:
        """A subclass adds its build parameters, by the names in params.toml, as keywords."""
        self.metric = metric
        self.seed = seed

    @abstractmethod
    def build(self, items: Items, threads: int) -> None:
        """Build the index on `items` with at most `threads` threads."""

    def configure(self) -> None:  # noqa: B027 - having no search parameters is a valid choice
        """Take the search parameters, by the names in params.toml, as keywords."""

    def select(self, filters: BoundFilters) -> Selection | None:
        """Do all work that depends on the filters and the data before the search; timed on its own."""
        return filters

    @abstractmethod
    def search(self, queries: np.ndarray, k: int, selection: Selection | None) -> np.ndarray:
        """The k nearest items that match, for each of `queries` (q, d) float32: (q, k) int32 ids,
        nearest first, padded with -1 where fewer are found. `selection` is None when unfiltered."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the index into an empty folder; the bytes written are the index size."""

    @abstractmethod
    def load(self, folder: Path, items: Items) -> None:
        """Read what `save` wrote, in place of `build`; `items` are those of the build."""

    def warm_up(self) -> None:  # noqa: B027 - most plugins have nothing to warm up
        """Untimed: compile, import lazily. Called before `build`, on an empty instance."""

    def counters(self) -> dict[str, float]:
        """Totals since the last `configure`, e.g. {"distances": 12345} (distance computations)."""
        return {}

    @classmethod
    def skip(cls, dataset: Dataset, workload: Workload) -> str | None:
        """Why this pair makes no sense, in words; None when it does."""
        return None
