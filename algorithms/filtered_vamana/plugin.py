"""FilteredVamana, one graph for all labels, on fannsbench's own kernels.

S. Gollapudi, N. Karia, V. Sivashankar, R. Krishnaswamy, N. Begwani, S. Raz, Y. Lin, Y. Zhang, N. Mahapatro,
P. Srinivasan, A. Singh, H. V. Simhadri: Filtered-DiskANN: Graph Algorithms for Approximate Nearest Neighbor
Search with Filters, WWW 2023.

Serves EM and EMIS, and of C a value among several of one attribute (`a in [$x, $y]`, `$x in s or $y in s`).
The index is built on that attribute; its values are the labels, of which an item may have none. Without a
filter it is a Vamana graph.

As DiskANN's code (branch cpp_main), an item's links are sought by two searches: among the items that share a
label with it, from where its labels begin, and, which the paper does not and `unfiltered_candidates = false`
leaves out, among all. As the paper, an item stands in for another in pruning if it has the labels that the
other shares with the item whose links are chosen. In DiskANN's code, `gate = "code"`, it must have all of the
other's labels; then links to items of other labels crowd out those that serve a query, and with many labels
parts of a label are cut off. Not as DiskANN's code:
- Items are inserted in batches, in an order drawn from the seed, those where searches begin first: before
  they have links, a search for their label finds nothing else. So the graph depends neither on the number of
  threads nor on the order of the data.
- A list never holds more than R links, and is pruned when it would.
- The searches of a build compare in half precision; what they find is compared exactly.
- Items that pruning has cut off from where the search for one of their labels begins are linked in again,
  where a near item has room or can exchange a link.
- One of several labels is sought by a search for each, not by one for all: that loses labels whose entry is
  far from the query.
- Where items have one label, links to the same one are kept first, so a search reads no others.
"""

from __future__ import annotations

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms._filtered_diskann import FilteredDiskANN
from fannsbench.algorithms._filtered_diskann.graph import Labelled
from fannsbench.algorithms.filtered_vamana import index
from fannsbench.algorithms.vamana.index import Parameters


class FilteredVamana(FilteredDiskANN):
    def __init__(
        self,
        metric: Metric,
        seed: int,
        R: int,  # noqa: N803
        L: int,  # noqa: N803
        alpha: float,
        unfiltered_candidates: bool,
        gate: str,
    ) -> None:
        super().__init__(metric, seed)
        self.how = Parameters(R, L, alpha, seed)
        self.unfiltered_candidates = unfiltered_candidates
        self.gate = gate

    def build_graph(self, items: Items, threads: int) -> Labelled:
        return index.build(
            self.vectors,
            self.labels,
            self.postings,
            self.how,
            self.unfiltered_candidates,
            self.gate,
            threads,
            self.progress,
        )
