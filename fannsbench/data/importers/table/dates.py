"""Dates as numbers: days or seconds since 1970-01-01, in UTC where no zone is given."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fannsbench.attributes import DATE_UNITS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TICKS_OF = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = rf"{_DAY}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]+)?)?(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?"


class Unit(IntEnum):
    """What dates are counted in, in seconds."""

    DAYS = DATE_UNITS["days"]
    SECONDS = DATE_UNITS["seconds"]


def unit_of(texts: pa.Array) -> Unit | None:
    """DAYS if all texts look like ISO dates, SECONDS if some have a time; None if they are something else."""
    for unit in Unit:
        if len(texts) and pc.all(look_like_dates(texts, unit)).as_py():
            return unit
    return None


def look_like_dates(texts: pa.Array, unit: Unit) -> pa.Array:
    """A bool for each text: an ISO date, in SECONDS also one with a time."""
    return pc.match_substring_regex(texts, f"^{_DAY if unit is Unit.DAYS else _TIME}$")


def converted(values: pa.Array, unit: Unit, refuse: Callable[[pa.Array], None]) -> pa.Array:
    """Texts, dates or times in the unit: int64 if all are whole, else float64. `refuse` is called with what
    is no date, a bool for each value."""
    ticks, per_unit = _ticks(values, unit, refuse)
    if not (np.asarray(ticks.drop_null()) % per_unit).any():
        return pc.divide(ticks, per_unit)
    return pc.divide(ticks.cast(pa.float64(), safe=False), float(per_unit))


def _ticks(values: pa.Array, unit: Unit, refuse: Callable[[pa.Array], None]) -> tuple[pa.Array, int]:
    """int64, and how many of them make a unit."""
    kind = values.type
    if pa.types.is_date(kind):
        seconds = pc.multiply(values.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), Unit.DAYS.value)
        return seconds, unit
    if pa.types.is_timestamp(kind):
        return values.cast(pa.int64()), unit * _TICKS_OF[kind.unit]
    if not pa.types.is_string(kind):
        refuse(pc.is_valid(values))
        return pa.nulls(len(values), pa.int64()), 1
    coded = values.dictionary_encode()
    known = pa.array([_microseconds(text) for text in coded.dictionary.to_pylist()], pa.int64())
    ticks = known.take(coded.indices)
    refuse(pc.and_(pc.is_null(ticks), pc.is_valid(values)))
    return ticks, unit * _TICKS_OF["us"]


def _microseconds(text: str) -> int | None:
    """Since 1970-01-01 UTC, of an ISO date or time; None if it is neither."""
    if not re.fullmatch(_TIME, text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def number_of(text: str, unit: Unit) -> int | float | None:
    """An ISO date or time in units; None if it is neither."""
    ticks = _microseconds(text)
    if ticks is None:
        return None
    per_unit = unit * _TICKS_OF["us"]
    return ticks / per_unit if ticks % per_unit else ticks // per_unit


def iso(number: float, unit: Unit) -> str:
    """A number of units as a date, or as a time to the second."""
    return str(np.datetime64(int(number), "D" if unit is Unit.DAYS else "s"))
