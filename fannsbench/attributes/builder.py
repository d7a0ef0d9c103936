"""What makes columns from values that come one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self


class Builder:
    """Makes a column from values that come one at a time; keeps no more than codes and distinct values."""

    def append(self, value: Any) -> None:
        raise NotImplementedError

    def extend(self, values: Iterable[Any]) -> Self:
        for value in values:
            self.append(value)
        return self
