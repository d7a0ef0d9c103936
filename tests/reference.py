"""Naive oracles: slow, short, and sharing no code with what they judge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

INT64 = (-(2**63), 2**63 - 1)


class Missing:
    """A value that satisfies no comparison; `!=` is the negation of `==` and holds."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __lt__(self, other: object) -> bool:
        return False

    __le__ = __gt__ = __ge__ = __lt__


def evaluate(text: str, item: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """A filter's meaning: that of the Python expression, `$x` being a name too. No text in quotes may hold
    a parameter's name after a $."""
    for name in parameters:
        text = text.replace(f"${name}", f"dollar_{name}")
    names = {name: Missing() if value is None else value for name, value in item.items()}
    names |= {f"dollar_{name}": value for name, value in parameters.items()}
    return bool(eval(text, {"__builtins__": {}}, names))


def items_of(attributes: Mapping[str, Any], n: int) -> list[dict[str, Any]]:
    """Every item as a dict of plain Python values."""
    return [{name: column.value(i) for name, column in attributes.items()} for i in range(n)]


def masks(text: str, attributes: Any, parameters: Mapping[str, Any]) -> np.ndarray:
    """(q, n) bool: which items match which query."""
    items = items_of(attributes, attributes.n)
    rows = [{name: plain(values[j]) for name, values in parameters.items()} for j in range(num(parameters))]
    return np.array([[evaluate(text, item, row) for item in items] for row in rows])


def num(parameters: Mapping[str, Any]) -> int:
    """How many queries the values are for."""
    return len(next(iter(parameters.values())))


def plain(value: Any) -> Any:
    """A numpy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def brute_force(
    vectors: np.ndarray, queries: np.ndarray, k: int, metric: str, masks: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest by a sort of all distances, of equal ones the lower id first: ids and distances (q, k),
    padded with -1 and inf."""
    ids, nearest = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)
    for j, query in enumerate(np.asarray(queries, np.longdouble)):
        distances = [distance(query, x, metric) for x in np.asarray(vectors, np.longdouble)]
        allowed = range(len(vectors)) if masks is None else np.flatnonzero(masks[j])
        order = sorted(allowed, key=lambda i: (distances[i], i))[:k]
        ids[j, : len(order)] = order
        nearest[j, : len(order)] = [distances[i] for i in order]
    return ids, nearest


def distance(one: np.ndarray, other: np.ndarray, metric: str) -> float:
    """Euclidean, 1 - cosine (1 for a vector of length zero), or minus the inner product."""
    if metric == "euclidean":
        return np.sqrt(((one - other) ** 2).sum())
    if metric == "inner_product":
        return -(one * other).sum()
    lengths = np.sqrt((one**2).sum()) * np.sqrt((other**2).sum())
    return 1 - (one * other).sum() / lengths if lengths > 0 else 1.0


def read_file(path: Path) -> dict[str, Any]:
    """Everything in a data set file, by HDF5 path; attributes as path@name, texts as lists of str."""
    found: dict[str, Any] = {}

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        for key, value in node.attrs.items():
            found[f"{name}@{key}"] = value
        if isinstance(node, h5py.Dataset):
            is_text = h5py.check_string_dtype(node.dtype) is not None
            found[name] = [text.decode() for text in node[:]] if is_text else node[:]

    with h5py.File(path, "r") as file:
        visit("", file)
        file.visititems(visit)
    return found
