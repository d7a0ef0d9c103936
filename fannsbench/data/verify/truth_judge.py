"""What a sample of the truth, computed once more, says of the file's.

Three degrees: within what storing as float32 takes; off within what an engine that computes in float32 may
be off (`distances.single_error`), a note; and wrong. Any order of items whose distances are equal is right,
but a note says where the lower id is not first, as it is in truth of ours.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fannsbench.data.verify.distances import DOUBLE_ERROR, in_file, single_error, sizes, storing_error
from fannsbench.data.verify.findings import NOTE, OK, WRONG, Finding, of_queries
from fannsbench.data.verify.truth_sample import TruthSample


def judge(
    sample: TruthSample, subject: str, query_lengths: np.ndarray, item_lengths: np.ndarray
) -> Iterator[Finding]:
    """Findings on a sample that has seen all items. Lengths of its queries (s,) and of all items (n,)."""
    judged = _Judged(sample, query_lengths, item_lengths)
    for check in (judged.matches, judged.filter, judged.distances, judged.nearest, judged.ties):
        outcome, bad, detail = check()
        said = f"{len(sample.numbers):,} queries" if bad is None else of_queries(bad, sample.numbers)
        yield Finding(f"sample: {check.__name__}", subject, outcome, f"{said}: {detail}" if detail else said)


_Said = tuple[str, np.ndarray | None, str]
_FINE: _Said = (OK, None, "")


class _Judged:
    def __init__(self, sample: TruthSample, query_lengths: np.ndarray, item_lengths: np.ndarray) -> None:
        listed, lengths = sample.listed, query_lengths[:, None]
        self.sample = sample
        self.single = single_error(sample.queries.shape[1])
        self.given = listed >= 0
        self.pairs = self.given[:, 1:] & self.given[:, :-1]
        # Where there is padding, the sizes are of some item and not used.
        self.size = sizes(sample.metric, lengths, item_lengths[listed])
        self.nearest_size = sizes(sample.metric, lengths, item_lengths[sample.nearest_ids])

        is_listed = [np.isin(ids, row) for ids, row in zip(sample.nearest_ids, listed, strict=True)]
        self.unlisted = (sample.nearest_ids >= 0) & ~np.array(is_listed)
        sound = self.given & sample.fits
        last = np.where(sound, sample.true, -np.inf)
        self.last_size = np.take_along_axis(self.size, last.argmax(axis=1)[:, None], axis=1)[:, 0]
        distinct = np.array([len(np.unique(row[those])) for row, those in zip(listed, sound, strict=True)])
        full = distinct >= np.minimum(listed.shape[1], sample.counted)
        self.last = np.where(full, last.max(axis=1), np.inf)
        """(s,): the distance of the last listed item; inf where there is room for more."""

    def matches(self) -> _Said:
        counted, stored = self.sample.counted, self.sample.matches
        if not (bad := counted != stored).any():
            return _FINE
        j = np.argmax(bad)
        return WRONG, bad, f"{stored[j]:,} in the file, {counted[j]:,} counted"

    def filter(self) -> _Said:
        wrong = self.given & ~self.sample.fits
        if not (bad := wrong.any(axis=1)).any():
            return _FINE
        j = np.argmax(bad)
        return WRONG, bad, f"item {self.sample.listed[j, np.argmax(wrong[j])]:,} does not match"

    def distances(self) -> _Said:
        stored, true = self.sample.stored, self.sample.true
        judged = self.given & np.isfinite(stored)
        off = np.abs(np.where(judged, stored, 0) - np.where(judged, true, 0))
        storing = storing_error(self.sample.metric, true) + DOUBLE_ERROR * self.size
        wrong = judged & (off > storing + self.single * self.size)
        if (bad := wrong.any(axis=1)).any():
            j = np.argmax(bad)
            place = np.argmax(wrong[j])
            detail = f"at {self.show(true[j, place])}, in the file at {self.show(stored[j, place])}"
            return WRONG, bad, f"item {self.sample.listed[j, place]:,} is {detail}"
        if (near := (judged & (off > storing)).any(axis=1)).any():
            return NOTE, near, "off within float32 rounding"
        return _FINE

    def nearest(self) -> _Said:
        """Is any matching item that is not listed nearer than the last one that is?"""
        sample = self.sample
        size = self.nearest_size + self.last_size[:, None]
        gap = np.full(size.shape, -np.inf)
        np.subtract(self.last[:, None], sample.nearest, out=gap, where=self.unlisted)
        missing = gap > self.single * size
        if (bad := missing.any(axis=1)).any():
            j = np.argmax(bad)
            place = np.argmax(missing[j])
            detail = (
                f"item {sample.nearest_ids[j, place]:,} is missing, at {self.show(sample.nearest[j, place])}"
            )
            last = f"; the last listed is at {self.show(self.last[j])}" if np.isfinite(self.last[j]) else ""
            return WRONG, bad, detail + last
        drop = np.where(self.pairs, sample.true[:, :-1] - sample.true[:, 1:], 0)
        pair_size = self.size[:, :-1] + self.size[:, 1:]
        # Beyond float32 rounding it is distances or order in the file that are wrong.
        swapped = ((drop > DOUBLE_ERROR * pair_size) & (drop <= self.single * pair_size)).any(axis=1)
        if (near := swapped | (gap > DOUBLE_ERROR * size).any(axis=1)).any():
            return NOTE, near, "another choice or order, within float32 rounding"
        return _FINE

    def ties(self) -> _Said:
        """Of items at the same distance, are those with the lowest ids listed, and in order?"""
        sample = self.sample
        equal = self.pairs & (sample.true[:, :-1] == sample.true[:, 1:])
        higher_first = (equal & (sample.listed[:, :-1] > sample.listed[:, 1:])).any(axis=1)
        at_last = np.where(self.given & (sample.true == self.last[:, None]), sample.listed, -1)
        lower = sample.nearest_ids < at_last.max(axis=1, keepdims=True)
        left_out = (self.unlisted & (sample.nearest == self.last[:, None]) & lower).any(axis=1)
        if (bad := higher_first | left_out).any():
            return NOTE, bad, "of items at the same distance a higher id comes first"
        return _FINE

    def show(self, distance: float) -> str:
        return f"{in_file(self.sample.metric, distance):g}"
