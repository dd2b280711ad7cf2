"""What a fit asks of a kind of estimator: point estimates and posteriors answer differently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._parameters import Allowed, array, one_of
from skem.engine import Table, TilePlan
from skem.families import (
    CategoricalWeights,
    GaussianFamily,
    GaussianPrior,
    GaussianStatistics,
    Scores,
    VariationalWeights,
)
from skem.inference import START_METHODS, Rule, Run, Theta, Tree, Visit
from skem.mixture._setup import Standard

__all__ = ["STARTS", "Form", "GaussianEstimator", "Problem", "Stepwise", "column_names", "narrow"]

Array: TypeAlias = NDArray[np.float64]

# What `init_params` may be.
STARTS = (
    one_of(START_METHODS),
    array,
    Allowed(lambda value: isinstance(value, Tree), "a skem.inference.Tree"),
)


class GaussianEstimator(Protocol):
    """The parameters and fitted attributes that all Gaussian mixtures have."""

    _form: Form[Any]
    n_components: int
    covariance_type: Any
    tol: float
    reg_covar: float
    max_iter: int
    n_init: int
    init_params: str | Tree | ArrayLike
    random_state: int | np.random.RandomState | None
    warm_start: bool
    verbose: int
    verbose_interval: int
    n_jobs: int | None
    learning_decay: float
    learning_offset: float
    block_size: int | None
    assignment: str
    acceleration: str | None
    resolution: str | ArrayLike | None

    weights_: NDArray[np.floating]
    means_: NDArray[np.floating]
    covariances_: NDArray[np.floating]
    precisions_cholesky_: NDArray[np.floating]
    lower_bounds_: list[float]


class Stepwise(NamedTuple):
    """Where stepwise fitting stands.

    Attributes
    ----------
    statistics : GaussianStatistics
        Per unit of weight, in the units of `standard`.
    standard : Standard
    steps : int
    weight : float
        Total weight of the batches seen.
    prior : GaussianPrior or None
        In the units of `standard`; made from the first batch where the user left it open.
    warned : tuple of str
        What the user has been warned of.
    """

    statistics: GaussianStatistics
    standard: Standard
    steps: int
    weight: float
    prior: GaussianPrior | None
    warned: tuple[str, ...]


class Problem(NamedTuple):
    """One estimator's task on one table."""

    estimator: Any
    family: GaussianFamily
    rule: Any
    standard: Standard
    table: Table
    plan: TilePlan


def column_names(problem: Problem) -> list[object]:
    """Return the names of the columns, or their numbers."""
    given = getattr(problem.estimator, "feature_names_in_", None)
    return list(range(problem.plan.n_features)) if given is None else list(given)


def narrow(values: dict[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Give arrays of numbers, and tuples of such arrays, the dtype of the rows."""

    def one(value: Any) -> Any:
        if type(value) is tuple and all(isinstance(part, np.ndarray) for part in value):
            return tuple(map(one, value))
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            return value.astype(dtype)
        return value

    return {name: one(value) for name, value in values.items()}


class Form(Protocol[Theta]):
    """A kind of estimator: its rule, and how parameters become fitted attributes and back."""

    algorithm: str
    loop: Callable[..., Run[Any]]
    """Runs from a start; parameters are those of `batch_em`."""

    def rule(
        self, estimator: Any, family: GaussianFamily, visit: Visit, prior: GaussianPrior | None
    ) -> Rule[Theta]:
        """Make the rule; ``prior`` is one made before, for the same units."""

    def weights(self, estimator: Any) -> CategoricalWeights | VariationalWeights:
        """Make the weights' family."""

    def start_method(self, estimator: Any) -> str | Tree | ArrayLike | None:
        """Return what a start is made by, of `init_params`; None if none of it is left open."""

    def complete(self, problem: Problem, theta: Theta | None) -> Theta:
        """Put what the user gave in the place of parts of a start."""

    def read(self, estimator: Any, family: GaussianFamily) -> Theta:
        """Read the fitted attributes back, in the user's units."""

    def to_table(self, family: GaussianFamily, theta: Theta, origin: Array, scale: Array) -> Theta:
        """Bring parameters in the user's units to a table's."""

    def assigner(self, estimator: Any, family: GaussianFamily, theta: Theta) -> Scores:
        """Make what rows are assigned to components by."""

    def density(self, estimator: Any, family: GaussianFamily, theta: Theta) -> Scores:
        """Make what rows' log densities are sums of."""

    def draw(
        self,
        estimator: Any,
        family: GaussianFamily,
        theta: Theta,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw a row from each labelled component."""

    def attributes(self, problem: Problem, theta: Theta) -> dict[str, Any]:
        """Return the fitted attributes that depend on parameters alone, in the user's units."""

    def bound(self, problem: Problem, bound: float) -> float:
        """Bring a fit's bound, per unit of weight in the table's units, to the user's."""

    def outcome(self, problem: Problem, run: Run[Theta]) -> dict[str, Any]:
        """Return what a fit publishes besides: where stepwise fitting may go on, and so on."""

    def outcome_of_batch(
        self, problem: Problem, visit: Visit, theta: Theta, population: float
    ) -> tuple[float, dict[str, Any]]:
        """Return the bound after a batch in the user's units, and what is published besides."""

    def standing(self, estimator: Any) -> Stepwise | None:
        """Say where stepwise fitting stands; after a fit at no steps."""

    def diagnose(self, problem: Problem, theta: Theta, n_rows: float) -> list[str]:
        """Return what the user should be warned of, after so many rows were seen."""
