"""The matching kernels on hand-made predicates, against sets and loops. Runs with and without compilation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.kernels import match
from fannsbench.kernels.match import AND, NOT, OR, Predicate

LONGEST_STACK = 64


class Case(NamedTuple):
    predicate: Predicate
    expected: np.ndarray  # (q, n) bool
    leaves: np.ndarray  # (q, L, n) bool: which items satisfy each leaf

    @property
    def scratch(self):
        return np.full((LONGEST_STACK, (self.expected.shape[1] + 7) // 8 * 8), 7, np.uint8)


def program_of(tree):
    """Postfix form of nested tuples such as (AND, 0, (NOT, 1))."""
    if isinstance(tree, int):
        return [tree]
    op, *children = tree
    return [step for child in children for step in program_of(child)] + [op]


def meaning(tree, leaves):
    if isinstance(tree, int):
        return leaves[tree]
    op, *children = tree
    values = [meaning(child, leaves) for child in children]
    return ~values[0] if op == NOT else values[0] & values[1] if op == AND else values[0] | values[1]


def drivers_of(tree):
    """Leaves without which nothing matches."""
    if isinstance(tree, int):
        return [tree]
    return [leaf for child in tree[1:] for leaf in drivers_of(child)] if tree[0] == AND else []


def case_of(rng, n, q, tree, num_leaves, num_codes=5):
    """Two scalar columns, two set columns and leaves on any of them, some with intervals that are empty."""
    shares = rng.dirichlet(np.full(num_codes + 1, 0.4), 2)
    codes = np.stack([rng.choice(num_codes + 1, n, p=share) - 1 for share in shares]).astype(np.int32)
    sets = [[sorted(np.flatnonzero(rng.random(num_codes) < rate)) for _ in range(n)] for rate in (0.05, 0.5)]
    members = [[{code} - {-1} for code in column] for column in codes.tolist()] + [
        [set(row) for row in rows] for rows in sets
    ]
    postings = [[[i for i in range(n) if c in rows[i]] for c in range(num_codes)] for rows in members]
    lengths = [[len(ids) for ids in lists] for lists in postings]
    row_starts, row_codes, before = [], [], 0
    for rows in sets:
        row_starts.append(before + np.cumsum([0] + [len(row) for row in rows]))
        row_codes += [code for row in rows for code in row]
        before = len(row_codes)
    all_starts = np.cumsum([0] + [length for column in lengths for length in column])
    starts = [all_starts[c * num_codes : (c + 1) * num_codes + 1] for c in range(4)]
    columns = rng.integers(0, 4, num_leaves)
    bounds = np.sort(rng.integers(0, num_codes, (q, num_leaves, 2)), axis=2)
    bounds[:, columns >= 2, 1] = bounds[:, columns >= 2, 0]
    bounds[rng.random((q, num_leaves)) < 0.15] = (1, 0)
    leaves = np.zeros((q, num_leaves, n), bool)
    for j in range(q):
        for leaf, column in enumerate(columns):
            wanted = set(range(bounds[j, leaf, 0], bounds[j, leaf, 1] + 1))
            leaves[j, leaf] = [bool(has & wanted) for has in members[column]]
    predicate = Predicate(
        program=np.array(program_of(tree), np.int32),
        column=(columns % 2).astype(np.int32),
        is_set=columns >= 2,
        bounds=bounds.astype(np.int32),
        codes=codes,
        row_starts=np.array(row_starts, np.int64).reshape(2, n + 1),
        row_codes=np.array(row_codes, np.int32),
        posting_column=(columns * (num_codes + 1)).astype(np.int64),
        posting_starts=np.concatenate(starts).astype(np.int64),
        posting_ids=np.array([i for lists in postings for ids in lists for i in ids], np.int32),
        driver=np.array(drivers_of(tree), np.int32),
    )
    return Case(predicate, np.array([meaning(tree, rows) for rows in leaves]).reshape(q, n), leaves)


@st.composite
def cases(draw):
    num_leaves = 0

    def tree(depth):
        nonlocal num_leaves
        op = draw(st.sampled_from([AND, AND, OR, NOT, None] if depth else [None]))
        if op is None:
            num_leaves += 1
            return num_leaves - 1
        return (op, *(tree(depth - 1) for _ in range(1 if op == NOT else 2)))

    whole = tree(draw(st.integers(0, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, q = draw(st.sampled_from([1, 7, 8, 9, 63, 64, 65, 300])), draw(st.integers(1, 4))
    return case_of(rng, n, q, whole, num_leaves)


@settings(max_examples=150)
@given(cases())
def test_matches(case):
    q, n = case.expected.shape
    found = [[match.matches(case.predicate, j, i) for i in range(n)] for j in range(q)]
    np.testing.assert_array_equal(found, case.expected)


@settings(max_examples=150)
@given(cases(), st.data())
def test_masks_bitmaps_counts_and_lists(case, data):
    q, n = case.expected.shape
    p = case.predicate
    for j in range(q):
        scratch = case.scratch
        match.fill_mask(p, j, 0, n, scratch)
        np.testing.assert_array_equal(scratch[0, :n], case.expected[j])
        out = np.full(n, -5, np.int32)
        count = match.list_matches(p, j, 0, n, case.scratch, out)
        np.testing.assert_array_equal(out[:count], np.flatnonzero(case.expected[j]))
    first = data.draw(st.integers(0, q - 1))
    some = case.expected[first:]
    bitmaps = np.full((len(some), (n + 7) // 8), 0xAA, np.uint8)
    match.fill_bitmaps(p, first, 0, n, case.scratch, bitmaps)
    np.testing.assert_array_equal(bitmaps, np.packbits(some, axis=1, bitorder="little"))
    counts = np.full(len(some), -5)
    match.count_matches(p, first, n, case.scratch, counts)
    np.testing.assert_array_equal(counts, some.sum(axis=1))
    indptr = 3 + np.concatenate([[0], np.cumsum(counts)])
    ids = np.full(indptr[-1] + 2, -5, np.int32)
    match.fill_postings(p, first, 0, n, case.scratch, indptr, ids)
    np.testing.assert_array_equal(ids[3:-2], np.nonzero(some)[1])
    assert ids[:3].tolist() + ids[-2:].tolist() == [-5] * 5, "nothing outside its part is written"


@settings(max_examples=150)
@given(cases(), st.data())
def test_masks_bitmaps_and_lists_of_some_of_the_items(case, data):
    q, n = case.expected.shape
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start + 1, n))
    some = case.expected[:, start:stop]
    bitmaps = np.full((q, (stop - start + 7) // 8), 0xAA, np.uint8)
    match.fill_bitmaps(case.predicate, 0, start, stop, case.scratch, bitmaps)
    np.testing.assert_array_equal(bitmaps, np.packbits(some, axis=1, bitorder="little"))
    for j in range(q):
        scratch, out = case.scratch, np.full(stop - start, -5, np.int32)
        match.fill_mask(case.predicate, j, start, stop, scratch)
        np.testing.assert_array_equal(scratch[0, : stop - start], some[j])
        count = match.list_matches(case.predicate, j, start, stop, case.scratch, out)
        np.testing.assert_array_equal(out[:count], np.flatnonzero(some[j]))


@given(cases())
def test_the_driver_is_the_rarest_leaf_that_every_match_satisfies(case):
    for j, leaves in enumerate(case.leaves):
        leaf, size = match.best_driver(case.predicate, j, 0, case.expected.shape[1])
        drivers = case.predicate.driver
        if len(drivers) == 0:
            assert (leaf, size) == (-1, 0)
        else:
            assert leaf in drivers
            assert size == leaves[leaf].sum() == leaves[drivers].sum(axis=1).min()
            assert not (case.expected[j] & ~leaves[leaf]).any()


@given(cases(), st.integers(0, 2**32))
def test_violations(case, seed):
    q, n = case.expected.shape
    neighbors = np.random.default_rng(seed).integers(-1, n, (q, 6)).astype(np.int32)
    violations = np.full(neighbors.shape, True)
    match.count_violations(case.predicate, neighbors, violations)
    expected = [[i >= 0 and not case.expected[j, i] for i in row] for j, row in enumerate(neighbors)]
    np.testing.assert_array_equal(violations, expected)


def test_a_program_may_use_the_whole_stack():
    rng = np.random.default_rng(0)
    tree = 0
    for leaf in range(1, LONGEST_STACK):
        tree = (OR if leaf % 2 else AND, leaf, tree)  # the deepest leaf is pushed last
    case = case_of(rng, 100, 3, tree, LONGEST_STACK)
    assert 0 < case.expected.sum() < case.expected.size
    for j, i in np.ndindex(3, 100):
        assert match.matches(case.predicate, j, i) == case.expected[j, i]


def test_posting_lists_of_a_range_come_out_in_order():
    """A range's posting lists follow each other by code, not by item."""
    n = 400
    codes = np.zeros((1, n), np.int32)
    codes[0, [9, 5, 300]] = [1, 2, 1]
    order = np.argsort(codes[0], kind="stable").astype(np.int32)
    predicate = Predicate(
        program=np.array([0], np.int32),
        column=np.array([0], np.int32),
        is_set=np.array([False]),
        bounds=np.array([[[1, 2]]], np.int32),
        codes=codes,
        row_starts=np.zeros((0, n + 1), np.int64),
        row_codes=np.zeros(0, np.int32),
        posting_column=np.array([0]),
        posting_starts=np.array([0, n - 3, n - 1, n]),
        posting_ids=order,
        driver=np.array([0], np.int32),
    )
    assert order[-3:].tolist() == [9, 300, 5]
    out = np.zeros(n, np.int32)
    count = match.list_matches(predicate, 0, 0, n, np.zeros((1, n), np.uint8), out)
    assert out[:count].tolist() == [5, 9, 300]
