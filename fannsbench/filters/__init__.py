"""The filter language: templates, their kinds, binding to queries, and evaluation.

    lexname == $label                     EM     exact match
    $low <= offset <= $high               R      range
    $label in ancestors                   EMIS   exact match in set
    several of one kind joined by `and`   MEM, MR, MEMIS
    anything else of and, or, not, !=,
    `x in ['a', $b]`                      C      combined

`$x` takes its value per query. An item whose value is missing satisfies no comparison, so `a != 'x'`, which
is `not a == 'x'`, holds for it. A value that is not in a vocabulary matches no item.
"""

from fannsbench.filters.bind import BoundFilters
from fannsbench.filters.oracle import matches_item
from fannsbench.filters.parse import Filter
from fannsbench.filters.tree import And, Between, Contains, Equals, FilterKind, Node, Not, Or, Parameter

__all__ = [
    "And",
    "Between",
    "BoundFilters",
    "Contains",
    "Equals",
    "Filter",
    "FilterKind",
    "Node",
    "Not",
    "Or",
    "Parameter",
    "matches_item",
]
