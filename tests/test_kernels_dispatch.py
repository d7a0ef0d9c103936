"""`by_type`: what is registered for a type is done for it, and the function's own body for all others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba

from fannsbench.kernels.dispatch import by_type


class Apple(NamedTuple):
    weight: int


class Pear(NamedTuple):
    weight: int


@by_type
def price(fruit: Any, rate: int) -> int:
    return -rate


@price.register(Apple)
def _of_apple(fruit: Apple, rate: int) -> int:
    return fruit.weight * rate


@numba.njit
def compiled_price(fruit: Any, rate: int) -> Any:
    return price(fruit, rate)


def test_chosen_by_the_type_of_the_first_argument() -> None:
    assert price(Apple(3), 5) == compiled_price(Apple(3), 5) == 15


def test_the_functions_own_body_for_other_types() -> None:
    assert price(Pear(3), 5) == compiled_price(Pear(3), 5) == -5
