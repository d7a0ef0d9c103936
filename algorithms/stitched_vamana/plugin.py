"""StitchedVamana, the graphs of all labels joined into one, on fannsbench's own kernels.

S. Gollapudi, N. Karia, V. Sivashankar, R. Krishnaswamy, N. Begwani, S. Raz, Y. Lin, Y. Zhang, N. Mahapatro,
P. Srinivasan, A. Singh, H. V. Simhadri: Filtered-DiskANN: Graph Algorithms for Approximate Nearest Neighbor
Search with Filters, WWW 2023.

Serves EM and EMIS, and of C a value among several of one attribute (`a in [$x, $y]`, `$x in s or $y in s`).
The index is built on that attribute; its values are the labels. Items without a label have no links.

As DiskANN's code (branch cpp_main): a Vamana graph for each label, with R_small and L_small; an item's links
in all of them are pruned only where they are more than R_stitched, with a threshold up to 1.2 whatever alpha
is, and an item stands in for another only if it has all of its labels. The paper prunes every item, with
alpha. Not as DiskANN's code:
- Every item is given its own vector: DiskANN's code computes where it lies in 32 bits, which wraps at 4 GiB.
- Entries are drawn from the seed, and are always items of the label (DiskANN's may be one past the last);
  `entry = "medoid"` begins where the label's own graph does.
- Items are inserted in an order drawn from the seed, in batches for large labels, one by one for others. So
  the graph depends neither on the number of threads nor on the order of the data.
- Items that pruning has cut off from where the search for one of their labels begins are linked in again,
  where a near item has room or can exchange a link.
- One of several labels is sought by a search for each, not by one for all: that loses labels whose entry is
  far from the query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms._filtered_diskann import FilteredDiskANN
from fannsbench.algorithms._filtered_diskann.graph import Labelled
from fannsbench.algorithms.stitched_vamana import index
from fannsbench.algorithms.vamana.index import Parameters

if TYPE_CHECKING:
    from fannsbench.dataset import Dataset, Workload


class StitchedVamana(FilteredDiskANN):
    def __init__(
        self,
        metric: Metric,
        seed: int,
        R_small: int,  # noqa: N803
        L_small: int,  # noqa: N803
        R_stitched: int,  # noqa: N803
        alpha: float,
        final_alpha: float,
        entry: str,
    ) -> None:
        super().__init__(metric, seed)
        self.small = Parameters(R_small, L_small, alpha, seed)
        self.R_stitched = R_stitched
        self.final_alpha = final_alpha
        self.entry = entry

    @classmethod
    def skip(cls, dataset: Dataset, workload: Workload) -> str | None:
        if workload.filter is None:
            return "without a filter there are no labels whose graphs it could join"
        return super().skip(dataset, workload)

    def build_graph(self, items: Items, threads: int) -> Labelled:
        return index.build(
            self.vectors,
            self.labels,
            self.postings,
            self.small,
            self.R_stitched,
            self.final_alpha,
            self.entry,
            threads,
            self.progress,
        )
