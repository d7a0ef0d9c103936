"""The pool, the frontier and the marks of a search, against lists, heapq and sets."""

from __future__ import annotations

import heapq

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.kernels.frontier import Frontier, pop, push
from fannsbench.kernels.pool import (
    Marks,
    Pool,
    clear,
    is_marked,
    item_at,
    mark,
    next_unexpanded,
    offer,
    size,
    unmark_all,
    write_ids,
)

distances = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, np.inf])


def content(pool: Pool) -> list[tuple[float, int]]:
    return [(float(pool.distances[place]), item_at(pool, place)) for place in range(size(pool))]


@given(st.integers(0, 6), st.lists(distances, max_size=20), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_pool_holds_the_nearest_in_order(capacity, offered, random):
    near = [(distance, item) for item, distance in enumerate(offered)]
    random.shuffle(near)
    pool = Pool.of(capacity)
    for done, (distance, item) in enumerate(near, 1):
        kept = sorted(near[:done])[:capacity]
        assert offer(pool, np.float32(distance), item) == ((distance, item) in kept)
        assert content(pool) == kept
    out = np.zeros(8, np.int32)
    write_ids(pool, out)
    ids = [item for _, item in sorted(near)[:capacity]]
    assert out.tolist() == (ids + [-1] * 8)[:8]
    clear(pool)
    assert content(pool) == []


@given(st.lists(st.tuples(st.booleans(), distances), max_size=40))
@settings(deadline=None)
def test_the_pool_expands_the_nearest_that_is_not_expanded(steps):
    pool, model, expanded = Pool.of(5), [], set()
    for item, (offers, distance) in enumerate(steps):
        if offers:
            offer(pool, np.float32(distance), item)
            model = sorted([*model, (distance, item)])[:5]
            continue
        waiting = [near for near in model if near[1] not in expanded]
        place = next_unexpanded(pool)
        assert (place < 0) == (not waiting)
        if waiting:
            assert model[place] == waiting[0]
            expanded.add(waiting[0][1])
        assert content(pool) == model


@given(st.lists(st.one_of(st.none(), distances), max_size=60))
@settings(deadline=None)
def test_the_frontier_gives_the_nearest_first(steps):
    frontier, model = Frontier.of(len(steps)), []
    for item, distance in enumerate(steps):
        if distance is not None:
            push(frontier, np.float32(distance), item)
            heapq.heappush(model, (distance, item))
        elif model:
            assert pop(frontier) == heapq.heappop(model)
    assert frontier.size[0] == len(model)
    assert [pop(frontier) for _ in range(len(model))] == sorted(model)


def test_marks_last_for_one_search_however_many_there_are():
    marks = Marks.of(4)
    for search in range(600):
        unmark_all(marks)
        item = search % 4
        assert not any(is_marked(marks, i) for i in range(4))
        assert mark(marks, item)
        assert not mark(marks, item)
        assert [is_marked(marks, i) for i in range(4)] == [i == item for i in range(4)]
