"""Attributes made so that filters on them keep a given number of items, near the query or away from it.

All follows from one order of the items, in which every query has a place: a filter's matches are a window of
consecutive items of it. A selectivity s of n items is a window of exactly round(s * n).

The correlation c between filter and vector, from -1 to 1: the share |c| of the items is ordered by where they
lie among the vectors, so that neighbours in the order are neighbours in space; the others, drawn at random,
are spread over it at random. For c > 0 a query asks for the window around its own place, for c < 0 for the
one half the order away. So a query's matches are the share |c| of the items near to it, or of those far from
it, and for the rest random; for c = 0 they are a random subset. What that means in distances depends on the
vectors; it has the sign of the query correlation of ACORN (arXiv 2403.04871, section 3): positive where a
query's matches are nearer to it than as many random items.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fannsbench.attributes import Column
from fannsbench.data.draft import DraftWorkload
from fannsbench.data.make.kinds import KINDS
from fannsbench.data.make.windows import Groups, Order, Parts, Ranges, Windows, uniform_sizes, zipf_sizes
from fannsbench.data.naming import free_name
from fannsbench.data.seeds import stream
from fannsbench.errors import DatasetError
from fannsbench.filters import Filter


@dataclass(frozen=True)
class Wanted:
    """A workload on an attribute; the names are the wanted ones, before others are taken into account."""

    workload: str
    attribute: str
    windows: Windows
    correlation: float


def of_selectivity(
    share: float, n: int, kinds: Sequence[str] = KINDS, correlation: float = 0.0
) -> list[Wanted]:
    """A workload of each kind whose filters keep exactly round(share * n) of n items.

    Raises DatasetError where that is no item, or where exact matches cannot be correlated: more than half of
    the items have one value, for which all queries ask."""
    size, text = round(share * n), _text(share)
    if not 0 < size <= n:
        raise DatasetError(
            f"selectivity {text} of {n:,} items is {size:,} items; it must be one at least, and all at most"
        )
    part, groups = f"part_{_identifier(share)}", f"groups_{_identifier(share)}"
    wanted = {
        "em": Wanted(f"em-{text}", part, Parts(np.full(n // size, size), n), correlation),
        "r": Wanted(f"r-{text}", "rank", Ranges(size), correlation),
        "emis": Wanted(f"emis-{text}", groups, Groups(size, n), correlation),
    }
    if "em" in kinds and correlation and 2 * size > n:
        raise DatasetError(
            f"em of selectivity {text} has no correlation {_text(correlation)}: more than half of the items "
            "have the one value that all queries ask for, near or far; take r or emis"
        )
    return [wanted[kind] for kind in kinds]


def of_distribution(name: str, count: int, n: int, correlation: float = 0.0) -> Wanted:
    """An exact-match workload on a category of `count` values that n items have evenly ("uniform") or with
    Zipf's frequencies ("zipf"); a value is asked for as often as items have it.

    Raises DatasetError for more values than items."""
    if count > n:
        raise DatasetError(f"{count:,} values of {n:,} items; there must be no more values than items")
    sizes = {"uniform": uniform_sizes, "zipf": zipf_sizes}[name](n, count)
    return Wanted(f"em-{name}", name, Parts(sizes[sizes > 0], n), correlation)


def make(
    wanted: Iterable[Wanted],
    order: Order,
    seed: int,
    taken_attributes: Collection[str] = (),
    taken_workloads: Collection[str] = (),
) -> tuple[dict[str, Column], dict[str, DraftWorkload]]:
    """The attributes and the workloads. Correlated ones have it in their names, as in em-0.1-c-0.5 on
    part_0_1_c0_5, which serves both signs; names that are taken get a number."""
    made: dict[str, tuple[str, Order]] = {}
    columns: dict[str, Column] = {}
    workloads: dict[str, DraftWorkload] = {}
    for one in wanted:
        workload, attribute, closeness = one.workload, one.attribute, abs(one.correlation)
        if closeness:
            workload += f"-c{_text(one.correlation)}"
            attribute += f"_c{_identifier(closeness)}"
        if attribute not in made:
            name = free_name(attribute, {*taken_attributes, *columns}, "_")
            loosened = order.loosened(1 - closeness, stream(seed, attribute))
            columns[name] = one.windows.column(loosened.ranks)
            made[attribute] = name, loosened
        name, loosened = made[attribute]
        workloads[free_name(workload, {*taken_workloads, *workloads})] = DraftWorkload(
            Filter.parse(one.windows.template.format(name)),
            one.windows.values(loosened, away=one.correlation < 0),
        )
    return columns, workloads


def _text(number: float) -> str:
    return str(np.format_float_positional(number, trim="-"))


def _identifier(number: float) -> str:
    """Of a number from 0 to 1, as part of a name."""
    return _text(number).replace(".", "_")
