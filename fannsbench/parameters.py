"""What `params.toml` declares about an algorithm: every parameter, its values, and named presets.

    summary = "One line: what it is"
    source = "Paper or library it implements"
    libraries = ["hnswlib"]            # PyPI names; their versions are recorded with every result
    interpreter = "/opt/x/bin/python"  # only where another Python than fannsbench's must run it

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

Where another interpreter is named, fannsbench's own still imports `plugin.py` to learn what the algorithm
serves, so the plugin imports its library where it uses it.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fannsbench.errors import PluginError, UnknownNameError, UserError

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


class Declaration(BaseModel):
    """The whole of one `params.toml`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    summary: str
    source: str = ""
    libraries: list[str] = []
    interpreter: str | None = None
    build: dict[str, Parameter] = {}
    search: dict[str, Parameter] = {}
    presets: dict[str, Settings] = {}

    @model_validator(mode="after")
    def _sound(self) -> Self:
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
