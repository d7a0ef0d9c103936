"""The kinds of filters that are made to keep a given number of items, see `controlled`; for what must not
import more to name them."""

KINDS = ("em", "r", "emis")
