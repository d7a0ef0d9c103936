"""The compliance suite passes sound plugins, and a broken one fails the check that is meant for its fault."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from fannsbench import registry
from fannsbench.errors import PluginError
from fannsbench.testing import FAILED, NOT_APPLICABLE, OK, Finding, check, process, suite

SOUND = '''
"""Exact search in plain numpy, with parameters that change nothing."""

import numpy as np

from fannsbench.algorithm import ALL_FILTERS, Algorithm, Metric


class Sound(Algorithm):
    filters = ALL_FILTERS
    metrics = frozenset({Metric.EUCLIDEAN})

    def __init__(self, metric, seed, size):
        super().__init__(metric, seed)
        self.size = size

    def build(self, items, threads):
        self.vectors = items.vectors

    def configure(self, effort):
        self.effort = effort
        self.computed = 0

    def search(self, queries, k, selection):
        squares = ((queries[:, None] - self.vectors[None]) ** 2).sum(axis=2)
        self.computed += squares.size
        ids = np.full((len(queries), k), -1, np.int32)
        for j, row in enumerate(squares):
            matches = np.arange(len(row)) if selection is None else np.flatnonzero(selection.mask(j))
            nearest = matches[row[matches].argsort(kind="stable")[:k]]
            ids[j, : len(nearest)] = nearest
        return ids

    def save(self, folder):
        np.save(folder / "vectors.npy", self.vectors)

    def load(self, folder, items):
        self.vectors = np.load(folder / "vectors.npy")

    def counters(self):
        return {"distances": self.computed}
'''
HEAD = """
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fannsbench.algorithm import Algorithm, Metric
from fannsbench.algorithms._sound.base import Sound

"""
PARAMS = """
summary = "For a test"

[build.size]
type = "int"
default = 2
values = [1, 2, 4]
minimum = 1
help = "Nothing"

[search.effort]
type = "float"
default = 0.5
values = [0.5, 1.0]
minimum = 0
maximum = 1
sweep = true
help = "Nothing"
"""


def write(folder: Path, name: str, body: str, params: str = PARAMS) -> Path:
    """A plugin's folder: `body` may change what it inherits from Sound."""
    for place, source in (("_sound/base.py", SOUND), (f"{name}/plugin.py", HEAD + dedent(body))):
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    (folder / name / "params.toml").write_text(params)
    return folder / name


def findings(folder: Path, name: str, body: str, params: str = PARAMS) -> dict[str, Finding]:
    """What the suite says, by check; in this process, which is quicker."""
    found = list(suite.run(registry.from_folder(write(folder, name, body, params))))
    assert len({finding.check for finding in found}) == len(found)
    return {finding.check: finding for finding in found}


def failed(found: dict[str, Finding]) -> set[str]:
    return {name for name, finding in found.items() if finding.outcome == FAILED}


def search(change: str) -> str:
    """A plugin that changes what a sound one returns."""
    return f"""
class Broken(Sound):
    def search(self, queries, k, selection):
        ids = super().search(queries, k, selection)
        {change}
        return ids
"""


EXAMPLE = "answers, filter C"
BROKEN: dict[str, tuple[str, str, str]] = {
    "wrong_shape": (
        search("ids = ids[:, :-1]"),
        EXAMPLE,
        "(20, 9); it must return int32 ids of shape (20, 10)",
    ),
    "rows_missing": (search("ids = ids[1:]"), EXAMPLE, "(19, 10)"),
    "wrong_type": (search("ids = ids.astype(np.int64)"), EXAMPLE, "ids are int64"),
    "floats": (search("ids = ids.astype(np.float32)"), EXAMPLE, "float32"),
    "a_list": (search("ids = ids.tolist()"), EXAMPLE, "search returned list"),
    "repeated_ids": (search("ids[:, 1] = ids[:, 0]"), EXAMPLE, "c, query 0: an id is repeated"),
    "id_too_high": (search("ids[3, 0] = len(self.vectors)"), EXAMPLE, "id 600 for query 3"),
    "id_too_low": (search("ids[3, 0] = -2"), EXAMPLE, "id -2 for query 3"),
    "padded_in_front": (search("ids = ids[:, ::-1].copy()"), "one item", "-1 stands before an id"),
    "farthest_first": (search("ids[:] = ids[:, ::-1]"), EXAMPLE, "do not come nearest first"),
    "short_answers": (search("ids[:, 3:] = -1"), EXAMPLE, "c: recall 0.300"),
    "wrong_neighbours": (
        search("ids[ids >= 0] = (ids[ids >= 0] + 1) % 7"),
        "answers, unfiltered",
        "repeated",
    ),
    "spoils_queries": (search("queries *= 2"), EXAMPLE, "writes into the queries"),
    "ignores_filters": (
        "class Broken(Sound):\n    def select(self, filters): return None",
        "no item matches",
        "does not match the filter",
    ),
    "wrong_filter": (search("ids[:, 0] += (ids[:, 0] >= 0) & (selection is not None)"), EXAMPLE, "not match"),
    "wrong_metric": (
        "class Broken(Sound):\n    metrics = frozenset({Metric.EUCLIDEAN, Metric.INNER_PRODUCT})",
        "answers, inner_product distance",
        "recall",
    ),
    "fails_on_nothing": (
        search("assert selection is None or selection.counts().any(), 'nothing to find'"),
        "no item matches",
        "nothing to find",
    ),
    "fails_on_everything": (
        search("assert selection is None or (selection.counts() < selection.n).any(), 'too much'"),
        "every item matches",
        "too much",
    ),
    "wants_many_items": (
        search("assert k < len(self.vectors), 'too few items'"),
        "k above the number of items",
        "too few items",
    ),
    "wants_two_items": (search("assert len(self.vectors) > 1, 'too few'"), "one item", "too few"),
    "wants_distinct_items": (
        search("assert len(np.unique(self.vectors, axis=0)) == len(self.vectors), 'twins'"),
        "duplicates among the items",
        "twins",
    ),
    "wants_batches": (search("ids = ids.squeeze()"), "single queries", "(10,)"),
    "ignores_the_seed": (
        """
        class Broken(Sound):
            def build(self, items, threads):
                super().build(items, threads)
                self.lost = np.random.default_rng().choice(len(self.vectors), len(self.vectors) // 10)
            def search(self, queries, k, selection):
                ids = super().search(queries, k, selection)
                for row in ids:
                    kept = row[~np.isin(row, self.lost)]
                    row[:] = np.append(kept, np.full(k - len(kept), -1))
                return ids
            def load(self, folder, items):
                raise NotImplementedError
        """,
        "same seed, same answers",
        "built twice with one seed on one thread, it answers",
    ),
    "changes_its_mind": (
        """
        class Broken(Sound):
            asked = 0
            def search(self, queries, k, selection):
                ids = super().search(queries, k, selection)
                self.asked += 1
                ids[:, 8 + self.asked % 2 :] = -1
                return ids
        """,
        "same seed, same answers",
        "asked twice",
    ),
    "saves_nothing": (
        "class Broken(Sound):\n    def save(self, folder): pass",
        "save and load",
        "save wrote nothing",
    ),
    "loses_data": (
        """
        class Broken(Sound):
            def load(self, folder, items):
                self.vectors = np.roll(items.vectors, 1, axis=0)
        """,
        "save and load",
        "the loaded index answers",
    ),
    "needs_its_files": (
        """
        class Broken(Sound):
            folder = None
            def save(self, folder):
                super().save(folder)
                self.folder = folder
            def search(self, queries, k, selection):
                assert self.folder is None or self.folder.exists(), 'no folder'
                return super().search(queries, k, selection)
        """,
        "save and load",
        "no folder",
    ),
    "uses_two_threads": (
        """
        class Broken(Sound):
            unsorted = np.random.default_rng(0).random(5_000_000)
            def search(self, queries, k, selection):
                if len(queries) > 100:
                    with ThreadPoolExecutor(2) as pool:
                        list(pool.map(lambda _: np.sort(self.unsorted), range(2)))
                return super().search(queries, k, selection)
        """,
        "threads",
        "threads ran at once in a search on one thread",
    ),
    "keeps_two_threads": (
        """
        class Broken(Sound):
            unsorted = np.random.default_rng(0).random(5_000_000)
            pool = ThreadPoolExecutor(2)
            def search(self, queries, k, selection):
                if len(queries) > 100:
                    list(self.pool.map(lambda _: np.sort(self.unsorted), range(2)))
                return super().search(queries, k, selection)
        """,
        "threads",
        "one thread",
    ),
    "refuses_its_own_values": (
        """
        class Broken(Sound):
            def __init__(self, metric, seed, size):
                super().__init__(metric, seed, size)
                if size == 4:
                    raise ValueError("size 4 is too large")
        """,
        "declared parameters",
        "ValueError: size 4 is too large",
    ),
    "takes_any_build_parameter": (
        """
        class Broken(Sound):
            def __init__(self, metric, seed, size, **others):
                super().__init__(metric, seed, size)
        """,
        "bad parameters",
        "__init__ takes a parameter that does not exist",
    ),
    "takes_any_search_parameter": (
        """
        class Broken(Sound):
            def configure(self, **anything):
                super().configure(1.0)
        """,
        "bad parameters",
        "configure takes a parameter that does not exist",
    ),
    "counts_backwards": (
        "class Broken(Sound):\n    def counters(self): return {'distances': -1}",
        "counters",
        "{'distances': -1}",
    ),
    "counts_for_ever": (
        """
        class Broken(Sound):
            total = 0
            def search(self, queries, k, selection):
                self.total += 1
                return super().search(queries, k, selection)
            def counters(self):
                return {"distances": self.total}
        """,
        "counters",
        "begin anew with configure",
    ),
    "fails_to_warm_up": (
        "class Broken(Sound):\n    def warm_up(self): self.vectors",
        EXAMPLE,
        "AttributeError",
    ),
    "writes_into_the_items": (
        """
        class Broken(Sound):
            def build(self, items, threads):
                items.vectors[:] = 0
        """,
        EXAMPLE,
        "ValueError: assignment destination is read-only",
    ),
    "skips_without_a_reason": (
        "class Broken(Sound):\n    skip = classmethod(lambda cls, dataset, workload: '')",
        "skip",
        "reason",
    ),
    "skips_everything": (
        "class Broken(Sound):\n    skip = classmethod(lambda cls, dataset, workload: 'no')",
        "skip",
        "no workload",
    ),
    "fails_to_skip": (
        "class Broken(Sound):\n    skip = classmethod(lambda cls, dataset, workload: 1 // 0)",
        "skip",
        "ZeroDivisionError",
    ),
}
"""The fault, the check that is meant for it, and what its detail says."""
SEVERAL_CHECKS = {  # a wrong answer is one wherever it is given
    *(
        name
        for name, (_, expected, _) in BROKEN.items()
        if expected in (EXAMPLE, "answers, unfiltered", "skip")
    ),
    "ignores_filters",
    "padded_in_front",
    "wants_many_items",
    "ignores_the_seed",
    "changes_its_mind",
    "fails_on_nothing",
    "fails_on_everything",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_fails_the_check_for_its_fault(name: str, tmp_path: Path) -> None:
    body, expected, detail = BROKEN[name]
    found = findings(tmp_path, name, body)
    assert found[expected].outcome == FAILED
    assert detail in found[expected].detail
    assert "\n" not in found[expected].detail
    assert failed(found) == {expected} or name in SEVERAL_CHECKS


def test_a_sound_plugin_passes_every_check(tmp_path: Path) -> None:
    found = findings(tmp_path, "sound", "class Plain(Sound): ...")
    assert {finding.outcome for finding in found.values()} == {OK}
    assert found["declared parameters"].detail == "5 values of 2 parameter(s)"
    assert found["counters"].detail == "distances 12,000"


def test_an_approximate_plugin_passes_above_the_lowest_recall(tmp_path: Path) -> None:
    found = findings(tmp_path, "approximate", search("ids[:, 8:] = -1"))
    assert failed(found) == set()
    assert found[EXAMPLE].detail == "recall 0.800"


def test_the_most_thorough_setting_is_the_last_value_of_what_is_swept(tmp_path: Path) -> None:
    body = search("ids[:, 3 if self.effort < 1 else k :] = -1")
    assert failed(findings(tmp_path, "needs_effort", body)) == set()
    unswept = PARAMS.replace("sweep = true", "sweep = false")
    assert EXAMPLE in failed(findings(tmp_path, "needs_effort_too", body, unswept))


def test_only_methods_that_say_so_may_return_items_that_do_not_match(tmp_path: Path) -> None:
    body = search(
        "ids[:, -1] = [next((i for i in range(len(self.vectors)) if i not in row), -1) for row in ids]"
    )
    found = findings(tmp_path, "inexact_filter", body)
    assert "does not match the filter" in found[EXAMPLE].detail
    found = findings(tmp_path, "says_so", body.replace("(Sound):", "(Sound):\n    exact_filter = False"))
    assert found[EXAMPLE] == Finding(EXAMPLE, OK, "recall 0.900")


def test_what_a_plugin_does_not_claim_does_not_apply(tmp_path: Path) -> None:
    found = findings(tmp_path, "unfiltered", "class Plain(Sound):\n    filters = frozenset()")
    assert failed(found) == set()
    assert found["answers, unfiltered"].outcome == OK
    for name in ("answers, filter EM", "no item matches", "every item matches"):
        assert found[name] == Finding(name, NOT_APPLICABLE, "it does not claim EM")
    assert found["k above the number of items"].outcome == OK


def test_one_build_serves_every_workload_of_a_plugin_that_says_so(tmp_path: Path) -> None:
    body = """
    class Plain(Sound):
        builds_on_attributes = {}
        builds = 0
        def build(self, items, threads):
            super().build(items, threads)
            type(self).builds += 1
            assert type(self).builds < 30
    """
    assert failed(findings(tmp_path, "builds_once", body.format(False))) == set()
    assert failed(findings(tmp_path, "builds_often", body.format(True)))


def test_what_a_plugin_skips_does_not_apply(tmp_path: Path) -> None:
    body = """
    class Plain(Sound):
        @classmethod
        def skip(cls, dataset, workload):
            return None if workload.filter else "filtered search only"
        def search(self, queries, k, selection):
            assert selection is not None
            return super().search(queries, k, selection)
    """
    found = findings(tmp_path, "filtered", body)
    assert failed(found) == set()
    name = "answers, unfiltered"
    assert found[name] == Finding(name, NOT_APPLICABLE, "filtered search only")


def test_attributes_that_no_filter_uses_are_not_shown_to_a_plugin(tmp_path: Path) -> None:
    body = """
    class Plain(Sound):
        def build(self, items, threads):
            super().build(items, threads)
            assert len(items.attributes) <= 3
    """
    assert failed(findings(tmp_path, "looks_round", body)) == set()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("", "defines 0 subclasses of Algorithm"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_an_error(body: str, message: str, tmp_path: Path) -> None:
    name = f"not_loaded_{len(body)}"
    with pytest.raises(PluginError, match=message):
        check(registry.from_folder(write(tmp_path, name, body)))


def test_a_broken_declaration_is_an_error(tmp_path: Path) -> None:
    folder = write(
        tmp_path, "badly_declared", "class Plain(Sound): ...", PARAMS.replace("[1, 2, 4]", "[0, 1]")
    )
    with pytest.raises(PluginError, match=r"build\.size: values=0 is too small"):
        check(registry.from_folder(folder))


@pytest.mark.parametrize("name", registry.plugins())
def test_bundled_plugins_pass(name: str) -> None:
    assert [finding for finding in suite.run(registry.find(name)) if finding.outcome == FAILED] == []


def test_a_plugin_is_checked_in_a_process_of_its_own(tmp_path: Path) -> None:
    """That ends with it, and whose other output does no harm."""
    body = """
    import os, subprocess
    class Plain(Sound):
        def build(self, items, threads):
            super().build(items, threads)
            print('{"event": "done"}')
            os.write(1, b'{"event": "found"}\\n')
            self.server = subprocess.Popen(["sleep", "1000"])
        def counters(self):
            return {"distances": self.computed, "pid": os.getpid()} if self.computed else {}
        def close(self):
            if hasattr(self, "server"):
                self.server.kill()
                self.server.wait()
    """
    told: list[Finding] = []
    found = check(registry.from_folder(write(tmp_path, "talkative", body)), told.append)
    assert told == found
    assert [finding for finding in found if finding.outcome == FAILED] == []
    (counters,) = [finding.detail for finding in found if finding.check == "counters"]
    assert f"pid {os.getpid():,}" not in counters


@pytest.mark.parametrize(
    ("deed", "detail"),
    [
        ("ctypes.string_at(0)", "ended its process: SIGSEGV"),
        ("os._exit(3)", "ended its process: exit code 3"),
        ("time.sleep(3600)", "over 5 s"),
    ],
)
def test_what_ends_the_process_is_a_finding_and_the_other_checks_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, detail: str
) -> None:
    monkeypatch.setattr(process, "CHECK_SECONDS", 5.0)
    body = f"""
    import ctypes, os, time
    class Plain(Sound):
        def save(self, folder):
            {deed}
    """
    name = f"deadly_{len(deed)}"
    found = {f.check: f for f in check(registry.from_folder(write(tmp_path, name, body)))}
    assert failed(found) == {"save and load"}
    assert found["save and load"].detail == detail
    assert found["close"].outcome == OK


def test_a_plugin_that_ends_its_process_at_once_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"cannot begin: ended its process: exit code 7 \(bye\)"):
        check(registry.from_folder(write(tmp_path, "leaves", "import os\nos.write(2, b'bye')\nos._exit(7)")))


def test_a_plugin_with_an_interpreter_of_its_own_is_checked_by_that(tmp_path: Path) -> None:
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nOWN_INTERPRETER=yes exec {sys.executable} "$@"\n')
    launcher.chmod(0o755)
    body = """
    import os
    class Plain(Sound):
        def build(self, items, threads):
            assert os.environ.get("OWN_INTERPRETER") == "yes"
            super().build(items, threads)
    """
    params = PARAMS.replace("summary =", f'interpreter = "{launcher}"\nsummary =')
    found = check(registry.from_folder(write(tmp_path, "elsewhere", body, params)))
    assert [finding for finding in found if finding.outcome == FAILED] == []


def test_what_close_leaves_behind_is_told_by_name(tmp_path: Path) -> None:
    body = """
    import subprocess
    class Plain(Sound):
        def build(self, items, threads):
            super().build(items, threads)
            type(self).servers.append(subprocess.Popen(["sleep", "1234"]))
        servers = []
    """
    found = findings(tmp_path, "leaving", body)
    try:
        assert failed(found) == {"close"}
        assert found["close"].detail == "close leaves a process: sleep 1234"
    finally:
        for child in psutil.Process().children():
            if child.cmdline()[:1] == ["sleep"]:
                child.kill()
                child.wait()


@pytest.mark.parametrize(
    ("close", "detail"),
    [
        ("del self.vectors", "AttributeError: "),
        ("time.sleep(0.06)", "close took 0 s; it has 0.1 s"),
    ],
)
def test_closing_is_quick_and_can_be_done_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, close: str, detail: str
) -> None:
    monkeypatch.setattr(suite, "CLOSE_SECONDS", 0.1)
    body = f"import time\nclass Plain(Sound):\n    def close(self):\n        {close}"
    found = findings(tmp_path, f"closing_{sum(map(ord, close))}", body)
    assert failed(found) == {"close"}
    assert found["close"].detail.startswith(detail)


@pytest.mark.parametrize(
    ("steps", "detail"),
    [
        ("(1, 2), (2, 2)", None),
        ("(2, 4), (1, 4), (4, 4)", "progress goes back"),
        ("(1, 2)", "a build ends at 1 of 2"),
        ("(3, 2)", "progress says 3 of 2"),
        ("(0.5, 1), (1, 1)", "progress is told by integers, not by 0.5"),
    ],
)
def test_progress_goes_forward_to_the_end(tmp_path: Path, steps: str, detail: str | None) -> None:
    body = f"""
    class Plain(Sound):
        def build(self, items, threads):
            super().build(items, threads)
            for done, total in [{steps}]:
                self.progress(done, total)
    """
    found = findings(tmp_path, f"progress_{sum(map(ord, steps))}", body)
    assert failed(found) == ({"progress"} if detail else set())
    assert detail is None or found["progress"].detail == detail


NARROWING = """
class Plain(Sound):
    filters = frozenset({classs})
    def __init__(self, metric, seed, size):
        super().__init__(metric, seed, size)
        if size == 4:
            self.filters = frozenset({instance})
            self.exact_filter = {exact}
    def search(self, queries, k, selection):
        if self.size == 4 and selection is not None and selection.filter.kind not in self.filters:
            raise ValueError("not served")
        if self.size != 4:
            return super().search(queries, k, selection)
        return super().search(queries, k, None)
"""


@pytest.mark.parametrize(
    ("classs", "instance", "exact", "wrong"),
    [
        (["EM", "R"], ["R"], False, set()),
        (["EM"], ["EM"], False, set()),
        (["EM"], ["EM"], True, {"declared parameters"}),
        (["EM"], ["EM", "R"], False, {"what it serves"}),
    ],
)
def test_what_is_served_and_how_exactly_may_depend_on_build_parameters(
    tmp_path: Path, classs: list[str], instance: list[str], exact: bool, wrong: set[str]
) -> None:
    body = NARROWING.format(classs=classs, instance=instance, exact=exact)
    name = f"narrowing_{len(classs)}_{len(instance)}_{exact}".lower()
    assert failed(findings(tmp_path, name, body)) == wrong
