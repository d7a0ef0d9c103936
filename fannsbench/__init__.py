"""Benchmarks of filtered and unfiltered approximate nearest neighbour search."""

__version__ = "0.1.0"
