"""What a fit asks of a kind of estimator: point estimates and posteriors answer differently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem.engine import AnyTable, TilePlan
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
from skem.mixture._units import Shown, Units

__all__ = [
    "Bound",
    "EstimatorKind",
    "FitProblem",
    "Outcome",
    "narrow",
    "out_of_range",
]

Array: TypeAlias = NDArray[np.float64]
# The size of a negative binomial distribution that is a Poisson distribution.
_MAY_BE_INFINITE = ("sizes",)

Settings = TypeVar("Settings", bound=MixtureSettings, contravariant=True)
Theta = TypeVar("Theta", MixtureParameters, MixturePosterior)
Bound = TypeVar("Bound", float, Array)


class FitProblem(NamedTuple):
    """One table, and the rule by which an estimator is fitted to it.

    ``shown`` says how messages show columns; ``layout`` is what is known of the columns, if they
    are not all of one kind.
    """

    family: Any
    rule: Any
    units: Units
    table: AnyTable
    plan: TilePlan
    shown: Shown
    layout: Any = None

    @property
    def n_components(self) -> int:
        """Number of components, without noise."""
        return self.plan.n_components - (self.units.box is not None)


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
        family: Any,
        passes: Passes,
        units: Units,
        prior: Any,
    ) -> Rule[Theta]:
        """Make the rule; ``prior`` is one made before, for the same units."""

    def layout(self, estimator: Settings) -> Any:
        """Return what is known of the columns; None if they are all of one kind."""

    def structure(self, estimator: Settings) -> str:
        """Describe what the components are, for comparison with later settings."""

    def column_names(self, estimator: Settings, n_features: int) -> Sequence[Any]:
        """Return what the columns of rows are called, or their numbers."""

    def stepped_columns(self, estimator: Settings, n_features: int) -> NDArray[np.bool_]:
        """Say which columns may have been recorded in steps."""

    def start_method(self, estimator: Settings) -> str | Tree | ArrayLike | None:
        """Return what a start is made by, of `init_params`; None if none of it is left open."""

    def complete(self, estimator: Settings, problem: FitProblem, theta: Theta | None) -> Theta:
        """Put what the user gave in the place of parts of a start."""

    def numbered(self, estimator: Settings, problem: FitProblem, run: Run[Theta]) -> Run[Theta]:
        """Put the largest component of a new fit first, unless the start had an order."""

    def attributes(self, problem: FitProblem, theta: Theta) -> dict[str, Any]:
        """Return the fitted attributes that depend on parameters alone, in the user's units."""

    def bound(self, problem: FitProblem, bound: Bound) -> Bound:
        """Bring a fit's bound, or an array of some, per unit of weight to the user's units."""

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


def out_of_range(value: Any) -> bool:
    """Say whether a value, or any number in it, is infinite or NaN where it can't rightly be."""
    if isinstance(value, tuple | list):
        return any(map(out_of_range, value))
    if isinstance(value, dict):
        return any(
            bool(np.isnan(part).any()) if name in _MAY_BE_INFINITE else out_of_range(part)
            for name, part in value.items()
        )
    if isinstance(value, np.ndarray | float) and np.asarray(value).dtype.kind == "f":
        return not bool(np.isfinite(value).all())
    return False


def narrow(values: dict[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Give arrays of numbers, also in tuples, lists and dictionaries, the dtype of the rows."""

    def one(value: Any) -> Any:
        if type(value) in (tuple, list):
            return type(value)(map(one, value))
        if type(value) is dict:
            return {key: one(part) for key, part in value.items()}
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            return value.astype(dtype)
        return value

    return {name: one(value) for name, value in values.items()}
