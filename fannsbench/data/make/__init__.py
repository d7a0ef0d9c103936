"""Data sets with chosen properties: random ones, and changed copies of others."""
