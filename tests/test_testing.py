"""The compliance suite passes what is right and catches what is not, each fault by the check meant for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fannsbench import registry
from fannsbench.testing import FAILED, NOT_APPLICABLE, OK, check

TEMPLATE = Path(registry.__file__).parent / "templates" / "plugin"
BUNDLED = ["exact", "hnsw", "hnsw-infilter", "faiss-flat", "faiss-ivf", "faiss-ivfpq", "faiss-hnsw", "annoy"]

FAULTS = {
    "wrong shape": ("return nearest\n", "return nearest[:, :-1]\n", "answers, unfiltered"),
    "wrong type": ("return nearest\n", "return nearest.astype(np.float32)\n", "answers, unfiltered"),
    "ids out of range": ("return nearest\n", "return nearest + 10_000\n", "answers, unfiltered"),
    "repeated ids": ("return nearest\n", "nearest[:, 1] = nearest[:, 0]\n        return nearest\n",
                     "answers, unfiltered"),
    "padding in front": ("return nearest\n", "return nearest[:, ::-1].copy()\n", "k above the number of items"),
    "filter ignored": ("inside &= selection[j]", "pass", "answers, filter EM"),
    "batches only": ("order = _squares", "assert len(queries) > 1\n        order = _squares", "single queries"),
    "bad answers": ("squares.argsort(", "(-squares).argsort(", "answers, unfiltered"),
    "seed ignored": ("default_rng(self.seed)", "default_rng()", "same seed, same answers"),
    "lossy saving": ("group=self.group", "group=self.group[::-1]", "save and load"),
    "crash without matches": ("squares = (", "assert len(ids)\n            squares = (", "no item matches"),
    "crash on one item": ("order = _squares", "assert len(self.vectors) > 1\n        order = _squares",
                          "one item"),
    "swallows parameters": ("probes: int) -> None", "probes: int, **more) -> None", "unknown parameters"),
    "refuses a declared value": ("self.probes = probes", "assert probes != 4\n        self.probes = probes",
                                 "declared parameters"),
    "broken counters": ('{"distances": self.distances}', '{"distances": float("nan")}', "warm-up and counters"),
    "broken warm-up": ("    def counters", "    def warm_up(self):\n        raise RuntimeError\n\n    def counters",
                       "warm-up and counters"),
    "wrong distance": ("frozenset({Metric.EUCLIDEAN})", "frozenset({Metric.EUCLIDEAN, Metric.INNER_PRODUCT})",
                       "answers, inner_product distance"),
    "more threads": (
        "        nearest = np.full(",
        "        from concurrent.futures import ThreadPoolExecutor\n"
        "        pool = ThreadPoolExecutor(2)\n"
        "        [f.result() for f in [pool.submit(np.sort, np.arange(500_000)[::-1] % 997) for _ in '1234']]\n"
        "        nearest = np.full(",
        "threads",
    ),
}  # fmt: skip


def plugin(folder: Path, before: str = "", after: str = "") -> registry.Plugin:
    """The plugin that `algorithms new` writes, with a fault."""
    target = folder / ("faulty_" + folder.name.replace("-", "_"))
    target.mkdir()
    for source in TEMPLATE.iterdir():
        text = source.read_text().replace("{{name}}", "faulty").replace("{{class}}", "Faulty")
        if source.name.startswith("plugin.py"):
            assert before in text
            text = text.replace(before, after) if before else text
        (target / source.name.removesuffix(".template")).write_text(text)
    return registry.from_folder(target)


def test_the_template_passes(tmp_path: Path) -> None:
    findings = check(plugin(tmp_path))
    assert {finding.outcome for finding in findings} == {OK}, findings
    assert len(findings) > 15


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault: str, tmp_path: Path) -> None:
    before, after, by = FAULTS[fault]
    findings = {finding.check: finding for finding in check(plugin(tmp_path, before, after))}
    assert findings[by].outcome == FAILED, findings[by]
    assert findings[by].detail


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_algorithm_passes(name: str) -> None:
    failed = [finding for finding in check(registry.find(name)) if finding.outcome == FAILED]
    assert not failed


def test_what_is_not_claimed_is_not_applicable(tmp_path: Path) -> None:
    only_em = "filters = frozenset({FilterKind.EM})"
    imported = "from fannsbench.filters import FilterKind\n"
    found = plugin(tmp_path, "filters = ALL_FILTERS", only_em)
    source = found.folder / "plugin.py"
    source.write_text(source.read_text().replace("import numpy as np\n", "import numpy as np\n" + imported))
    findings = {finding.check: finding for finding in check(found)}
    assert findings["answers, filter R"].outcome == NOT_APPLICABLE
    assert findings["answers, filter EM"].outcome == OK


def test_items_that_do_not_match_are_allowed_to_approximate_filters(tmp_path: Path) -> None:
    found = plugin(tmp_path, "inside &= selection[j]", "pass")
    source = found.folder / "plugin.py"
    source.write_text(
        source.read_text().replace("    builds_on", "    exact_filter = False\n    builds_on")
    )  # what remains to be found is the low recall
    findings = {finding.check: finding for finding in check(found)}
    assert "recall" in findings["answers, filter EM"].detail
