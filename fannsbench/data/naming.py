"""Names of new workloads."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import count

from fannsbench.dataset.write import check_workload_name
from fannsbench.errors import DatasetError
from fannsbench.filters import Filter


def named_filters(texts: Iterable[str], taken: Collection[str] = ()) -> dict[str, Filter]:
    """Filters by the name of the workload that each is to make, in the order given.

    The text `NAME: FILTER` gives a name; without one it is the filter's kind in lower case (em, r, ...), with
    -2, -3, ... where that is given or `taken`.

    Raises FilterError for a filter that cannot be read, DatasetError for a name that no workload can have, or
    that is there already.
    """
    parts = [_name_and_filter(text) for text in texts]
    given = {name for name, _ in parts if name}
    named: dict[str, Filter] = {}
    for name, filter_ in parts:
        if name and (name in named or name in taken):
            raise DatasetError(
                f"there is a workload {name!r} already; call that of {filter_.text!r} otherwise"
            )
        name = name or free_name(filter_.kind.lower(), {*given, *named, *taken})
        named[name] = filter_
    return named


def free_name(wanted: str, taken: Collection[str], mark: str = "-") -> str:
    """`wanted`, or the first of wanted-2, wanted-3, ... that is not taken."""
    if wanted not in taken:
        return wanted
    return next(name for number in count(2) if (name := f"{wanted}{mark}{number}") not in taken)


def _name_and_filter(text: str) -> tuple[str, Filter]:
    """The name, "" if none is given. In a filter, a colon can only be part of a quoted text."""
    name, colon, rest = text.partition(":")
    if not colon or "'" in name or '"' in name:
        return "", Filter.parse(text.strip())
    check_workload_name(name.strip())
    return name.strip(), Filter.parse(rest.strip())
