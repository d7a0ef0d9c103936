"""The filtered workloads on WordNet: templates, and the values of each query, drawn from the items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fannsbench.data.draw import Values


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
