"""What makes one curve: an algorithm's results on one machine with so many threads, all builds merged."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from matplotlib.lines import Line2D

from fannsbench.parameters import FAMILIES
from fannsbench.plot.style import LINE_NAMES, LINE_POINTS, LINES, MARKER_POINTS, Line, Look, ordered

_APART = ["machine", "threads", "mode"]


@dataclass(frozen=True)
class Variant:
    """Results that share an algorithm's colour but not its curve. Where there is but one, `letter` and
    `line` are empty, and every algorithm has its own line."""

    key: tuple[Any, ...]
    text: str
    letter: str = ""
    line: Line | None = None
    hollow: bool = False


@dataclass(frozen=True)
class Curve:
    """One algorithm's rows of one variant."""

    name: str
    look: Look
    variant: Variant
    rows: pd.DataFrame

    @property
    def family(self) -> str:
        return str(self.rows["family"].iloc[0])

    @property
    def text(self) -> str:
        return f"{self.name} {self.variant.letter}".rstrip()

    @property
    def line(self) -> Line:
        return self.look.line if self.variant.line is None else self.variant.line

    def stroke(self, points: float = MARKER_POINTS) -> dict[str, Any]:
        """matplotlib's keywords for the line, with markers that look `points` large."""
        width = LINE_POINTS * (points / MARKER_POINTS) ** 0.5
        return {"color": self.look.colour, "linestyle": self.line, "linewidth": width, **self.marker(points)}

    def marker(self, points: float = MARKER_POINTS) -> dict[str, Any]:
        """matplotlib's keywords for a marker that looks `points` large."""
        face = "white" if self.variant.hollow else self.look.colour
        edge = self.look.colour if self.variant.hollow else "white"
        return {
            "marker": self.look.marker,
            "markersize": self.look.size(points),
            "markerfacecolor": face,
            "markeredgecolor": edge,
            "markeredgewidth": 0.8 if self.variant.hollow else 0.35,
        }


def variants(rows: pd.DataFrame) -> list[Variant]:
    """What must be kept apart, in a fixed order, each with a letter and a line of its own."""
    keys = sorted(set(rows[_APART].itertuples(index=False, name=None)), key=str)
    several_modes = rows["mode"].nunique() > 1
    texts = [
        f"{machine}, {counted(threads, 'search thread')}" + f", {mode}" * several_modes
        for machine, threads, mode in keys
    ]
    if len(keys) == 1:
        return [Variant(keys[0], texts[0])]
    return [
        Variant(
            key,
            f"{letter} ({LINE_NAMES[i % len(LINES)]}{', hollow' * (i > 0)}) {text}",
            letter,
            LINES[i % len(LINES)],
            hollow=i > 0,
        )
        for i, (key, text, letter) in enumerate(zip(keys, texts, _letters(len(keys)), strict=True))
    ]


def _letters(count: int) -> list[str]:
    letters = string.ascii_uppercase
    return [letters[i] if count <= len(letters) else str(i + 1) for i in range(count)]


def curves(rows: pd.DataFrame, looks: Mapping[str, Look], several: Sequence[Variant]) -> list[Curve]:
    """Those of one family together."""
    groups = dict(list(rows.groupby(["algorithm", *_APART])))
    found = [
        Curve(name, looks[name], variant, groups[name, *variant.key])
        for name in ordered(rows["algorithm"])
        for variant in several
        if (name, *variant.key) in groups
    ]
    return sorted(found, key=lambda curve: FAMILIES.index(curve.family))


def headed(names: Iterable[str], families: Mapping[str, str]) -> list[str]:
    """The names, those of one family together below it, in the order given; as they are where there is but
    one family. families: that of each name."""
    names = list(names)
    present = [family for family in FAMILIES if any(families[name] == family for name in names)]
    if len(present) == 1:
        return names
    return [
        text
        for family in present
        for text in (heading(family), *(name for name in names if families[name] == family))
    ]


def heading(family: str) -> str:
    return family.capitalize()


def legend_entries(shown: Sequence[Curve]) -> dict[str, Line2D | None]:
    """Text and symbol of each line of a legend for all these curves: the algorithms, below their families,
    which have no symbol, and, where there are several variants, what their lines look like."""
    algorithms: dict[str, Line2D] = {}
    lines: dict[str, Line2D] = {}
    for curve in sorted(shown, key=lambda curve: ordered(c.name for c in shown).index(curve.name)):
        single = curve.variant.line is None
        filled = replace(curve, variant=replace(curve.variant, hollow=False)).stroke()
        algorithms[curve.name] = Line2D([], [], **filled if single else {**filled, "linestyle": "none"})
        if not single:
            black = replace(curve, look=Look("#000000", "o", curve.line))
            lines[curve.variant.letter] = Line2D([], [], **black.stroke())
    names = headed(algorithms, {curve.name: curve.family for curve in shown})
    return {name: algorithms.get(name) for name in names} | dict(sorted(lines.items()))


def counted(number: object, noun: str) -> str:
    return f"{number} {noun}" if str(number) == "1" else f"{number} {noun}s"
