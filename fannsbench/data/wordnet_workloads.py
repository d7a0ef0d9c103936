"""The filtered workloads on WordNet: templates, and the values of each query, drawn from the items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fannsbench.attributes import Attributes, Category, LabelSet, Number


class Values:
    """Draws filter values for `count` queries from the items' attributes."""

    def __init__(self, attributes: Attributes, count: int, rng: np.random.Generator) -> None:
        self._attributes, self._count, self._rng = attributes, count, rng

    def items(self, having: str | None = None) -> np.ndarray:
        """Uniformly drawn items; only those whose set `having` is not empty, if given."""
        eligible = np.arange(self._attributes.n)
        if having is not None:
            eligible = np.flatnonzero(np.diff(self._set(having).indptr))
        return self._rng.choice(eligible, self._count)

    def of(self, name: str, items: np.ndarray) -> np.ndarray:
        """The items' own values of a category or number."""
        column = self._attributes[name]
        if isinstance(column, Number):
            values: np.ndarray = column.values[items]
            return values
        assert isinstance(column, Category)
        return np.array([column.vocabulary[code] for code in column.codes[items]], object)

    def label(self, name: str, items: np.ndarray) -> np.ndarray:
        """A uniformly drawn label of each item's set."""
        column = self._set(name)
        starts, ends = column.indptr[items], column.indptr[items + 1]
        return np.array(
            [column.vocabulary[code] for code in column.indices[self._rng.integers(starts, ends)]], object
        )

    def range(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the higher value of two uniformly drawn items."""
        one, other = self.of(name, self.items()), self.of(name, self.items())
        return np.minimum(one, other), np.maximum(one, other)

    def _set(self, name: str) -> LabelSet:
        column = self._attributes[name]
        assert isinstance(column, LabelSet)
        return column


@dataclass(frozen=True)
class WorkloadTemplate:
    filter: str
    draw: Callable[[Values], dict[str, np.ndarray]]


def _equal(*names: str) -> WorkloadTemplate:
    """Every attribute equal to that of one item."""

    def draw(values: Values) -> dict[str, np.ndarray]:
        items = values.items()
        return {name: values.of(name, items) for name in names}

    return WorkloadTemplate(" and ".join(f"{name} == ${name}" for name in names), draw)


def _draw_r(values: Values) -> dict[str, np.ndarray]:
    low, high = values.range("gloss_length")
    return {"low": low, "high": high}


def _draw_r_correlated(values: Values) -> dict[str, np.ndarray]:
    low, high = values.range("offset")
    return {"low": low, "high": high}


def _draw_mr(values: Values) -> dict[str, np.ndarray]:
    first, last = values.range("offset")
    return {**_draw_r(values), "first": first, "last": last}


def _draw_emis(values: Values) -> dict[str, np.ndarray]:
    return {"ancestor": values.label("hypernyms", values.items(having="hypernyms"))}


def _draw_memis(values: Values) -> dict[str, np.ndarray]:
    items = values.items(having="hypernyms")
    return {"ancestor": values.label("hypernyms", items), "relation": values.label("relations", items)}


def _draw_c(values: Values) -> dict[str, np.ndarray]:
    items = values.items()
    return {
        "lexname": values.of("lexname", items),
        **_draw_emis(values),
        "longest": values.of("gloss_length", values.items()),
    }


WORKLOADS = {
    "em": _equal("lexname"),
    "em-0.01": _equal("percentile"),
    "em-0.1": _equal("decile"),
    "em-0.5": _equal("half"),
    "r": WorkloadTemplate("$low <= gloss_length <= $high", _draw_r),
    "r-correlated": WorkloadTemplate("$low <= offset <= $high", _draw_r_correlated),
    "emis": WorkloadTemplate("$ancestor in hypernyms", _draw_emis),
    "mem": _equal("lexname", "number_of_lemmas"),
    "mr": WorkloadTemplate("$low <= gloss_length <= $high and $first <= offset <= $last", _draw_mr),
    "memis": WorkloadTemplate("$ancestor in hypernyms and $relation in relations", _draw_memis),
    "c": WorkloadTemplate(
        "(lexname == $lexname or $ancestor in hypernyms) and gloss_length <= $longest "
        "and not 'hyponym' in relations",
        _draw_c,
    ),
}
"""By name. The length of a gloss has little to do with its meaning; the offset does: WordNet's files are
sorted by lexicographer file."""
