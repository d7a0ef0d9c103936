"""What params.toml may say, and what is said where it is wrong."""

from __future__ import annotations

import re

import pytest

from fannsbench.errors import PluginError, UnknownNameError, UserError
from fannsbench.parameters import FAMILIES, Declaration, Parameter, Requires, defaults

SOUND = """
summary = "A graph für alles"
source = "A paper"
libraries = ["numpy"]

[build.M]
type = "int"
default = 16
values = [8, 16, 32]
minimum = 2
maximum = 64
help = "Edges"

[build.alpha]
type = "float"
default = 1
values = [1, 1.2]
minimum = 1
help = "Pruning"

[search.ef]
type = "int"
default = 10
values = [10, 20]
help = "Pool"
sweep = true

[search.exact]
type = "bool"
default = false
values = [false, true]
help = "All"

[search.order]
type = "str"
default = "near"
values = ["near", "far"]
help = "Order"

[presets.paper]
M = 32
ef = 100
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "params.toml"
        path.write_text(text, "utf-8")
        return Declaration.read(path)

    return read


def test_a_sound_declaration(read):
    declaration = read(SOUND)
    assert (declaration.summary, declaration.source) == ("A graph für alles", "A paper")
    assert (declaration.libraries, declaration.interpreter) == (["numpy"], None)
    assert list(declaration.build) == ["M", "alpha"]
    assert list(declaration.search) == ["ef", "exact", "order"]
    assert defaults(declaration.build) == {"M": 16, "alpha": 1.0}
    assert declaration.presets == {"paper": {"M": 32, "ef": 100}}
    assert [p.sweep for p in declaration.search.values()] == [True, False, False]
    assert declaration.parameter("M") is declaration.build["M"]
    with pytest.raises(UnknownNameError, match="unknown parameter 'eff'; did you mean ef"):
        declaration.parameter("eff")


def test_values_are_of_the_declared_type(read):
    alpha = read(SOUND).parameter("alpha")
    assert [repr(value) for value in (alpha.default, *alpha.values)] == ["1.0", "1.0", "1.2"]


def test_the_least_that_a_declaration_needs(read):
    declaration = read('summary = "x"')
    assert (declaration.build, declaration.search, declaration.presets) == ({}, {}, {})
    assert (declaration.family, declaration.libraries, declaration.environment) == ("other", [], None)
    assert declaration.requires == Requires(extra=None, executables={}, platforms=[], instructions=[])


def test_what_an_algorithm_needs(read):
    declaration = read("""
        summary = "An engine"
        family = "engine"
        libraries = ["engine-client>=1.2,<2", "numpy"]
        [requires]
        extra = "engines"
        executables = ["postgres", "psql"]
        platforms = ["linux-x86_64", "linux-aarch64"]
        instructions = ["avx2"]
    """)
    assert (declaration.family, declaration.libraries) == ("engine", ["engine-client>=1.2,<2", "numpy"])
    requires = declaration.requires
    assert (requires.extra, requires.executables) == ("engines", {"postgres": "", "psql": ""})
    assert (requires.platforms, requires.instructions) == (["linux-x86_64", "linux-aarch64"], ["avx2"])
    named = read('summary = "x"\n[requires]\nexecutables = {postgres = "postgresql"}')
    assert named.requires.executables == {"postgres": "postgresql"}


def test_an_environment_of_its_own(read):
    text = 'summary = "x"\n[environment]\nrequirements = ["engine[fast]==1.2.3", "numpy"]\n'
    environment = read(text).environment
    assert (environment.requirements, environment.python) == (["engine[fast]==1.2.3", "numpy"], None)
    assert read(text + 'python = "python3.12"').environment.python == "python3.12"


def test_families_are_those_of_the_documentation():
    assert FAMILIES == ("library", "exact", "versatile", "specialised", "engine", "planner", "other")


def changed(old, new):
    assert SOUND.count(old) == 1
    return SOUND.replace(old, new)


FAULTS = {
    "no TOML": ("summary = ", "is not TOML: "),
    "no summary": ('source = "x"', "summary: Field required"),
    "unknown table": (SOUND + "[tuning]\n", "tuning: Extra inputs are not permitted"),
    "unknown field": (changed("sweep = true", "swept = true"), "search.ef.swept: Extra inputs"),
    "unknown type": (changed('type = "bool"', 'type = "flag"'), "search.exact.type: "),
    "no default": (changed("default = 16\n", ""), "build.M.default: Field required"),
    "no values": (changed("values = [8, 16, 32]\n", ""), "build.M.values: Field required"),
    "no value at all": (changed("[8, 16, 32]", "[]"), "build.M.values: List should have at least 1 item"),
    "no help": (changed('help = "Edges"\n', ""), "build.M.help: Field required"),
    "float for an int": (changed("default = 16", "default = 16.5"), "build.M: default must be int, not 16.5"),
    "text for an int": (changed("default = 16", 'default = "16"'), "M: default must be int, not '16'"),
    "bool for an int": (changed("default = 16", "default = true"), "M: default must be int, not True"),
    "int for a bool": (changed("[false, true]", "[false, 1]"), "search.exact: values must be bool, not 1"),
    "int for a text": (changed('["near", "far"]', '["near", 3]'), "order: values must be str, not 3"),
    "list for a value": (changed("default = 16", "default = [16]"), "build.M.default"),
    "default too small": (changed("default = 16", "default = 1"), "default=1 is too small; it is at least 2"),
    "value too large": (changed("[8, 16, 32]", "[8, 65]"), "M: values=65 is too large; it is at most 64"),
    "not finite": (changed("[1, 1.2]", "[1, inf]"), "build.alpha: values=inf is not a finite number"),
    "minimum is text": (changed("minimum = 2", 'minimum = "2"'), "build.M.minimum: "),
    "build and search": (changed("[search.exact]", "[search.M]"), "M is declared for build and for search"),
    "preset of nothing": (changed("ef = 100", "eff = 100"), "unknown parameter 'eff'; did you mean ef"),
    "preset out of range": (changed("M = 32\nef", "M = 65\nef"), "preset paper: M=65 is too large"),
    "preset of text": (changed("M = 32\nef", 'M = "x"\nef'), "preset paper: M must be int, not 'x'"),
    "unknown family": (changed('source = "A paper"', 'family = "fast"'), "family: Input should be 'library'"),
    "library of pip's": (changed('["numpy"]', '["-r x"]'), "libraries.0: '-r x' is not a requirement"),
    "library with more": (
        changed('["numpy"]', "[\"numpy; python_version > '3'\"]"),
        "libraries.0: \"numpy; python_version > '3'\" is more than a name and versions",
    ),
    "unknown need": (SOUND + "[requires]\ngpu = true", "requires.gpu: Extra inputs"),
    "executable no name": (SOUND + "[requires]\nexecutables = [1]", "requires.executables: "),
    "extra of nothing": (
        changed('libraries = ["numpy"]', "") + '[requires]\nextra = "engines"',
        "requires.extra is what brings the libraries, but none are named",
    ),
    "extra in another Python": (
        SOUND + '[requires]\nextra = "x"\n[environment]\nrequirements = ["x"]',
        "requires.extra is installed into fannsbench's own Python, but another runs it",
    ),
    "interpreter and environment": (
        changed('source = "A paper"', 'interpreter = "/python"') + '[environment]\nrequirements = ["x"]',
        "interpreter and [environment] both name the Python that runs it; keep one",
    ),
    "environment of nothing": (SOUND + "[environment]\nrequirements = []", "environment.requirements: List"),
    "environment without any": (SOUND + "[environment]", "environment.requirements: Field required"),
    "no requirement": (
        SOUND + '[environment]\nrequirements = ["x", "engine 1.2"]',
        "environment.requirements.1: 'engine 1.2' is not a requirement such as",
    ),
    "libraries no list": (changed('["numpy"]', '"numpy"'), "libraries: Input should be a valid list"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_its_place(read, tmp_path, fault):
    text, says = FAULTS[fault]
    with pytest.raises(PluginError, match=re.escape(says)) as error:
        read(text)
    assert str(error.value).startswith(str(tmp_path / "params.toml"))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_utf8_or_not_there(tmp_path):
    (tmp_path / "params.toml").write_bytes(b'summary = "\xff"')
    with pytest.raises(PluginError, match=r"params\.toml is not TOML"):
        Declaration.read(tmp_path / "params.toml")
    with pytest.raises(PluginError, match="No such file or directory; a plugin declares"):
        Declaration.read(tmp_path / "none.toml")


def parameter(kind, **limits):
    value = {"int": 4, "float": 4.0, "bool": True, "str": "x"}[kind]
    return Parameter(type=kind, default=value, values=[value], help="h", **limits)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "16", 16),
        ("int", " -3 ", -3),
        ("float", "16", 16.0),
        ("float", "1e-3", 0.001),
        ("bool", "True", True),
        ("bool", "false", False),
        ("str", "near", "near"),
    ],
)
def test_texts_of_a_command_line_become_values(kind, text, value):
    found = parameter(kind).read("x", text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("int", "16.0", "x=16.0 is not of type int"),
        ("int", "", "x= is not of type int"),
        ("int", "1", "x=1 is too small; it is at least 2"),
        ("int", "9", "x=9 is too large; it is at most 8"),
        ("float", "fast", "x=fast is not of type float"),
        ("float", "nan", "x=nan is not a finite number"),
        ("float", "inf", "x=inf is not a finite number"),
        ("float", "1.999", "x=1.999 is too small"),
        ("bool", "1", "x=1 is not true or false"),
    ],
)
def test_other_texts_are_refused(kind, text, says):
    limits = {} if kind == "bool" else {"minimum": 2, "maximum": 8}
    with pytest.raises(UserError, match=re.escape(says)):
        parameter(kind, **limits).read("x", text)


def test_limits_are_allowed_values():
    checked = parameter("int", minimum=4, maximum=4)
    assert checked.read("x", "4") == 4
