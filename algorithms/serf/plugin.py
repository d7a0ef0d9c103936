"""SeRF: an HNSW graph for every range of one number, kept in the space of little more than one.

C. Zuo, M. Qiao, W. Zhou, F. Li, D. Deng: SeRF: Segment Graph for Range-Filtering Approximate Nearest Neighbor
Search, Proc. ACM Manag. Data 2(1), SIGMOD 2024.

Serves R, EM on a number, which is a range of one value, MR, and C where all matches lie in one range: the
range is walked, and what satisfies the whole filter is kept. Without a filter, the range is all items.

The 2D segment graph serves every range. With `one_sided = "1d"`, a range that holds the least or the greatest
value is served by a 1D segment graph instead, of which there then is one for each direction. That takes about
twice the space again, so it is not the default.

As the authors' code: at most index_k links on the layer that is built on; MaxLeap unless told otherwise;
reverse edges have no life time, and the latest 2 index_k in the range are followed; three seeds; ranges
closed on both sides. Not as the authors' code:
- No upper layers. Searches of the build begin at three seeds too, as those of queries always do.
- Items are inserted in batches of consecutive ones, searched for in the graph of all before the batch, and
  compared with those before them in the batch, of which the nearest ef_construction are candidates, near or
  not. So the graph does not depend on the number of threads, and serves short ranges better than that of the
  paper's order, which `batch = 1` inserts in: there a short range sees only what few searches happened on.
- Candidates are the items that the search expanded, not all that were ever in its pool; they are not
  multiplied from segment to segment.
- Seeds can be results: with theirs, three items of a range are never found.
- The pool holds max(ef, k). A range whose walk ends with fewer than k is scanned; the authors return fewer.
- Both bounds of the 1D graph's ranges are those of the filter: the authors lose the last item.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fannsbench.algorithm import Metric
from fannsbench.algorithms._ranges import RangeAlgorithm
from fannsbench.algorithms.serf import index
from fannsbench.algorithms.serf.build import LEAPS, Cut, build_two_sided
from fannsbench.algorithms.serf.half_bounded import build_one_sided
from fannsbench.algorithms.serf.index import Reach, SegmentGraphs
from fannsbench.filters import FilterKind
from fannsbench.kernels.insert import part_of

EVERY = np.iinfo(np.int32).max


class Serf(RangeAlgorithm):
    filters = frozenset({FilterKind.R, FilterKind.MR, FilterKind.C, FilterKind.EM})
    graph_type: ClassVar[type[Any]] = SegmentGraphs

    def __init__(
        self,
        metric: Metric,
        seed: int,
        index_k: int,
        ef_construction: int,
        ef_max: int,
        leap: str,
        exhaustive_leaps: bool,
        one_sided: str,
        batch: int,
    ) -> None:
        super().__init__(metric, seed)
        self.cut = Cut(index_k, ef_construction, LEAPS.index(leap), exhaustive_leaps)
        self.ef_max = ef_max
        self.one_sided = one_sided
        self.batch = batch

    def link(self, vectors: np.ndarray, threads: int) -> SegmentGraphs:
        m, both = len(vectors), self.one_sided == "1d"
        total = 3 * m if both else m
        progress = part_of(self.progress, 0, total)
        graph = build_two_sided(vectors, self.cut, self.ef_max, self.batch, threads, progress)
        ascending = np.arange(m, dtype=np.int32)
        for before, order in ((m, ascending), (2 * m, ascending[::-1].copy())):
            if both:
                how = self.cut.index_k, self.cut.window, self.batch
                progress = part_of(self.progress, before, total)
                graph += build_one_sided(vectors, order, *how, threads, progress)
            else:
                graph += np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32)
        return SegmentGraphs(*graph)

    def configure(self, ef: int, two_segments: bool) -> None:
        super().configure(ef)
        self.two_segments = two_segments

    def how(self, k: int) -> Reach:
        return Reach(2, EVERY) if self.two_segments else Reach(1, 2 * self.cut.index_k)

    def widest(self) -> int:
        return index.widest(self.graph, self.cut.index_k, self.two_segments)

    def rehearsed(self) -> dict[str, Any]:
        return {"two_segments": False}
