"""What `params.toml` declares about an algorithm: every parameter, its values, and named presets.

    summary = "One line: what it is"
    source = "Paper or library it implements"
    libraries = ["hnswlib"]            # PyPI names; their versions are recorded with every result
    interpreter = "/opt/x/bin/python"  # only where another Python than fannsbench's must run it

    [build.M]
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
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from fannsbench.errors import PluginError, UnknownNameError, UserError

Value = int | float | bool | str
Settings = dict[str, Value]
"""Parameter values by name, in the order of declaration."""

_TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


class Parameter(BaseModel):
    """One declared parameter."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["int", "float", "bool", "str"]
    default: Value
    values: list[Value]
    help: str
    minimum: float | None = None
    maximum: float | None = None
    sweep: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for value in (self.default, *self.values):
            self.check("value", value)
        return self

    def check(self, name: str, value: Any) -> Value:
        """The value as this parameter's type; raises UserError if it is not one or out of range."""
        wanted = _TYPES[self.type]
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise UserError(f"{name} must be {self.type}, not {value!r}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = self.minimum, self.maximum
            if not (low is None or value >= low) or not (high is None or value <= high):
                raise UserError(f"{name}={value} is out of range {_range(low, high)}")
        return value  # type: ignore[no-any-return]

    def read(self, name: str, text: str) -> Value:
        """The value that a command line's text stands for; raises UserError."""
        try:
            if self.type == "bool":
                return {"true": True, "false": False}[text.strip().lower()]
            value: Value = _TYPES[self.type](text.strip())
        except (ValueError, KeyError):
            expected = "true or false" if self.type == "bool" else f"of type {self.type}"
            raise UserError(f"{name}={text} is not {expected}") from None
        return self.check(name, value)


def _range(low: float | None, high: float | None) -> str:
    return f"{'..' if low is None else f'{low:g} to '}{'..' if high is None else f'{high:g}'}"


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
            return cls.model_validate(tomllib.loads(path.read_text()))
        except OSError as error:
            raise PluginError(f"{path}: {error.strerror}; a plugin declares its parameters there") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise PluginError(f"{path} is not TOML: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise PluginError(f"{path}: {place}: {first['msg']}") from None
        except UserError as error:
            raise PluginError(f"{path}: {error}") from None

    def parameter(self, name: str) -> Parameter:
        """Raises UnknownNameError."""
        declared = {**self.build, **self.search}
        if name not in declared:
            raise UnknownNameError("parameter", name, declared)
        return declared[name]
