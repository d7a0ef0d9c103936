"""An order of the items, the place of every query in it, and attributes whose values are windows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fannsbench.attributes import Category, Column, LabelSet, Number

_FEWEST_LABELS, _MOST_LABELS = 10, 10_000


@dataclass(frozen=True, eq=False)
class Order:
    """ranks (n,) int64: the place of every item, a permutation; places (q,) int64: that of every query, as
    the rank of an item there."""

    ranks: np.ndarray
    places: np.ndarray

    @classmethod
    def by_keys(cls, items: np.ndarray, queries: np.ndarray) -> Order:
        """By ascending keys (n,) of the items, of equal ones the lower id first, and (q,) of the queries."""
        by_key = np.argsort(items, kind="stable")
        ranks = np.empty(len(items), np.int64)
        ranks[by_key] = np.arange(len(items))
        return cls(ranks, np.minimum(np.searchsorted(items[by_key], queries), len(items) - 1))

    @classmethod
    def drawn(cls, n: int, q: int, rng: np.random.Generator) -> Order:
        return cls(rng.permutation(n), rng.integers(n, size=q))

    def loosened(self, share: float, rng: np.random.Generator) -> Order:
        """With this share of the items, drawn at random, spread at random over the places that they had."""
        n = len(self.ranks)
        moved = rng.permutation(n)[: round(share * n)]
        ranks = self.ranks.copy()
        ranks[moved] = rng.permutation(ranks[moved])
        return Order(ranks, self.places)


class Windows(Protocol):
    """A column in which every value, or range of values, stands for one window, and the filter on it."""

    template: str

    def column(self, ranks: np.ndarray) -> Column: ...

    def values(self, order: Order, away: bool) -> dict[str, np.ndarray]:
        """For each query, of the window around its place or, if `away`, of the opposite one."""
        ...


class Parts:
    """A category: windows side by side, of these sizes. What items they leave have the value `other`, and lie
    evenly spread among the rest, so that every place has a window of its own."""

    template = "{} == $value"

    def __init__(self, sizes: np.ndarray, n: int) -> None:
        rest = n - int(sizes.sum())
        inside = np.ones(n, bool)
        inside[(2 * np.arange(rest) + 1) * n // (2 * max(rest, 1))] = False
        self._part_of_rank = np.full(n, len(sizes), np.int32)
        self._part_of_rank[inside] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        self._inside = inside
        self._names = _numbered("v", len(sizes))
        self._vocabulary = [*self._names, "other"] if rest else self._names

    def column(self, ranks: np.ndarray) -> Category:
        return Category(self._part_of_rank[ranks], self._vocabulary)

    def values(self, order: Order, away: bool) -> dict[str, np.ndarray]:
        parts = self._part_of_rank[self._inside]
        places = np.maximum(np.cumsum(self._inside)[order.places] - 1, 0)
        return {"value": np.array(self._names, object)[parts[_centres(places, len(parts), away)]]}


@dataclass(frozen=True)
class Ranges:
    """A number, the rank itself: any window of this size is a range of it."""

    size: int
    template = "$low <= {} <= $high"

    def column(self, ranks: np.ndarray) -> Number:
        return Number(ranks)

    def values(self, order: Order, away: bool) -> dict[str, np.ndarray]:
        n = len(order.ranks)
        low = np.clip(_centres(order.places, n, away) - self.size // 2, 0, n - self.size)
        return {"low": low, "high": low + self.size - 1}


class Groups:
    """A set: evenly spread windows of one size, that overlap each other and go on from the end of the order
    at its start. Their number is such that every place is near the middle of one."""

    template = "$label in {}"

    def __init__(self, size: int, n: int) -> None:
        self.size = size
        count = min(n, _MOST_LABELS, max(_FEWEST_LABELS, -(-2 * n // size)))
        self._starts = np.arange(count) * n // count
        self._names = _numbered("g", count)

    def column(self, ranks: np.ndarray) -> LabelSet:
        n = len(ranks)
        by_rank = np.empty(n, np.int64)
        by_rank[ranks] = np.arange(n)
        members = [slice(start, start + self.size) for start in self._starts]
        around = np.concatenate([by_rank, by_rank])
        indptr = np.zeros(n + 1, np.int64)
        for window in members:
            indptr[1:][around[window]] += 1
        np.cumsum(indptr, out=indptr)
        free = indptr[:-1].copy()
        indices = np.empty(indptr[-1], np.int32)
        for label, window in enumerate(members):  # in this order each item's labels ascend
            items = around[window]
            indices[free[items]] = label
            free[items] += 1
        return LabelSet(indptr, indices, self._names)

    def values(self, order: Order, away: bool) -> dict[str, np.ndarray]:
        n, count = len(order.ranks), len(self._names)
        starts = (_centres(order.places, n, away) - self.size // 2) % n
        nearest = np.round(starts * count / n).astype(np.int64) % count
        return {"label": np.array(self._names, object)[nearest]}


def zipf_sizes(n: int, count: int) -> np.ndarray:
    """(count,) int64: n items shared out in proportion to 1, 1/2, 1/3, ..., by largest remainders."""
    weights = 1 / np.arange(1, count + 1)
    exact = n * weights / weights.sum()
    sizes: np.ndarray = np.floor(exact).astype(np.int64)
    sizes[np.argsort(sizes - exact, kind="stable")[: n - sizes.sum()]] += 1
    return sizes


def uniform_sizes(n: int, count: int) -> np.ndarray:
    """(count,) int64: n items shared out as evenly as can be."""
    sizes: np.ndarray = np.diff(np.arange(count + 1) * n // count)
    return sizes


def _centres(places: np.ndarray, extent: int, away: bool) -> np.ndarray:
    """What windows are to be around: the places themselves or, if `away`, half the extent further."""
    centres: np.ndarray = (places + extent // 2) % extent if away else places
    return centres


def _numbered(letter: str, count: int) -> list[str]:
    width = len(str(count - 1))
    return [f"{letter}{number:0{width}d}" for number in range(count)]
