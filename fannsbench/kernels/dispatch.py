"""Kernels that methods extend: a search loop is written once, and what is particular to a method is a
function chosen by the type of its graph, rule or filter when the loop is compiled.

    @by_type
    def neighbours(graph, node, marks, fresh): ...      # says what it is to do

    @neighbours.register(Table)
    def _(graph, node, marks, fresh): ...               # does it for a `Table`, a NamedTuple

Numba could also be handed functions as arguments, but then compiled code is not cached.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any, Protocol, TypeVar, cast

from numba.core.errors import TypingError
from numba.extending import overload

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Dispatched(Protocol):
    """A function of its first argument's type."""

    def __call__(self, *arguments: Any) -> Any: ...

    def register(self, kind: type) -> Callable[[_Function], _Function]:
        """What to do for that type."""


def by_type(function: Callable[..., Any]) -> Dispatched:
    """Dispatch on the class of the first argument, a NamedTuple, in Python and in compiled code alike. What
    is registered is compiled with the kernel that calls it; a type that is not registered, an error."""
    return _dispatched(function, has_default=False)


def by_type_or_default(function: Callable[..., Any]) -> Dispatched:
    """As `by_type`; for types that are not registered, what the function itself does."""
    return _dispatched(function, has_default=True)


def _dispatched(function: Callable[..., Any], has_default: bool) -> Dispatched:
    dispatcher = singledispatch(function)

    def implementation(*arguments: Any) -> Callable[..., Any] | None:
        chosen = getattr(arguments[0], "instance_class", None)
        if chosen is None:
            return None
        if not has_default and dispatcher.dispatch(chosen) is function:
            raise TypingError(f"{function.__name__} is not registered for {chosen.__name__}")
        return dispatcher.dispatch(chosen)

    overload(
        dispatcher, strict=False, jit_options={"nogil": True, "error_model": "numpy", "forceinline": True}
    )(implementation)
    return cast(Dispatched, dispatcher)
