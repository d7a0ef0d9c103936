"""What `params.toml` declares about an algorithm: what it is and needs, every parameter, named presets.

    summary = "One line: what it is"
    source = "Paper or library it implements"
    family = "library"                 # where lists put it: library, exact, versatile (any filter),
                                       # specialised (some filters), engine, planner; "other" if not named
    libraries = ["hnswlib>=0.8"]       # PyPI names; their versions are recorded with every result

    [requires]                         # of the machine; each is optional
    extra = "engines"                  # what brings the libraries: pip install 'fannsbench[engines]'
    executables = ["postgres"]         # on PATH; {postgres = "postgresql"} names Debian's package too
    platforms = ["linux-x86_64"]       # one of these, system and machine as in sysconfig.get_platform()
    instructions = ["avx2"]            # flags (or Features) in /proc/cpuinfo

    [build.M]                          # an argument of the plugin's __init__; [search.x] of configure
    type = "int"                       # int, float, bool or str
    default = 16
    values = [8, 16, 32]               # ordered: what a sweep or a search walks along
    minimum = 2                        # optional, as is maximum
    help = "One line of meaning"

    [search.ef]
    ...
    sweep = true                       # swept over its values when the user names no sweep

    [presets.paper]
    M = 32

An algorithm runs in fannsbench's own Python unless it says otherwise, in one of two ways:

    [environment]                      # made by `fannsbench algorithms install NAME`; see `environments`
    requirements = ["engine==1.2.3"]   # as pip takes them
    python = "python3.12"              # optional: another Python than fannsbench's

    interpreter = "/opt/x/bin/python"  # before all tables: one that the user keeps, fannsbench in it

In both cases fannsbench's own Python still imports `plugin.py` to learn what the algorithm serves, so the
plugin imports its library where it uses it; `libraries` are those that the other Python sees.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast, get_args

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from fannsbench.errors import PluginError, UnknownNameError, UserError

Family = Literal["library", "exact", "versatile", "specialised", "engine", "planner", "other"]
FAMILIES: tuple[Family, ...] = get_args(Family)
"""In the order in which lists show them."""
Value = int | float | bool | str
Settings = dict[str, Value]
"""Parameter values by name, in the order of declaration."""

_TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


class Parameter(BaseModel):
    """One declared parameter; its default and values are of its type."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["int", "float", "bool", "str"]
    default: Value
    values: list[Value] = Field(min_length=1)
    help: str
    minimum: float | None = None
    maximum: float | None = None
    sweep: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Self:
        try:
            self.default = self.check("default", self.default)
            self.values = [self.check("values", value) for value in self.values]
        except UserError as error:
            raise ValueError(error) from None  # pydantic adds the place
        return self

    def check(self, name: str, value: Any) -> Value:
        """The value as this parameter's type; raises UserError if it is not one or out of range."""
        wanted = _TYPES[self.type]
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise UserError(f"{name} must be {self.type}, not {value!r}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise UserError(f"{name}={value} is not a finite number")
            if self.minimum is not None and value < self.minimum:
                raise UserError(f"{name}={value} is too small; it is at least {self.minimum:g}")
            if self.maximum is not None and value > self.maximum:
                raise UserError(f"{name}={value} is too large; it is at most {self.maximum:g}")
        return cast(Value, value)

    def read(self, name: str, text: str) -> Value:
        """The value that a command line's text stands for; raises UserError."""
        try:
            if self.type == "bool":
                return {"true": True, "false": False}[text.strip().lower()]
            value = _TYPES[self.type](text.strip())
        except (ValueError, KeyError):
            expected = "true or false" if self.type == "bool" else f"of type {self.type}"
            raise UserError(f"{name}={text} is not {expected}") from None
        return self.check(name, value)


def defaults(declared: Mapping[str, Parameter]) -> Settings:
    """The default of each of them."""
    return {name: parameter.default for name, parameter in declared.items()}


def _requirement(text: str) -> str:
    try:
        Requirement(text)
    except InvalidRequirement:
        raise ValueError(f"{text!r} is not a requirement such as 'hnswlib>=0.8'") from None
    return text


def _library(text: str) -> str:
    parts = Requirement(_requirement(text))
    if parts.url or parts.marker or parts.extras:
        raise ValueError(f"{text!r} is more than a name and versions, such as 'hnswlib>=0.8'")
    return text


class Requires(BaseModel):
    """What an algorithm needs of the machine; `prerequisites` tells what of it is missing."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    extra: str | None = None
    executables: dict[str, str] = {}
    """Debian's package for each, or ""."""
    platforms: list[str] = []
    instructions: list[str] = []

    @field_validator("executables", mode="before")
    @classmethod
    def _without_packages(cls, value: Any) -> Any:
        named = isinstance(value, list) and all(isinstance(name, str) for name in value)
        return dict.fromkeys(value, "") if named else value


class OwnEnvironment(BaseModel):
    """The Python of its own that an algorithm asks for; `environments` makes it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    requirements: list[Annotated[str, AfterValidator(_requirement)]] = Field(min_length=1)
    python: str | None = None


class Declaration(BaseModel):
    """The whole of one `params.toml`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    summary: str
    source: str = ""
    family: Family = "other"
    libraries: list[Annotated[str, AfterValidator(_library)]] = []
    requires: Requires = Requires()
    interpreter: str | None = None
    environment: OwnEnvironment | None = None
    build: dict[str, Parameter] = {}
    search: dict[str, Parameter] = {}
    presets: dict[str, Settings] = {}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.interpreter and self.environment:
            raise UserError("interpreter and [environment] both name the Python that runs it; keep one")
        if self.requires.extra and not self.libraries:
            raise UserError("requires.extra is what brings the libraries, but none are named")
        if self.requires.extra and (self.interpreter or self.environment):
            raise UserError("requires.extra is installed into fannsbench's own Python, but another runs it")
        if both := self.build.keys() & self.search.keys():
            raise UserError(f"{sorted(both)[0]} is declared for build and for search; names must differ")
        for preset, settings in self.presets.items():
            for name, value in settings.items():
                self.parameter(name).check(f"preset {preset}: {name}", value)
        return self

    @classmethod
    def read(cls, path: Path) -> Declaration:
        """Raises PluginError with the place of what is wrong."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text("utf-8")))
        except OSError as error:
            raise PluginError(f"{path}: {error.strerror}; a plugin declares its parameters there") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise PluginError(f"{path} is not TOML: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            raise PluginError(f"{path}: {place}: {message}") from None
        except UserError as error:
            raise PluginError(f"{path}: {error}") from None

    def parameter(self, name: str) -> Parameter:
        """Raises UnknownNameError."""
        declared = {**self.build, **self.search}
        if name not in declared:
            raise UnknownNameError("parameter", name, declared)
        return declared[name]
