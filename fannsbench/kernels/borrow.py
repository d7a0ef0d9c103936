"""Arrays without reference counts, for inner loops.

Compiled code counts the references to an array whenever it is handed on to a function, unless that is so
simple that the counting can be left out. That takes an atomic instruction, which waits for all that is being
read from memory, and so undoes what prefetching is for.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic, overload


def borrowed(value: Any) -> Any:
    """The same array, or NamedTuple of arrays, without counts. Whoever calls keeps it alive."""
    return value


def _uncounted(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = array.meminfo.type(None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        kinds: list[Any] = list(kind)  # type: ignore[call-overload]
        parts = [
            _uncounted(context, builder, kinds[i], builder.extract_value(value, i)) for i in range(len(kinds))
        ]
        return context.make_tuple(builder, kind, parts)
    return value


@intrinsic
def _borrow(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _uncounted(context, builder, signature.args[0], arguments[0])

    return value(value), generate


@overload(borrowed, strict=False)
def _compiled_borrowed(value: Any) -> Any:
    return lambda value: _borrow(value)  # type: ignore[call-arg]
