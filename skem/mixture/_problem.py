"""What a fit asks of a kind of estimator: point estimates and posteriors answer differently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem.engine import AnyTable, TilePlan
from skem.families import GaussianFamily, GaussianPrior
from skem.inference import (
    MixtureParameters,
    MixturePosterior,
    Passes,
    Rule,
    Run,
    Tree,
)
from skem.mixture._protocols import MixtureSettings
from skem.mixture._reading import Reader
from skem.mixture._record import FitRecord
from skem.mixture._units import Units

__all__ = ["EstimatorKind", "FitProblem", "Outcome", "column_names", "narrow"]

Array: TypeAlias = NDArray[np.float64]
Settings = TypeVar("Settings", bound=MixtureSettings, contravariant=True)
Theta = TypeVar("Theta", MixtureParameters, MixturePosterior)


class FitProblem(NamedTuple):
    """One table, and the rule by which an estimator is fitted to it."""

    family: GaussianFamily
    rule: Any
    units: Units
    table: AnyTable
    plan: TilePlan


class Outcome(NamedTuple):
    """What a fit publishes besides parameters, and what its record has besides.

    Attributes
    ----------
    attributes : dict
        Fitted attributes by name.
    record : dict
        Fields of `FitRecord` by name.
    """

    attributes: dict[str, Any]
    record: dict[str, Any]


class EstimatorKind(Reader[Settings, Theta], Protocol[Settings, Theta]):
    """A kind of estimator: its rule, and how parameters become fitted attributes."""

    algorithm: str

    @property
    def loop(self) -> Callable[..., Run[Any]]:
        """What runs from a start; parameters are those of `batch_em`."""

    def rule(
        self,
        estimator: Settings,
        family: GaussianFamily,
        passes: Passes,
        units: Units,
        prior: GaussianPrior | None,
    ) -> Rule[Theta]:
        """Make the rule; ``prior`` is one made before, for the same units."""

    def start_method(self, estimator: Settings) -> str | Tree | ArrayLike | None:
        """Return what a start is made by, of `init_params`; None if none of it is left open."""

    def complete(self, estimator: Settings, problem: FitProblem, theta: Theta | None) -> Theta:
        """Put what the user gave in the place of parts of a start."""

    def numbered(self, estimator: Settings, problem: FitProblem, run: Run[Theta]) -> Run[Theta]:
        """Put the largest component of a new fit first, unless the start had an order."""

    def attributes(self, problem: FitProblem, theta: Theta) -> dict[str, Any]:
        """Return the fitted attributes that depend on parameters alone, in the user's units."""

    def bound(self, problem: FitProblem, bound: float) -> float:
        """Bring a fit's bound, per unit of weight in the table's units, to the user's."""

    def outcome(self, problem: FitProblem, run: Run[Theta]) -> Outcome:
        """Return what a fit publishes and records besides."""

    def outcome_of_batch(
        self, problem: FitProblem, passes: Passes, theta: Theta, population: float
    ) -> tuple[float, Outcome]:
        """Return the bound after a batch in the user's units, and what is published besides."""

    def resume_point(self, estimator: Settings) -> FitRecord | None:
        """Say where stepwise fitting stands, statistics included; None before any fit."""

    def diagnose(
        self, estimator: Settings, problem: FitProblem, theta: Theta, n_rows: float
    ) -> list[str]:
        """Return what the user should be warned of, after so many rows were seen."""


def column_names(estimator: MixtureSettings, problem: FitProblem) -> list[object]:
    """Return the names of the columns, or their numbers."""
    given = getattr(estimator, "feature_names_in_", None)
    return list(range(problem.table.n_features)) if given is None else list(given)


def narrow(values: dict[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Give arrays of numbers, and tuples of such arrays, the dtype of the rows."""

    def one(value: Any) -> Any:
        if type(value) is tuple and all(isinstance(part, np.ndarray) for part in value):
            return tuple(map(one, value))
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            return value.astype(dtype)
        return value

    return {name: one(value) for name, value in values.items()}
