"""The contract that every algorithm fulfils, bundled or a user's own.

A plugin is a folder `<name>/` with `plugin.py`, holding one subclass of `Algorithm`, and `params.toml`,
which declares its parameters. `algorithms/hnsw/` is a short, complete example.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fannsbench.dataset import Dataset, Items, Workload
from fannsbench.filters import BoundFilters, FilterKind
from fannsbench.metric import Metric

__all__ = ["ALL_FILTERS", "Algorithm", "Items", "Metric", "Progress", "Selection"]

Selection = Any
"""What `Algorithm.select` hands to `Algorithm.search`; its type is the plugin's own affair."""

Progress = Callable[[int, int], None]
"""progress(done, total), in any unit."""

ALL_FILTERS: frozenset[FilterKind] = frozenset(FilterKind)


class Algorithm(ABC):
    """One index. The harness calls: warm_up, build or load, then for every search setting configure,
    and for every block of queries select (filtered workloads only) and search; close at the end."""

    filters: frozenset[FilterKind] = frozenset()
    """The filter kinds it serves; empty: unfiltered search only. A class names all that it can serve; an
    instance whose build parameters allow fewer sets its own in `__init__`, as it may `exact_filter`."""
    metrics: ClassVar[frozenset[Metric]] = frozenset({Metric.EUCLIDEAN})
    exact_filter: bool = True
    """False: it may return items that do not match (AFANNS); they count as misses."""
    builds_on_attributes: ClassVar[bool] = True
    """False: one build serves every workload of a data set."""

    threads: int = 1
    """How many threads `search` may use; the harness sets it before `configure`."""
    progress: Progress = staticmethod(lambda done, total: None)
    """For `build` to tell how far it is, if it takes long; the harness sets it before."""
    preprocess_seconds: float = 0.0
    """The part of the time of `build` that only sorted or encoded the data; `build` may set it."""

    def __init__(self, metric: Metric, seed: int) -> None:
        """A subclass adds its build parameters, by the names in params.toml, as keywords. It only takes
        them: the harness makes instances that it never builds, to know what they serve."""
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

    def close(self) -> None:  # noqa: B027 - most plugins start nothing
        """End what was started (servers, connections, files). Called always, after failures too, and on an
        instance that was never built; what it leaves is ended by force."""

    @classmethod
    def skip(cls, dataset: Dataset, workload: Workload) -> str | None:
        """Why this pair makes no sense, in words; None when it does."""
        return None
