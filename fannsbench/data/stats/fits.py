"""Which of ten named distributions describes values best.

Each is fitted by maximum likelihood. The best has the lowest Bayesian information criterion (Schwarz, 1978),
p ln(m) - 2 ln(L) for p parameters and m values: likelihood alone, like any distance of fit and data,
would always favour a family over its own special cases (Student's t over the normal). How good the best is in
itself the Kolmogorov-Smirnov statistic tells: the greatest difference of the two cumulative
distributions. No p-value is given: of ten thousand values, each real one would reject any family.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

VALUES = 10_000
"""At most so many values, drawn from all, are fitted."""
LEAST = 50
CONSTANT = 1e-3
"""A standard deviation below this share of the mean is rounding: vectors scaled to length 1 and then
stored as float16 or int8 have norms that differ so much."""


@dataclass(frozen=True)
class _Family:
    """One of scipy.stats. positive: of positive values only, from 0 up; bounded: between the sample's
    extremes, which count as two more parameters."""

    scipy: str
    positive: bool = False
    bounded: bool = False


FAMILIES = {
    "normal": _Family("norm"),
    "Student's t": _Family("t"),
    "logistic": _Family("logistic"),
    "skew normal": _Family("skewnorm"),
    "generalised extreme value": _Family("genextreme"),
    "log-normal": _Family("lognorm", positive=True),
    "gamma": _Family("gamma", positive=True),
    "Nakagami": _Family("nakagami", positive=True),  # of distances of normal vectors; chi is a special case
    "Weibull": _Family("weibull_min", positive=True),
    "beta": _Family("beta", bounded=True),
}


@dataclass(frozen=True)
class Fit:
    """A distribution by its name, scipy's name for it, and its parameters as scipy calls them."""

    name: str
    scipy: str
    parameters: dict[str, float]
    bic: float
    ks: float

    @property
    def text(self) -> str:
        """ "Weibull (c 26.7, scale 1.4)"."""
        shown = [
            f"{name} {value:.3g}" for name, value in self.parameters.items() if (name, value) != ("loc", 0)
        ]
        return f"{self.name} ({', '.join(shown)})"

    def density(self, x: np.ndarray) -> np.ndarray:
        density: np.ndarray = _distribution(self.scipy)(**self.parameters).pdf(x)
        return density


@dataclass(frozen=True)
class Fits:
    """Fits in order, the best first; none, and the reason, where nothing can be fitted."""

    ranked: list[Fit]
    no_fit: str | None = None

    @property
    def best(self) -> Fit | None:
        return self.ranked[0] if self.ranked else None


def fit(values: np.ndarray, rng: np.random.Generator) -> Fits:
    """Fit all families that apply to finite values (m,). Where none is negative, zeros (repeated or empty
    vectors) are left out."""
    values = values[np.isfinite(values)]
    if len(values) and values.min() >= 0 and values.max() > 0:
        values = values[values > 0]
    if len(values) and is_constant(values.mean(), values.std()):
        return Fits([], f"constant, {values.mean():.4g} but for rounding")
    if len(values) < LEAST:
        return Fits([], f"{len(values)} values; a fit takes {LEAST}")
    if len(values) > VALUES:
        values = rng.choice(values, VALUES, replace=False)
    found = [_fit(name, values) for name, family in FAMILIES.items() if _applies(family, values)]
    ranked = sorted((one for one in found if one is not None), key=lambda one: one.bic)
    return Fits(ranked, None if ranked else "no distribution could be fitted")


def is_constant(mean: float, std: float) -> bool:
    return std <= CONSTANT * abs(mean)


def _applies(family: _Family, values: np.ndarray) -> bool:
    return not family.positive or bool(values.min() > 0)


def _fit(name: str, values: np.ndarray) -> Fit | None:
    """None where the optimisation does not arrive at a distribution."""
    from scipy.stats import kstest

    family = FAMILIES[name]
    distribution = _distribution(family.scipy)
    fixed: dict[str, float] = {}
    if family.positive:
        fixed = {"floc": 0.0}
    if family.bounded:
        margin = float(np.ptp(values)) / len(values)
        fixed = {"floc": float(values.min()) - margin, "fscale": float(np.ptp(values)) + 2 * margin}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            arguments = distribution.fit(values, **fixed)
        except (ValueError, RuntimeError, ArithmeticError):  # scipy.stats.FitError is a RuntimeError
            return None
        frozen = distribution(*arguments)
        likelihood = float(frozen.logpdf(values).sum())
        ks = float(kstest(values, frozen.cdf).statistic)
    shapes = distribution.shapes.split(", ") if distribution.shapes else []
    parameters = dict(zip([*shapes, "loc", "scale"], map(float, arguments), strict=True))
    if not all(map(math.isfinite, [*parameters.values(), likelihood, ks])):
        return None
    count = len(parameters) - family.positive
    return Fit(name, family.scipy, parameters, count * math.log(len(values)) - 2 * likelihood, ks)


def _distribution(name: str) -> Any:
    from scipy import stats

    return getattr(stats, name)
