"""From requests to jobs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import harness
import plugins
import pytest
from harness import Bench

from fannsbench import machine
from fannsbench.errors import UserError
from fannsbench.run import plan
from fannsbench.run.job import Job

PARAMS = (
    plugins.parameter("build.M", "int", 16, [8, 16, 32], minimum=2)
    + plugins.parameter("build.rate", "float", 0.5, [0.5, 1.0])
    + plugins.parameter("search.ef", "int", 40, [10, 40, 80], sweep=True)
    + plugins.parameter("search.exact", "bool", False)
    + "[presets.paper]\nM = 32\nef = 100\n[presets.dense]\nM = 64\n"
)


@pytest.fixture
def graph(bench: Bench) -> Bench:
    """With an algorithm `graph` of two build and two search parameters."""
    bench.plugin("graph", "class Plugin(Plain):\n    builds_on_attributes = True", PARAMS)
    return bench


def builds(planned: plan.Plan) -> list[tuple[Any, ...]]:
    return [tuple(job.build.values()) for job in planned.jobs]


def searches(planned: plan.Plan) -> list[tuple[Any, ...]]:
    return [tuple(setting.search.values()) for setting in planned.settings]


NARROWING = """
class Plugin(Plain):
    def __init__(self, metric, seed, narrow):
        super().__init__(metric, seed)
        if narrow:
            self.filters = frozenset({"EM"})
"""


def test_what_is_served_may_depend_on_build_parameters(bench: Bench) -> None:
    bench.plugin("narrowing", NARROWING, plugins.parameter("build.narrow", "bool", False, [False, True]))
    planned = bench.plan("narrowing", workloads=["em", "r"], sweeps={"narrow": ["false", "true"]})
    assert [(job.build["narrow"], job.workloads) for job in planned.jobs] == [
        (False, ["em", "r"]), (True, ["em"]),
    ]  # fmt: skip
    assert planned.skipped == ["narrowing, r: it does not serve R filters (it serves EM)"]


def test_what_is_not_named_is_swept_or_at_its_default(graph: Bench) -> None:
    planned = graph.plan("graph")
    assert builds(planned) == [(16, 0.5)]
    assert searches(planned) == [(10, False), (40, False), (80, False)]


@pytest.mark.parametrize(
    ("options", "expected_builds", "expected_searches"),
    [
        ({"fixed": {"M": "4", "ef": "7"}}, [(4, 0.5)], [(7, False)]),
        ({"fixed": {"rate": "2", "exact": "TRUE"}}, [(16, 2.0)], [(10, True), (40, True), (80, True)]),
        ({"sweeps": {"M": ["4", "8"], "ef": ["1"]}}, [(4, 0.5), (8, 0.5)], [(1, False)] * 2),
        ({"sweeps": {"ef": ["9", "5", "9"]}}, [(16, 0.5)], [(9, False), (5, False)]),
        ({"preset": "paper"}, [(32, 0.5)], [(100, False)]),
        ({"preset": "paper", "fixed": {"M": "2"}}, [(2, 0.5)], [(100, False)]),
        ({"preset": "paper", "sweeps": {"ef": ["1", "2"]}}, [(32, 0.5)], [(1, False), (2, False)]),
        ({"preset": "dense"}, [(64, 0.5)], [(10, False), (40, False), (80, False)]),
        (
            {"sweeps": {"ef": ["1"], "exact": ["true", "false"], "rate": ["0.1", "0.2"]}},
            [(16, 0.1), (16, 0.2)],
            [(1, True), (1, False)] * 2,
        ),
    ],
)
def test_combinations(
    graph: Bench, options: dict[str, Any], expected_builds: list[Any], expected_searches: list[Any]
) -> None:
    planned = graph.plan("graph", **options)
    assert builds(planned) == expected_builds
    assert searches(planned) == expected_searches
    types = [type(value) for value in (*planned.jobs[0].build.values(), *planned.settings[0].search.values())]
    assert types == [int, float, int, bool]


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["stiched"], {}, "unknown algorithm 'stiched'; did you mean stitched-vamana?"),
        (["graph"], {"fixed": {"eff": "3"}}, "unknown parameter 'eff'; did you mean ef?"),
        (["graph"], {"sweeps": {"m": ["3"]}}, "unknown parameter 'm'; known: M, ef, exact, rate"),
        (["graph"], {"preset": "papers"}, "unknown preset 'papers'; did you mean paper?"),
        (["graph"], {"workloads": ["en"]}, "unknown workload of tiny 'en'; did you mean em"),
        (["graph"], {"fixed": {"M": "many"}}, "M=many is not of type int"),
        (["graph"], {"fixed": {"M": "1"}}, "M=1 is too small; it is at least 2"),
        (["graph"], {"sweeps": {"ef": ["1", ""]}}, "ef= is not of type int"),
        (["graph"], {"fixed": {"rate": "nan"}}, "rate=nan is not a finite number"),
        (["graph"], {"fixed": {"exact": "yes"}}, "exact=yes is not true or false"),
        (["graph"], {"k": 21}, "-k 21: the truth of tiny, workload none, holds 20 neighbours a query"),
        (["graph"], {"threads": 10_000}, "--threads 10000: this process may use "),
        (["graph"], {"build_threads": 10_000}, "--build-threads 10000: this process may use "),
    ],
)
def test_what_cannot_be_is_refused(
    graph: Bench, names: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        graph.plan(*names, **options)


def test_without_named_workloads_the_basic_ones_are_measured(graph: Bench) -> None:
    assert [job.workloads for job in graph.plan("graph", workloads=[]).jobs] == [
        ["none"],
        ["em"],
        ["r"],
        ["emis"],
    ]
    everything = graph.plan("graph", workloads=["all"]).jobs
    assert sorted(name for job in everything for name in job.workloads) == ["c", "em", "emis", "none", "r"]
    assert [job.workloads for job in graph.plan("graph", workloads=["c", "em", "c"]).jobs] == [["c"], ["em"]]
    graph.dataset = harness.write_unfiltered(graph.folder / "bare.h5")
    assert [job.workloads for job in graph.plan("graph", workloads=[]).jobs] == [["none"]]


def test_one_job_serves_all_workloads_if_the_build_knows_no_attributes(graph: Bench) -> None:
    graph.plugin("free")
    (job,) = graph.plan("free", workloads=["none", "em"]).jobs
    assert [setting.workload for setting in job.settings] == ["none", "em"]


def test_what_does_not_fit_is_skipped_with_its_reason(bench: Bench) -> None:
    bench.plugin("fits", "class Plugin(Plain):\n    filters = frozenset()")
    bench.plugin("metric", "class Plugin(Plain):\n    metrics = frozenset({Metric.COSINE})")
    bench.plugin(
        "picky",
        """
        class Plugin(Plain):
            @classmethod
            def skip(cls, dataset, workload):
                return f"{dataset.n} items are too few" if workload.kind else None
        """,
    )
    bench.plugin("raising", "class Plugin(Plain):\n    @classmethod\n    def skip(cls, *_): return 1 / 0")
    bench.plugin("foreign", "import not_installed_anywhere\nclass Plugin(Plain): ...")
    bench.plugin("needy", "class Plugin(Plain): ...", 'summary = "x"\nlibraries = ["not-installed-anywhere"]')
    bench.plugin("broken", "class Plugin(Plain): ...", "summary = 3")
    planned = bench.plan("all", workloads=["none", "em"])
    measured = {(setting.identity["algorithm"], setting.workload) for setting in planned.settings}
    ours = {"fits", "metric", "picky", "raising", "foreign", "needy", "broken"}
    assert {pair for pair in measured if pair[0] in ours} == {("fits", "none"), ("picky", "none")}
    reasons = {tuple(text.split(": ", 1)) for text in planned.skipped if re.split("[,:]", text)[0] in ours}
    reasons_of = dict(reasons)
    assert reasons_of["fits, em"] == "it does not serve EM filters (it serves unfiltered search only)"
    assert reasons_of["metric, none"] == reasons_of["metric, em"] == "it knows no euclidean distance"
    assert reasons_of["picky, em"] == "300 items are too few"
    assert reasons_of["raising, none"] == "its skip() raised ZeroDivisionError: division by zero"
    assert "No module named 'not_installed_anywhere'" in reasons_of["foreign"]
    assert "it needs not-installed-anywhere: pip install not-installed-anywhere" in reasons_of["needy"]
    assert "params.toml: summary" in reasons_of["broken"]


def test_a_named_algorithm_that_cannot_be_used_is_an_error(bench: Bench) -> None:
    bench.plugin("fits", "class Plugin(Plain):\n    filters = frozenset()")
    bench.plugin("foreign", "import not_installed_anywhere\nclass Plugin(Plain): ...")
    with pytest.raises(UserError, match="No module named 'not_installed_anywhere'"):
        bench.plan("foreign")
    with pytest.raises(UserError, match="nothing to run: fits, em: it does not serve EM filters"):
        bench.plan("fits", workloads=["em"])


def test_parameters_must_exist_in_one_of_several_algorithms(graph: Bench) -> None:
    graph.plugin("plain")
    planned = graph.plan("graph", "plain", fixed={"M": "4"}, preset="paper")
    assert [job.build for job in planned.jobs] == [{"M": 4, "rate": 0.5}, {}]


def test_an_algorithm_named_twice_is_run_once(graph: Bench) -> None:
    assert len(graph.plan("graph", "graph").jobs) == 1


IDENTITY_CHANGES: dict[str, dict[str, Any]] = {
    "k": {"k": 9},
    "queries": {"queries": 5},
    "seed": {"seed": 1},
    "build_threads": {"build_threads": 1},
    "build": {"fixed": {"M": "17"}},
    "search": {"fixed": {"exact": "true"}},
    "workload": {"workloads": ["em"]},
}


def test_everything_that_matters_makes_another_result(graph: Bench) -> None:
    def outputs(**options: Any) -> set[Path]:
        return {setting.output for setting in graph.plan("graph", **options).settings}

    seen = outputs()
    assert len(seen) == 3
    for change in IDENTITY_CHANGES.values():
        changed = outputs(**change)
        assert not changed & seen
        seen |= changed
    assert outputs(runs=9) <= seen
    assert outputs(retry="all") <= seen


def test_changed_code_of_a_plugin_makes_another_result(graph: Bench) -> None:
    before = {setting.output for setting in graph.plan("graph").settings}
    code = graph.plugins / "graph" / "plugin.py"
    code.write_text(f"{code.read_text()}\n# another version\n")
    assert not before & {setting.output for setting in graph.plan("graph").settings}


def test_machines_have_folders_of_their_own(graph: Bench) -> None:
    (setting, *_) = graph.plan("graph", machine="left/right").settings
    assert setting.output.relative_to(graph.results).parts[:4] == ("left%2Fright", "tiny", "none", "graph")
    (setting, *_) = graph.plan("graph", machine=None).settings
    assert setting.output.relative_to(graph.results).parts[0] == machine.name()


def test_a_job_survives_the_journey_to_its_worker(graph: Bench) -> None:
    planned = graph.plan("graph", workloads=["none", "em"], fixed={"rate": "3"})
    for job in planned.jobs:
        again = Job.model_validate_json(job.model_dump_json())
        assert again == job
        assert type(again.build["rate"]) is float
        assert again.settings[0].output == job.settings[0].output
