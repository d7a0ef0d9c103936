"""How pictures look: one colour and marker per algorithm, the same in every picture, on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

PALETTE = (
    "#0072B2",  # the first seven are Okabe and Ito's, "Color universal design" (2008), without its yellow,
    "#D55E00",  # which is too pale for a line on white
    "#000000",
    "#56B4E9",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#882255",  # two more that keep the smallest distance between any two as it is for every kind of vision
    "#80BA5A",
)
MARKERS = ("o", "s", "*", "^", "P", "D", "X", "v", "h", "d", ">", "<")
MARKER_SCALE = {"*": 1.5, "D": 0.85, "s": 0.92, "P": 1.1, "X": 1.1, "h": 1.08, "d": 1.12}
"""Markers of one size in points differ in how large they look."""

Line = Literal["solid"] | tuple[float, Sequence[float]]
LINES: tuple[Line, ...] = ("solid", (0, (5, 1.4)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)))
LINE_NAMES = ("solid", "dashed", "dotted", "dash-dotted")

KNOWN = (
    # The place in this list gives the look: append, never insert or reorder.
    *("hnsw", "faiss-hnsw", "exact", "hnsw-infilter", "faiss-ivf", "annoy", "faiss-ivfpq", "faiss-flat"),
    *("acorn", "acorn-1", "hnsw-native", "vamana", "filtered-vamana", "stitched-vamana", "ung", "serf"),
    *("planner", "caps", "nhq-nsw", "nhq-kgraph", "irangegraph", "digra", "dsg"),
)

MARKER_POINTS, LINE_POINTS = 4.2, 1.1
GREY = "#555555"
_TEXT_CONTRAST = 4.5
"""Of text and background, as WCAG 2.2 (1.4.3) asks."""
TEXT, SMALL = 7.5, 6.5
"""Font sizes in points, at the size that the picture is printed in."""

HOUSE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so pictures are the same on every machine
    "font.size": TEXT,
    "text.parse_math": False,  # a name with a dollar sign is no formula
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "axes.linewidth": 0.6,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "hatch.linewidth": 0.5,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text, as publishers ask
    "svg.hashsalt": "fannsbench",
}


@dataclass(frozen=True)
class Look:
    """How one algorithm is drawn; `line` gives way to the machine's where there are several."""

    colour: str
    marker: str
    line: Line

    @property
    def ink(self) -> str:
        """The colour, darkened where it is too pale for small text on white."""
        rgb = [int(self.colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        while 1.05 / (_luminance(rgb) + 0.05) < _TEXT_CONTRAST:
            rgb = [0.95 * part for part in rgb]
        return "#" + "".join(f"{round(255 * part):02X}" for part in rgb)

    def size(self, points: float) -> float:
        """The size to ask for so that the marker looks `points` large."""
        return points * MARKER_SCALE.get(self.marker, 1.0)


def _luminance(rgb: list[float]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


_RESERVED = tuple(
    Look(PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)], LINES[i // len(PALETTE)])
    for i in range(len(KNOWN))
)
_FREE = sorted(set(product(PALETTE, MARKERS)) - {(look.colour, look.marker) for look in _RESERVED})


def looks(names: Iterable[str]) -> dict[str, Look]:
    """The look of each algorithm. No two of `names` share both colour and marker.

    An algorithm that is not in `KNOWN` takes the first free pair in an order of its own, drawn from its
    name alone; only where two such names want the same pair does the alphabetically later one move on.
    """
    names = set(names)
    result = {name: _RESERVED[KNOWN.index(name)] for name in names & set(KNOWN)}
    taken: set[tuple[str, str]] = set()
    for name in sorted(names - set(KNOWN)):
        wished = sorted(_FREE, key=lambda pair: _digest(name, *pair))
        pair = next((pair for pair in wished if pair not in taken), wished[0])
        taken.add(pair)
        result[name] = Look(*pair, LINES[_digest(name)[0] % len(LINES)])
    return result


def ordered(names: Iterable[str]) -> list[str]:
    """Each name once, the known ones first, in their fixed order."""
    return sorted(set(names), key=lambda name: (KNOWN.index(name) if name in KNOWN else len(KNOWN), name))


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
