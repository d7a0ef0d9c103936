"""Variants of a data set: with more workloads, fewer items or queries, or other vectors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fannsbench.attributes import Attributes
from fannsbench.data.draft import TRUTH_DEPTH, Draft, DraftWorkload, check_counts
from fannsbench.data.draw import draw
from fannsbench.data.make import controlled, transforms
from fannsbench.data.make.kinds import KINDS
from fannsbench.data.make.windows import Order
from fannsbench.data.naming import named_filters
from fannsbench.data.progress import Progress, silent
from fannsbench.data.seeds import stream
from fannsbench.dataset import UNFILTERED, Dataset
from fannsbench.errors import DatasetError
from fannsbench.vectors import Chosen, Mapped, Vectors


@dataclass(frozen=True)
class Change:
    """What becomes of the vectors, in this order.

    items, queries: as many, drawn at random, in their order; of one seed, fewer are a part of more.
    pca: so many principal components, see `transforms.principal_components`.
    rotate: an isometry to so many dimensions, see `transforms.random_rotation`.
    dtype: "float16" (rounded) or "int8" (times `transforms.int8_scale`, and rounded).
    """

    items: int | None = None
    queries: int | None = None
    pca: int | None = None
    rotate: int | None = None
    dtype: str | None = None


def augment(
    source: Dataset,
    change: Change | None = None,
    *,
    keep: Sequence[str] | None = None,
    selectivities: Sequence[float] = (),
    kinds: Sequence[str] = KINDS,
    filters: Sequence[str] = (),
    depth: int = TRUTH_DEPTH,
    seed: int = 0,
    progress: Progress = silent,
) -> Draft:
    """A draft of `source`, which must stay open until it is written.

    All attributes stay, and all workloads, or those named by `keep`; their truth too, where the items are the
    same and it is `depth` deep. New are a workload of each of the `selectivities` and `kinds`, on attributes
    that have nothing to do with the vectors (see `controlled`), and one of each of the `filters`, named as in
    `naming`, with values drawn from the items as in `draw`.

    Raises DatasetError where nothing would be changed, or a change cannot be made; FilterError for a filter
    that cannot be read or does not fit the attributes; UnknownNameError for a workload that is not there.
    """
    change = change or Change()
    if change == Change() and keep is None and not selectivities and not filters:
        raise DatasetError("nothing to change: ask for new workloads, fewer items, or other vectors")
    variant = _changed(source, change, seed, progress)
    n, q = variant.items.shape[0], len(variant.queries)

    kept = {name: source.workload(name) for name in source.workload_names if name == UNFILTERED}
    kept |= {name: source.workload(name) for name in (source.workload_names if keep is None else keep)}
    truths = {
        name: workload.neighbors[variant.query_rows]
        for name, workload in kept.items()
        if variant.same_items and workload.depth >= min(depth, n)
    }
    workloads = {}
    for name, workload in kept.items():
        if workload.filter is not None:
            parameters = {key: values[variant.query_rows] for key, values in workload.parameters.items()}
            workloads[name] = DraftWorkload(workload.filter, parameters, truths.get(name))

    named = named_filters(filters, workloads)
    columns, fixed = controlled.make(
        [one for share in selectivities for one in controlled.of_selectivity(share, n, kinds)],
        Order.drawn(n, q, stream(seed, "places")),
        seed,
        variant.attributes,
        {*workloads, *named},
    )
    attributes = Attributes({**variant.attributes, **columns}, n)
    drawn = {
        name: DraftWorkload(filter_, draw(filter_, attributes, q, stream(seed, f"values of {name}")))
        for name, filter_ in named.items()
    }
    return Draft(
        source.metric,
        variant.items,
        variant.queries,
        attributes,
        {**workloads, **fixed, **drawn},
        neighbors=truths.get(UNFILTERED),
        truth_source=source.path,
        description="; ".join(filter(None, [source.about("description"), *variant.changes])),
        source=source.about("source"),
        license=source.about("license"),
        notes=[*variant.changes, _truth_note(kept, truths)],
    )


@dataclass(frozen=True, eq=False)
class _Variant:
    """The vectors and attributes, changed; what was done, in words."""

    items: Vectors
    queries: np.ndarray
    attributes: Attributes
    query_rows: np.ndarray
    same_items: bool
    changes: list[str]


def _changed(source: Dataset, change: Change, seed: int, progress: Progress) -> _Variant:
    items: Vectors = source.vectors
    item_rows = _drawn("items", change.items, source.n, source.name, seed)
    query_rows = _drawn("queries", change.queries, source.num_queries, source.name, seed)
    queries, attributes = source.stored_queries()[query_rows], source.attributes
    changes = []
    if len(item_rows) < source.n:
        items, attributes = Chosen(items, item_rows), attributes.take(item_rows)
        changes.append(f"{len(item_rows):,} of {source.n:,} items")
    if len(query_rows) < source.num_queries:
        changes.append(f"{len(query_rows):,} of {source.num_queries:,} queries")

    def apply(function: transforms.Transform, width: int, dtype: str, what: str) -> None:
        nonlocal items, queries
        items, queries = Mapped(items, function, width, np.dtype(dtype)), function(queries)
        changes.append(what)

    if change.pca is not None:
        rng = stream(seed, "principal components")
        linear = transforms.principal_components(items, change.pca, source.metric, rng, progress)
        apply(linear, linear.width, "float32", f"{linear.width:,} principal components")
    if change.rotate is not None:
        check_counts(len(item_rows), change.rotate, len(query_rows))
        linear = transforms.random_rotation(items.shape[1], change.rotate, stream(seed, "rotation"))
        apply(linear, linear.width, "float32", f"rotated to {linear.width:,} dimensions")
    if change.dtype is not None:
        if items.dtype == change.dtype:
            raise DatasetError(f"the vectors of {source.name} are {change.dtype} already")
        if change.dtype == "int8":
            scale = transforms.int8_scale(items, queries, progress)
            apply(transforms.int8(scale), items.shape[1], "int8", f"times {scale:g}, rounded to int8")
        else:
            apply(transforms.float16, items.shape[1], "float16", "rounded to float16")
    return _Variant(items, queries, attributes, query_rows, items is source.vectors, changes)


def _drawn(what: str, count: int | None, available: int, name: str, seed: int) -> np.ndarray:
    """Ascending row numbers; all of them for None."""
    if count is not None and count > available:
        raise DatasetError(f"{count:,} {what} asked for; {name} has {available:,}")
    return np.sort(stream(seed, what).permutation(available)[:count])


def _truth_note(kept: Collection[str], with_truth: Collection[str]) -> str:
    if not with_truth:
        return "the ground truth is computed anew"
    anew = [name for name in kept if name not in with_truth]
    return "the ground truth is taken over" + (f", but for that of {', '.join(anew)}" if anew else "")
