"""A data set: one HDF5 file with items, attributes, queries, workloads and ground truth.

Schema `fannsbench/1`, a superset of ann-benchmarks' files, which open as they are (unfiltered):

    /train (n, d)  /test (q, d)  /neighbors (q, K) int32  /distances (q, K) float32
       root attrs: schema, name, distance, description, source, license, created_with
    /attributes/<name>  attrs: kind
       category: codes (n,) int32, -1 missing; vocabulary (v,) utf-8
       number:   values (n,) int64 or float64; missing (n,) bool where any is; of dates, attrs: unit,
                 "days" or "seconds", since 1970-01-01 UTC
       set:      indptr (n + 1,) int64, indices (nnz,) int32 sorted; vocabulary (v,)
    /workloads/<name>  attrs: filter
       parameters/<p> (q,)  neighbors (q, K) int32, -1 padded  distances (q, K) float32, inf padded
       matches (q,) int64

Distances are true (square-rooted) Euclidean, 1 - cosine, or the negated inner product.
"""

from fannsbench.dataset.items import Items
from fannsbench.dataset.places import DEFAULT, available, find, is_bundled, place_of
from fannsbench.dataset.read import SCHEMA, UNFILTERED, Dataset, Workload
from fannsbench.dataset.write import DatasetWriter

__all__ = [
    "DEFAULT",
    "SCHEMA",
    "UNFILTERED",
    "Dataset",
    "DatasetWriter",
    "Items",
    "Workload",
    "available",
    "find",
    "is_bundled",
    "place_of",
]
