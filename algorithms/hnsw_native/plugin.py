"""HNSW on fannsbench's own kernels: the substrate of several filtered methods, and their yardstick.

Yu. A. Malkov, D. A. Yashunin: Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical
Navigable Small World Graphs, IEEE TPAMI 42(4), 2020.

As hnswlib: M links for a new item on every layer, room for 2 M on the lowest; a search for the links of the
next lower layer begins at the nearest item found; lists are pruned only when they overflow; no refilling.
Not as hnswlib:
- Items are inserted in batches, in an order drawn from the seed, the highest layers first. So the graph
  depends neither on the number of threads nor on the order of the data.
- The searches of a build compare in half precision; what they find is compared exactly.
- Items that pruning has cut off are linked in again at the end.
- Of the copies of a vector, an item links to one: many copies do not end up linked to one another alone.

Filtered search: `filtering = "in"` walks all items and keeps the matches, as hnswlib's filter, and cannot
stop before ef of them are found; `"post"` fetches more and more of the nearest items, as the plugin `hnsw`.
"""

from __future__ import annotations

from fannsbench.algorithms._native.unfiltered import UnfilteredGraph
from fannsbench.algorithms.hnsw_native.base import HnswGraph


class HnswNative(HnswGraph, UnfilteredGraph):
    """The graph as it is."""
