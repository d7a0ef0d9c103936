"""Pictures, by what is in them: every point against the table, every text against every other text."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation, Text
from test_pareto import naive_front

from fannsbench import plot
from fannsbench.cli.plot import plot as plot_command
from fannsbench.dataset import Dataset
from fannsbench.errors import UnknownNameError, UserError
from fannsbench.parameters import FAMILIES
from fannsbench.plot import bands, style
from fannsbench.plot.columns import describe, percent, quantity
from fannsbench.plot.frame import wrapped
from fannsbench.plot.labels import spread
from fannsbench.results import store

KINDS = {
    "none": "none",
    "em": "EM",
    "r": "R",
    "r-late": "R",
    "emis": "EMIS",
    "mem": "MEM",
    "mr": "MR",
    "c": "C",
}
KEPT = {
    "none": 1.0,
    "em": 0.0412,
    "r": 0.31,
    "r-late": 0.3,
    "emis": 0.0087,
    "mem": 0.004,
    "mr": 0.12,
    "c": 0.06,
}
LIBRARIES = [
    "exact",
    "hnsw",
    "hnsw-infilter",
    "faiss-flat",
    "faiss-ivf",
    "faiss-ivfpq",
    "faiss-hnsw",
    "annoy",
]
TWENTY = list(style.KNOWN[:20])
SINGLE = ("exact", "faiss-flat")
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


def table(algorithms, workloads=("em",), machines=("ryzen",), builds=2, datasets=("words",), k=10, failed=()):
    """A made-up result table: exact methods have one setting, others `builds` x 8, all with two builds."""
    rng = np.random.default_rng(7)
    rows = []
    for dataset, machine, algorithm in itertools.product(datasets, machines, algorithms):
        speed, ease = 10 ** rng.uniform(2, 4.5), rng.uniform(0.3, 2)
        for build, workload in itertools.product(range(1 if algorithm in SINGLE else builds), workloads):
            size, luck = 10 ** rng.uniform(7, 8.3), rng.uniform(0.5, 1)
            for step in range(1 if algorithm in SINGLE else 8):
                recall = (
                    1.0 if algorithm in SINGLE else 1 - np.exp(-ease * (0.4 * (build + 1) + luck * 1.5**step))
                )
                qps = speed * luck * (1 - 0.2 * build) * 1.8**-step
                failure = (algorithm, workload) in failed
                rows.append(
                    {
                        "machine": machine,
                        "dataset": dataset,
                        "workload": workload,
                        "filter_kind": KINDS[workload],
                        "algorithm": algorithm,
                        "family": "other",
                        "build": f"M={16 * (build + 1)} ef_construction=200",
                        "search": f"ef={10 * step}",
                        "k": k,
                        "threads": 1,
                        "mode": "batch",
                        "recall": np.nan if failure else round(recall, 4),
                        "qps": np.nan if failure else qps,
                        "qps_search": qps * 1.2,
                        "qps_mean": qps * 0.98,
                        "qps_std": qps * 0.1,
                        "repetitions": 5,
                        "queries": 1000,
                        "p50_ms": 800 / qps,
                        "p95_ms": 1500 / qps,
                        "p99_ms": 3000 / qps,
                        "max_ms": 9000 / qps,
                        "build_s": size / 1e6,
                        "preprocess_s": 0.0,
                        "index_bytes": int(size),
                        "index_memory_bytes": 1.1 * size,
                        "peak_build_bytes": 1.5 * size,
                        "peak_search_bytes": 1.2 * size + 1e6 * step,
                        "memory": "proportional",
                        "distances_per_query": None,
                        "duplicates": 0,
                        "violations": 0,
                        "selectivity": KEPT[workload],
                        "status": "failed" if failure else "ok",
                        "reason": "timed out" if failure else "",
                        "path": f"{dataset}/{machine}/{workload}/{algorithm}/{build}-{step}.h5",
                    }
                )
    return pd.DataFrame(rows)


def banded(rows):
    """What results.bands would make of the rows: every query's recall and QPS depend on its band."""
    labels = ["0-0.1 %", "0.1-1 %", "1-5 %", "5-10 %", "10-20 %", "20-40 %"]
    return pd.DataFrame(
        {
            **row,
            "band": label,
            "band_order": order,
            "queries": 50,
            "recall": 1 - (1 - row["recall"]) * (6 - order) / 4,
            "qps": row["qps"] * (order + 1) / 3,
        }
        for row in rows.to_dict("records")
        for order, label in reversed(list(enumerate(labels)))
    )


def test_families_have_headings_over_their_members():
    """In a legend and in lists; a single family has none."""
    rows = in_families(table(TWENTY, KINDS))
    (legend,) = plot.figure(rows).legends
    texts = [text.get_text() for text in legend.get_texts()]
    of_name = dict(zip(rows["algorithm"], rows["family"], strict=True))
    assert texts == [
        text
        for family in FAMILIES
        for text in (family.capitalize(), *(name for name in TWENTY if of_name[name] == family))
    ]
    (axes,) = plot.figure(in_families(table(TWENTY)), y="build_s").axes
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert [text for text in shown if text in [f.capitalize() for f in FAMILIES]] == [
        family.capitalize() for family in FAMILIES
    ]
    assert len(axes.patches) == len(set(shown)) - len(FAMILIES)


def draw_bands(rows):
    with matplotlib.style.context(["default", style.HOUSE]):
        chosen = bands.standing_rows(rows)
        return bands.picture(rows, chosen, banded(chosen), style.looks(rows["algorithm"]))


def shown_texts(figure):
    """(text, box in pixels) of everything that can be read."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        texts += [child for child in axes.get_children() if isinstance(child, Text)]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [
                t.label1
                for t in axis.get_major_ticks()
                if low <= t.get_loc() <= high and t.label1.get_visible()
            ]
    return [
        (text.get_text(), Text.get_window_extent(text, canvas.get_renderer()))
        for text in texts
        if text.get_text().strip()
    ]


def overlaps(boxes):
    return [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


def names_in(axes):
    return [text for text in axes.texts if not isinstance(text, Annotation)]


def fronts_in(axes):
    """(colour, marker) -> (x, y) of each front drawn."""
    return {
        (line.get_color(), line.get_marker()): (line.get_xdata(), line.get_ydata())
        for line in axes.lines
        if line.get_transform() == axes.transData and line.get_marker() != "."
    }


def note_of(figure):
    return " ".join(text.get_text() for text in figure.texts)


def in_families(rows):
    """The algorithms dealt to families, three to each but the last."""
    names = style.ordered(rows["algorithm"])
    return rows.assign(family=rows["algorithm"].map(lambda name: FAMILIES[names.index(name) // 3]))


PICTURES = {
    "one algorithm, one workload": lambda: plot.figure(table(["hnsw"])),
    "one point": lambda: plot.figure(table(["exact"])),
    "single points": lambda: plot.figure(table(["exact", "faiss-flat"])),
    "all libraries": lambda: plot.figure(table(LIBRARIES)),
    "error bars": lambda: plot.figure(table(LIBRARIES), error_bars=True),
    "twenty": lambda: plot.figure(table(TWENTY)),
    "forty": lambda: plot.figure(table([f"method-{i}" for i in range(40)])),
    "two workloads": lambda: plot.figure(table(LIBRARIES, ["em", "r"])),
    "eight workloads": lambda: plot.figure(table(LIBRARIES, KINDS)),
    "twenty on eight": lambda: plot.figure(table(TWENTY, KINDS, failed=[("hnsw", "em")])),
    "two machines": lambda: plot.figure(table(LIBRARIES, machines=["ryzen", "laptop"])),
    "two machines, three workloads": lambda: plot.figure(
        table(LIBRARIES, ["none", "em", "c"], ["ryzen", "laptop"])
    ),
    "families": lambda: plot.figure(in_families(table(TWENTY, KINDS))),
    "build time by families": lambda: plot.figure(in_families(table(TWENTY)), y="build_s"),
    "latency by families": lambda: plot.figure(in_families(table(TWENTY)), y="latency"),
    "data sets": lambda: plot.figure(table(LIBRARIES, datasets=["words", "images"])),
    "index size and recall": lambda: plot.figure(table(TWENTY), x="index_bytes", y="recall"),
    "recall and p99": lambda: plot.figure(table(TWENTY), y="p99_ms"),
    "build time": lambda: plot.figure(table(TWENTY, KINDS), y="build_s"),
    "index size": lambda: plot.figure(table(LIBRARIES, datasets=["a", "b", "c", "d"]), y="index_bytes"),
    "equal bars": lambda: plot.figure(table(LIBRARIES), y="preprocess_s"),
    "latency": lambda: plot.figure(table(TWENTY), y="latency"),
    "latencies": lambda: plot.figure(table(LIBRARIES, KINDS), y="latency"),
    "bands": lambda: draw_bands(table(LIBRARIES)),
    "bands of all": lambda: draw_bands(table(TWENTY, KINDS)),
    "long names": lambda: plot.figure(table(["my very own index with $a$ name", "_x", "hnsw"], ["em", "r"])),
}


@pytest.mark.parametrize("name", PICTURES)
def test_no_two_texts_touch_and_none_leaves_the_picture(name):
    figure = PICTURES[name]()
    boxes = shown_texts(figure)
    assert len(boxes) > 5
    assert overlaps(boxes) == []
    width, height = figure.bbox.width, figure.bbox.height
    outside = [t for t, b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height]
    assert outside == []


@pytest.mark.parametrize(
    "name", ["all libraries", "twenty", "two machines", "index size and recall", "forty"]
)
def test_no_name_covers_a_point_of_a_front(name):
    figure = PICTURES[name]()
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    points = np.concatenate(
        [axes.transData.transform(np.column_stack(xy)) for xy in fronts_in(axes).values()]
    )
    for text in names_in(axes):
        box = text.get_window_extent()
        inside = (points > [box.x0, box.y0]) & (points < [box.x1, box.y1])
        assert not inside.all(axis=1).any(), text.get_text()


def scattered(count, seed):
    """As many algorithms with one setting each, all over the panel."""
    rows = table([f"method-{i}" for i in range(count)]).groupby("algorithm").head(1).copy()
    random = np.random.default_rng(seed)
    rows["recall"] = 1 - 10 ** random.uniform(-3, -0.6, count)
    rows["qps"] = 10 ** random.uniform(3, 4, count)
    return plot.figure(rows)


def crossings(figure):
    """Names that a leader runs through, between its ends."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (axes,) = figure.axes
    boxes = {text.get_text(): text.get_window_extent(renderer) for text in names_in(axes)}
    found = []
    for leader in axes.texts:
        if isinstance(leader, Annotation) and leader.arrow_patch is not None:
            path = leader.arrow_patch.get_path().transformed(leader.arrow_patch.get_transform())
            start, end = path.vertices[0], path.vertices[-1]
            inner = start + np.linspace(0.05, 0.95, 200)[:, None] * (end - start)
            found += [name for name, box in boxes.items() if any(box.contains(*place) for place in inner)]
    return found


@pytest.mark.parametrize("count", [10, 18, 25])
@pytest.mark.parametrize("seed", range(4))
def test_no_leader_crosses_a_name(count, seed):
    figure = scattered(count, seed)
    assert crossings(figure) == []
    assert overlaps(shown_texts(figure)) == []


def test_the_crossing_check_sees_a_crossing():
    figure = scattered(25, 0)
    (axes,) = figure.axes
    leader = next(text for text in axes.texts if isinstance(text, Annotation))
    (x, y), (x1, y1) = axes.transAxes.inverted().transform(axes.transData.transform(leader.xy)), leader.xyann
    names_in(axes)[0].set_position(((x + x1) / 2, (y + y1) / 2))
    assert crossings(figure)


def test_the_overlap_check_sees_an_overlap():
    figure = PICTURES["all libraries"]()
    first, second = names_in(figure.axes[0])[:2]
    second.set_position(first.get_position())
    assert overlaps(shown_texts(figure))


def test_many_curves_have_one_legend_and_few_have_names():
    many, few = PICTURES["twenty on eight"](), PICTURES["eight workloads"]()
    (legend,) = many.legends
    assert [text.get_text() for text in legend.get_texts()] == TWENTY
    assert not any(names_in(axes) for axes in many.axes)
    assert few.legends == []
    assert all({text.get_text() for text in names_in(axes)} == set(LIBRARIES) for axes in few.axes)


# Looks


def test_looks_never_change():
    found = style.looks(["hnsw", "exact", "faiss-flat", "dsg", "my-index"])
    assert {name: (look.colour, look.marker) for name, look in found.items()} == {
        "hnsw": ("#0072B2", "o"),
        "exact": ("#000000", "*"),
        "faiss-flat": ("#882255", "v"),
        "dsg": ("#E69F00", ">"),
        "my-index": ("#000000", "^"),
    }


def test_known_algorithms_all_look_different():
    pairs = {(look.colour, look.marker) for look in style.looks(style.KNOWN).values()}
    assert len(pairs) == len(style.KNOWN)


def test_algorithms_of_one_colour_differ_in_line_too():
    known = style.looks(style.KNOWN).values()
    assert len({(look.colour, look.line) for look in known}) == len(style.KNOWN)


@given(st.sets(NAMES, max_size=60))
def test_no_two_algorithms_of_a_picture_look_alike(names):
    found = style.looks([*names, *style.KNOWN])
    assert len({(look.colour, look.marker) for look in found.values()}) == len(found)


@given(st.lists(NAMES, unique=True, max_size=6), st.randoms(use_true_random=False))
def test_looks_do_not_depend_on_order_or_on_known_company(names, random):
    shuffled = random.sample(names, len(names))
    assert style.looks(names) == {name: style.looks([*shuffled, *style.KNOWN])[name] for name in names}


def test_company_changes_a_look_only_where_two_names_want_the_same():
    names = [f"plugin-{i}" for i in range(60)]
    alone = {name: style.looks([name])[name] for name in names}
    together = style.looks(names)
    moved = [name for name in names if together[name] != alone[name]]
    assert all(
        any(
            (alone[name].colour, alone[name].marker) == (look.colour, look.marker)
            for other, look in together.items()
            if other < name
        )
        for name in moved
    )


VISION = {  # Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of CVD" (2009)
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear_rgb(colour):
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(linear):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_the_palette_is_safe_for_the_colour_blind(vision):
    seen = [lab(np.array(VISION[vision]) @ linear_rgb(colour)) for colour in style.PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15


@pytest.mark.parametrize("name", style.KNOWN)
def test_names_are_dark_enough_to_read_and_keep_their_hue(name):
    look = style.looks([name])[name]
    ink = linear_rgb(look.ink)
    assert 1.05 / (ink @ [0.2126, 0.7152, 0.0722] + 0.05) >= 4.45
    assert (np.array(matplotlib.colors.to_rgb(look.ink)) <= matplotlib.colors.to_rgb(look.colour)).all()


# Places of names


def naive_isotonic(values):
    """The least-squares non-decreasing sequence, by the max-min formula."""
    n = len(values)
    return [max(min(np.mean(values[a : b + 1]) for b in range(i, n)) for a in range(i + 1)) for i in range(n)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_names_are_spread_as_little_as_they_can_be(wanted):
    apart = 0.1
    places = spread(wanted, apart, 0.0, 1.0)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(places[order]) >= apart - 1e-9).all()
    assert places.min() >= -1e-9
    assert places.max() <= 1 + 1e-9
    steps = apart * np.arange(len(wanted))
    free = naive_isotonic(np.array(wanted)[order] - steps)
    assert places[order] == pytest.approx(np.clip(free, 0, 1 - steps[-1]) + steps)


def test_names_that_fit_stay_where_they_are():
    assert spread([0.9, 0.1, 0.5], 0.1, 0, 1) == pytest.approx([0.9, 0.1, 0.5])


def test_wrapped_text_fits_and_loses_no_word():
    text = "figures of two machines do not compare: " * 5
    lines = wrapped(text.strip(), 6.5, 1.5)
    assert " ".join(lines) == text.strip()
    assert len(lines) > 3


# Units


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "s", "0 s"),
        (3.21e-7, "s", "0.321 µs"),
        (0.0851, "s", "85.1 ms"),
        (1.0, "s", "1 s"),
        (12.34, "s", "12.3 s"),
        (299.0, "s", "299 s"),
        (600.0, "s", "10 min"),
        (3 * 3600.0, "s", "3 h"),
        (512.0, "B", "512 B"),
        (12_345_678, "B", "12.3 MB"),
        (4.61e10, "B", "46.1 GB"),
        (999_999, "B", "1 MB"),
        (14_200.0, "", "14.2k"),
        (0.0, "", "0"),
        (7.0, "", "7"),
        (float("nan"), "s", "?"),
    ],
)
def test_units_for_people(value, unit, text):
    assert quantity(value, unit) == text


def test_columns_know_their_unit_and_what_is_better():
    assert describe("p99_ms").text(0.25) == "250 µs"
    assert describe("recall", [10]).label == "Recall@10"
    assert describe("recall", [10, 100]).label == "Recall@k"
    higher = {name for name in table(["hnsw"]).columns if describe(name).better == "high"}
    assert higher == {"recall", "qps", "qps_search", "qps_mean"}
    assert (percent(0.0412), percent(1.0), percent(0.00021)) == ("4.1 %", "100 %", "0.021 %")


# Pareto pictures


@pytest.mark.parametrize(
    ("x", "y", "x_better", "y_better"),
    [
        ("recall", "qps", "high", "high"),
        ("recall", "p99_ms", "high", "low"),
        ("build_s", "recall", "low", "high"),
    ],
)
def test_fronts_are_those_of_all_builds_of_an_algorithm_and_every_point_is_there(x, y, x_better, y_better):
    rows = table(LIBRARIES, ["em", "r"], builds=3)
    figure = plot.figure(rows, x=x, y=y)
    looks = style.looks(LIBRARIES)
    for axes, workload in zip(figure.axes, ["em", "r"], strict=True):
        drawn = fronts_in(axes)
        assert len(drawn) == len(LIBRARIES)
        for name in LIBRARIES:
            mine = rows[(rows.algorithm == name) & (rows.workload == workload)]
            kept = naive_front(list(mine[x]), list(mine[y]), x_better, y_better)
            across, up = drawn[looks[name].colour, looks[name].marker]
            assert across.tolist() == mine[x].iloc[kept].tolist()
            assert up.tolist() == mine[y].iloc[kept].tolist()
        dots = [line for line in axes.lines if line.get_marker() == "."]
        here = rows[rows.workload == workload]
        assert sorted(v for line in dots for v in line.get_xdata()) == sorted(here[x])
        assert all(axes.viewLim.contains(*point) for point in here[[x, y]].to_numpy())


def test_panels_share_axes_and_say_what_they_show():
    rows = table(["exact", "hnsw"], KINDS)
    figure = plot.figure(rows)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "none · unfiltered"
    assert titles[1] == "em · EM · 4.1 % kept"
    assert len(titles) == 8
    assert len({(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes}) == 1
    assert figure.axes[0].get_yscale() == "log"
    assert "Recall@10" in note_of(figure)
    assert "words · ryzen" not in note_of(figure)
    assert "words · 1000 queries · k = 10 · ryzen, 1 search thread · median of 5 repetitions" in note_of(
        figure
    )


def test_recall_near_one_has_room():
    axes = plot.figure(table(["hnsw"])).axes[0]
    place = {r: axes.transData.transform((r, 1000.0))[0] for r in (0.8, 0.9, 0.99, 0.999, 1.0)}
    assert place[0.99] - place[0.9] > 1.5 * (place[0.9] - place[0.8])
    assert place[1.0] - place[0.999] > 10


def test_low_recall_is_drawn_on_a_plain_axis():
    rows = table(["faiss-ivfpq"])
    axes = plot.figure(rows.assign(recall=rows.recall * 0.6)).axes[0]
    assert axes.get_xscale() == "linear"


def test_several_k_and_data_sets_have_panels_of_their_own():
    rows = pd.concat([table(["hnsw"], k=10), table(["hnsw"], k=100), table(["hnsw"], datasets=["images"])])
    titles = [axes.get_title(loc="left") for axes in plot.figure(rows).axes]
    assert titles == [
        f"{dataset} · em · k = {k} · EM · 4.1 % kept"
        for dataset, k in [("images", 10), ("words", 10), ("words", 100)]
    ]
    assert len(plot.figure(rows, k=100).axes) == 1
    assert len(plot.figure(rows, datasets=["words"]).axes) == 2


def test_machines_have_their_own_curves_and_the_picture_says_so():
    rows = table(LIBRARIES, machines=["ryzen", "laptop"])
    figure = plot.figure(rows)
    names = sorted(text.get_text() for text in names_in(figure.axes[0]))
    assert names == sorted(f"{name} {letter}" for name in LIBRARIES for letter in "AB")
    assert "2 machines, whose figures do not compare: A (solid) laptop" in note_of(figure)
    lines = {line.get_linestyle() for line in figure.axes[0].lines if line.get_marker() == "o"}
    assert len(lines - {"None"}) == 2


def test_other_thread_numbers_are_not_merged():
    rows = pd.concat([table(["hnsw"]), table(["hnsw"]).assign(threads=8)])
    figure = plot.figure(rows)
    assert "A (solid) ryzen, 1 search thread; B (dashed, hollow) ryzen, 8 search threads" in note_of(figure)
    assert {text.get_text() for text in names_in(figure.axes[0])} == {"hnsw A", "hnsw B"}


def test_failures_are_named():
    rows = table(LIBRARIES, ["em", "r"], failed=[("annoy", "em"), ("annoy", "r"), ("hnsw", "r")])
    figure = plot.figure(rows)
    assert "Failed: hnsw (r); annoy (em, r)" in note_of(figure)
    assert len(fronts_in(figure.axes[0])) == len(LIBRARIES) - 1


def test_results_of_a_changed_data_set_are_left_out_and_named():
    rows = table(["hnsw", "annoy"])
    rows.loc[rows.algorithm == "annoy", "status"] = "stale"
    figure = plot.figure(rows)
    assert "Stale: annoy (em)" in note_of(figure)
    assert len(fronts_in(figure.axes[0])) == 1


def test_error_bars_are_one_standard_deviation_about_the_mean():
    rows = table(["hnsw"], builds=1)
    axes = plot.figure(rows, error_bars=True).axes[0]
    (bars,) = [collection.get_segments() for collection in axes.collections]
    kept = naive_front(list(rows.recall), list(rows.qps_mean))
    wanted = rows.iloc[kept][["qps_mean", "qps_std"]].to_numpy()
    found = np.array([segment[:, 1] for segment in bars])
    assert found == pytest.approx(np.column_stack([wanted @ [1, -1], wanted @ [1, 1]]))


def test_a_choice_keeps_the_looks_of_the_whole():
    rows = table([f"method-{i}" for i in range(60)])
    whole, part = plot.figure(rows), plot.figure(rows, algorithms=["method-7", "method-31"])
    assert set(fronts_in(part.axes[0])) < set(fronts_in(whole.axes[0]))


# Bars, latency, bands


def test_bars_are_the_builds_figures():
    rows = table(["exact", "hnsw"], ["em", "r"])
    figure = plot.figure(rows, y="index_bytes")
    (axes,) = figure.axes
    widths = sorted(patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle))
    wanted = rows.groupby(["algorithm", "build", "workload"]).index_bytes.max().groupby(level=[0, 1]).median()
    assert widths == pytest.approx(sorted(wanted))
    names = {tick.get_text() for tick in axes.get_yticklabels()}
    assert names == {"exact", "hnsw  M=16", "hnsw  M=32"}
    assert quantity(wanted.max(), "B") in {text.get_text() for text in axes.texts}
    assert "k = 10" not in note_of(figure)


def test_a_build_figure_against_another_column_is_a_front():
    assert not plot.figure(table(["hnsw"]), x="recall", y="build_s").axes[0].patches


def test_latency_is_that_of_the_fastest_setting_that_reaches_the_recall():
    rows = table(["hnsw", "annoy"])
    rows.loc[rows.algorithm == "annoy", "recall"] *= 0.9
    (axes,) = plot.figure(rows, y="latency").axes
    good = rows[(rows.algorithm == "hnsw") & (rows.recall >= 0.95)]
    standing = {
        "hnsw": good.loc[good.qps.idxmax()],
        "annoy": rows[rows.algorithm == "annoy"].sort_values(["recall", "qps"]).iloc[-1],
    }
    looks = style.looks(standing)
    for name, row in standing.items():
        (drawn,) = [line for line in axes.lines if line.get_marker() == looks[name].marker]
        assert drawn.get_xdata()[0] == row.p50_ms
        (recall,) = [text for text in axes.texts if text.get_text() == f"{row.recall:.3f}"]
        assert (recall.get_weight() == "bold") == (row.recall < 0.95)


def test_bands_show_the_standing_setting_by_band():
    rows = table(["hnsw", "annoy"], ["none", "em"])
    figure = draw_bands(rows)
    above, below = figure.axes
    chosen = bands.standing_rows(rows)
    assert set(chosen.workload) == {"em"}
    split = banded(chosen[chosen.algorithm == "hnsw"]).sort_values("band_order")
    for axes, column in ((above, "recall"), (below, "qps")):
        (line,) = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata()) > 1]
        assert line.get_ydata().tolist() == split[column].tolist()
    assert [tick.get_text() for tick in below.get_xticklabels()][:2] == ["0-0.1", "0.1-1"]


# Nothing to draw, wrong wishes


@pytest.mark.parametrize(
    ("rows", "wishes", "said"),
    [
        (table(["hnsw"])[:0], {}, "there are no results"),
        (
            table(["hnsw"], failed=[("hnsw", "em")]),
            {},
            "none of 16 results is good; hnsw on words, workload em: failed, timed out",
        ),
        (table(["hnsw"]), {"k": 7}, r"no result is of k = 7; there are: hnsw on words \(em; k = 10\)"),
        (
            pd.concat([table(["hnsw"], ["em"]), table(["annoy"], ["r"])]),
            {"algorithms": ["annoy"], "workloads": ["em"]},
            r"is of em, annoy; there are: annoy on words \(r; k = 10\); hnsw on words \(em; k = 10\)",
        ),
        (
            table(["hnsw"]),
            {"y": "distances_per_query"},
            "none of these results has a value for distances_per_query",
        ),
        (
            table(["hnsw"]).assign(recall=None, reason="the data set is not here"),
            {},
            "none of these results has a value for recall; the data set is not here",
        ),
        (
            table(["hnsw"], ["none"]),
            {"by_selectivity": True},
            "all of these results are of unfiltered search",
        ),
        (table(["hnsw"]).assign(qps_std=0.0), {"error_bars": True}, "one repetition"),
        (table(["hnsw"]), {"error_bars": True, "y": "p99_ms"}, "error bars exist for QPS"),
        (table(["hnsw"]), {"x": "recall", "y": "latency"}, "--x does not go with --y latency"),
        (
            table(["hnsw"])[:1].assign(k=None, algorithm=None, status="failed", reason="a.h5 is damaged"),
            {},
            "a.h5 is damaged",
        ),
    ],
)
def test_nothing_to_draw_is_one_clear_line(rows, wishes, said, tmp_path):
    with pytest.raises(UserError, match=said) as caught:
        plot.draw(rows, tmp_path / "picture.png", **wishes)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wishes", "near"),
    [
        ({"y": "qsp"}, "unknown column 'qsp'; did you mean qps"),
        ({"x": "recal"}, "did you mean recall"),
        ({"y": "latncy"}, "did you mean latency"),
        ({"algorithms": ["hnws"]}, "did you mean hnsw"),
        ({"workloads": ["emm"]}, "did you mean em"),
        ({"datasets": ["word"]}, "unknown data set 'word'; did you mean words"),
        ({"y": "machine"}, "unknown column 'machine'"),
    ],
)
def test_near_names_are_offered(wishes, near):
    with pytest.raises(UnknownNameError, match=near):
        plot.figure(table(["hnsw"]), **wishes)


def test_damaged_files_do_not_hide_good_ones():
    good = table(["hnsw"])
    damaged = dict.fromkeys(good.columns) | {"status": "failed", "reason": "damaged"}
    assert "k = 10 " in note_of(plot.figure(pd.DataFrame([*good.to_dict("records"), damaged])))


# Files


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_files_are_whole_and_the_same_every_time(tmp_path, suffix, magic):
    rows = table(LIBRARIES, ["em", "r"])
    first = plot.draw(rows, tmp_path / "deep" / f"a.{suffix}")
    second = plot.draw(rows, tmp_path / "deep" / f"b.{suffix}")
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in first.parent.iterdir()) == [f"a.{suffix}", f"b.{suffix}"]


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"should end in \.png, \.svg or \.pdf"):
        plot.draw(table(["hnsw"]), tmp_path / "picture.jpeg")


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "plots").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"cannot write .*plots/picture\.png"):
        plot.draw(table(["hnsw"]), tmp_path / "plots" / "picture.png")


def test_a_failure_leaves_the_old_picture(tmp_path):
    picture = plot.draw(table(["hnsw"]), tmp_path / "picture.png")
    before = picture.read_bytes()
    with pytest.raises(UserError):
        plot.draw(table(["hnsw"])[:0], picture)
    assert picture.read_bytes() == before


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    before = dict(matplotlib.rcParams)
    plot.draw(table(["hnsw"]), tmp_path / "picture.svg")
    assert dict(matplotlib.rcParams) == before


def test_matplotlib_is_imported_for_drawing_only_and_pyplot_never(tmp_path):
    code = """
import sys, fannsbench.cli.plot, fannsbench.plot
assert "matplotlib" not in sys.modules and "pandas" not in sys.modules
from fannsbench.plot import fronts, bars, latency, bands, frame
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ, cwd=Path(__file__).parent.parent)


def test_file_names_say_what_is_drawn():
    assert plot.file_name(["wordnet-10k", "em", "qps"]) == "wordnet-10k-em-qps.png"
    assert plot.file_name(["a/b", "../c d", "qps"]) == "a-b-..-c-d-qps.png"
    assert plot.file_name([f"w{i}" for i in range(30)] + ["qps"]) == "w0-etc-qps.png"


# The command, on stored results


def store_results(folder, dataset_path):
    """Two algorithms on two workloads; the approximate one's setting `ef` decides how much it finds."""
    with Dataset.open(dataset_path) as dataset:
        for workload in map(dataset.workload, ("none", "em")):
            for algorithm, found in [("exact", 10), ("hnsw", 5), ("hnsw", 8), ("hnsw", 9)]:
                identity = {
                    "dataset": dataset.name,
                    "checksum": dataset.checksum,
                    "workload": workload.name,
                    "queries": 12,
                    "k": 10,
                    "algorithm": algorithm,
                    "build": {"M": 16},
                    "search": {"ef": found},
                    "threads": 1,
                    "mode": "batch",
                }
                answer = np.where(np.arange(10) < found, workload.neighbors[:, :10], -1)
                runs = [
                    store.Run(answer, 0.001, 0.02 * found * (1 + r / 10), np.full(12, 0.002), 0.0)
                    for r in range(3)
                ]
                result = store.Result(
                    identity,
                    dataset_path=str(dataset_path),
                    machine={"name": "here"},
                    runs=runs,
                    build=store.BuildFigures(1.5, 0.0, 10_000, 20_000, 30_000),
                )
                store.write(store.path_of(folder, "here", dataset.name, identity), result)


@pytest.fixture
def results(tmp_path, tiny_dataset):
    store_results(tmp_path / "results", tiny_dataset)
    return tmp_path / "results"


def command(results, *options):
    run = CliRunner().invoke(plot_command, ["--results", str(results), *options])
    if run.exception and not isinstance(run.exception, SystemExit):
        raise run.exception
    return run


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "tiny-qps.png"),
        (["--workload", "em", "--error-bars"], "tiny-em-qps.png"),
        (["--y", "build_s"], "tiny-build_s.png"),
        (["--y", "latency", "--algo", "all", "-k", "10"], "tiny-k10-latency.png"),
        (["--by-selectivity"], "tiny-by-selectivity.png"),
        (["--x", "recall", "--y", "p99_ms", "--algo", "hnsw,exact"], "tiny-hnsw-exact-recall-p99_ms.png"),
    ],
)
def test_the_command_names_the_picture_it_drew(results, options, name):
    run = command(results, *options)
    assert run.output.strip() == str(results / "plots" / name)
    assert (results / "plots" / name).read_bytes().startswith(b"\x89PNG")


def test_the_command_obeys_o(results, tmp_path):
    assert command(results, "-o", str(tmp_path / "x.svg")).output.strip() == str(tmp_path / "x.svg")
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_the_command_offers_near_names_and_draws_nothing(results):
    with pytest.raises(UnknownNameError, match="did you mean hnsw"):
        command(results, "--algo", "hsnw")
    assert not (results / "plots").exists()


def test_the_command_says_that_there_are_no_results(tmp_path):
    with pytest.raises(UserError, match="there are no results"):
        command(tmp_path)


def test_memory_that_was_not_counted_alike_is_told():
    rows = table(["hnsw", "annoy"])
    told = "older results count memory that processes share once for each"
    assert told not in note_of(plot.figure(rows, y="peak_build_bytes"))
    rows.loc[rows["algorithm"] == "hnsw", "memory"] = "resident"
    assert told in note_of(plot.figure(rows, y="peak_build_bytes"))
    assert told in note_of(plot.figure(rows, x="recall", y="peak_search_bytes"))
    assert told not in note_of(plot.figure(rows))
