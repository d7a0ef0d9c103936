"""What is registered for a type is done for it; for others the default, if there is one, or none."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import pytest

from fannsbench.kernels.dispatch import by_type, by_type_or_default


class Apple(NamedTuple):
    weight: int


class Pear(NamedTuple):
    weight: int


@by_type
def peeled(fruit: Any) -> int:
    raise NotImplementedError(type(fruit))


@peeled.register(Apple)
def _peeled_apple(fruit: Apple) -> int:
    return fruit.weight - 1


@numba.njit
def compiled_peeled(fruit: Any) -> Any:
    return peeled(fruit)


@by_type_or_default
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


def test_types_that_are_not_registered_are_named() -> None:
    assert peeled(Apple(3)) == compiled_peeled(Apple(3)) == 2
    with pytest.raises(NotImplementedError, match="Pear"):
        peeled(Pear(3))
    compiled_error = NotImplementedError if numba.config.DISABLE_JIT else numba.TypingError
    with pytest.raises(compiled_error, match="Pear"):
        compiled_peeled(Pear(3))


def test_the_default_for_other_types() -> None:
    assert price(Pear(3), 5) == compiled_price(Pear(3), 5) == -5
