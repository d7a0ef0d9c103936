"""A user's own vectors and table of attributes as the draft of a data set."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from fannsbench.attributes import Attributes
from fannsbench.data.draft import Draft, DraftWorkload
from fannsbench.data.draw import draw
from fannsbench.data.importers.files import read_all
from fannsbench.data.importers.table import notes
from fannsbench.data.importers.table.attributes import Read, read_attributes
from fannsbench.data.importers.table.filters import fitted, read_values
from fannsbench.data.importers.table.vectors import Opened, Place, open_place
from fannsbench.data.naming import named_filters
from fannsbench.errors import DatasetError
from fannsbench.filters import Contains
from fannsbench.filters.tree import leaves_of
from fannsbench.metric import Metric
from fannsbench.vectors import Chosen

MOST_QUERIES = 1_000
"""That are held out unless another number is asked for; of few vectors, no more than a tenth."""


@contextmanager
def read(
    vectors: Path | str,
    attributes: Path | None = None,
    *,
    queries: Path | str | int | None = None,
    filters: Sequence[str] = (),
    values: Path | None = None,
    kinds: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    metric: Metric = Metric.EUCLIDEAN,
    seed: int = 0,
) -> Iterator[Draft]:
    """`vectors`: a file such as .npy, .npz, .parquet, .h5 or .fvecs; NAME of several matrices in it as
    FILE:NAME. `attributes`: .csv, .tsv, .parquet or .jsonl, a row for each vector. `queries`: likewise a file
    of vectors, or how many are drawn of `vectors` and held out of the items. `filters`: templates, or
    `NAME: TEMPLATE` to name the workload. `values`: a table with a column for each of their parameters and
    a row for each query; without it they are drawn from the items' own. `kinds`: category, number, set or
    date, by column, where it is not to be inferred. `without`: columns to leave out. An
    attribute whose members a filter asks for (`$tag in tags`) is a set unless `kinds` says otherwise.

    Raises DatasetError or FilterError for whatever in them is not sound."""
    if values is not None and not filters:
        raise DatasetError(f"{values}: values are of filters; give at least one")
    with ExitStack() as stack:
        place = Place.of(vectors)
        opened = open_place(place, stack)
        written = named_filters(filters)
        as_sets = {
            leaf.attribute
            for filter_ in written.values()
            for leaf in leaves_of(filter_.tree)
            if isinstance(leaf, Contains)
        }
        found = _attributes(attributes, kinds or {}, without, as_sets, place, opened)
        items, of_items = opened.vectors, found.attributes
        if isinstance(queries, Path | str):
            asked = read_all(open_place(Place.of(queries), stack).vectors)
        else:
            kept, held_out = _hold_out(place, items.shape[0], queries, seed)
            asked = read_all(Chosen(items, held_out))
            items, of_items = Chosen(items, kept), of_items.take(kept)
        templates = {name: fitted(filter_, found.kinds) for name, filter_ in written.items()}
        if values is None:
            # One generator each: another filter does not change the others' values.
            parameters = {
                name: draw(filter_, of_items, len(asked), np.random.default_rng([seed, number]))
                for number, (name, filter_) in enumerate(templates.items(), 1)
            }
        else:
            parameters = read_values(values, templates, found.kinds, len(asked))
        shown = [
            *notes.on_vectors(place, opened, attributes),
            *notes.on_queries(asked, opened, items, metric),
            *found.notes,
            *notes.on_workloads(of_items, templates, values),
        ]
        draft = Draft(
            metric,
            items,
            asked,
            of_items,
            {name: DraftWorkload(filter_, parameters[name]) for name, filter_ in templates.items()},
            description=notes.on_dates(found.kinds, written, templates),
            source=", ".join(str(file) for file in (vectors, attributes) if file is not None),
            notes=shown,
        )
        if values is not None:
            shown += notes.on_matches(values, draft.matches)
        yield draft


def _attributes(
    file: Path | None,
    kinds: Mapping[str, str],
    without: Collection[str],
    as_sets: Collection[str],
    place: Place,
    opened: Opened,
) -> Read:
    count = opened.vectors.shape[0]
    if file is None:
        if kinds or without:
            raise DatasetError("there are no columns: no file of attributes is given")
        return Read(Attributes({}, count), {}, [])
    in_both = file.exists() and file.samefile(place.file)
    found = read_attributes(file, kinds, without, opened.columns if in_both else (), as_sets)
    if found.attributes.n != count:
        raise DatasetError(
            f"{place} has {count:,} vectors, {file} {found.attributes.n:,} rows; there must be a row for each"
        )
    return found


def _hold_out(place: Place, count: int, wanted: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the rows that stay, and of those that are queries, ascending."""
    number = min(MOST_QUERIES, max(1, count // 10)) if wanted is None else wanted
    if not 0 < number < count:
        raise DatasetError(f"{number:,} of the {count:,} vectors in {place} cannot be held out as queries")
    is_query = np.zeros(count, bool)
    is_query[np.random.default_rng(seed).choice(count, number, replace=False)] = True
    return np.flatnonzero(~is_query), np.flatnonzero(is_query)
