"""Stored results: one file for each search setting, metrics computed when read, tables."""
