"""Public data sets: the catalogue, fetching their files, and what is imported from them."""
