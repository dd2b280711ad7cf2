"""Point estimates: what `PointSettings` asks and publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._parameters import check_shape
from skem.families import (
    CategoricalWeights,
    GaussianFamily,
    GaussianPrior,
    NoisyFamily,
    given_scale,
    make_prior,
    observed_scale,
)
from skem.inference import (
    SEARCH,
    MixtureParameters,
    Passes,
    PointRule,
    Run,
    Tree,
    batch_em,
    joint_scorer,
)
from skem.mixture._held import EMPTIED, describe_held
from skem.mixture._noise import published_weights
from skem.mixture._problem import Bound, FitProblem, Outcome
from skem.mixture._protocols import FittedMixture, PointSettings
from skem.mixture._reading import GaussianReader, fitted_components, fitted_weights, make_family
from skem.mixture._record import FitRecord
from skem.mixture._rows import statistics_of_all_rows
from skem.mixture._units import Units
from skem.scoring import Scorer

__all__ = [
    "POINT",
    "PointEstimates",
    "check_weights",
    "number_by_weight",
    "point_prior",
    "warn_of_emptied",
]

Array: TypeAlias = NDArray[np.float64]

# What noise begins with where weights, means and precisions are given.
_NOISE = 0.1


class PointEstimates:
    """What point estimates of all families have in common."""

    algorithm = "EM"
    # A point has no posterior.
    parameter_draws: Mapping[str, Callable[..., MixtureParameters]] = MappingProxyType({})

    @property
    def loop(self) -> Callable[..., Run[Any]]:
        """Expectation-maximisation."""
        return batch_em

    def weights(self, estimator: Any) -> CategoricalWeights:
        """Make the weights' family, without a prior if the user gave none."""
        concentration = estimator.weight_concentration_prior
        return CategoricalWeights(1.0 if concentration is None else float(concentration))

    def to_table(
        self, family: Any, theta: MixtureParameters, origin: Array, scale: Array
    ) -> MixtureParameters:
        """Bring parameters in the user's units to a table's."""
        components = family.standardise(theta.components, origin, scale)
        return theta._replace(components=components)

    def assigner(self, estimator: Any, family: Any, theta: MixtureParameters) -> Scorer:
        """Score by log joint densities."""
        return joint_scorer(family, theta)

    density = assigner

    def draw(
        self,
        family: Any,
        theta: MixtureParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw rows."""
        return family.sample(theta.components, labels, rng)

    def bound(self, problem: FitProblem, bound: Bound) -> Bound:
        """Bring a bound in the table's units to the user's; per unit of weight in both."""
        log_scale = np.log(problem.units.scale)
        k, prior = problem.n_components, problem.rule.prior
        jacobian = problem.family.log_prior_jacobian(prior, log_scale, k)
        seen = float((problem.table.seen_share * log_scale).sum())
        return bound - seen - jacobian / problem.table.total_weight

    def outcome_of_batch(
        self, problem: FitProblem, passes: Passes, theta: MixtureParameters, population: float
    ) -> tuple[float, Outcome]:
        """Return the bound of this batch."""
        rule = problem.rule
        log_normaliser = passes.log_normaliser(rule.scorer(theta))
        bound = (log_normaliser + rule.regulariser(theta)) / problem.table.total_weight
        return self.bound(problem, bound), Outcome({}, {})


class PointKind(GaussianReader, PointEstimates):
    """Maximum likelihood and MAP; see `skem.mixture._problem.EstimatorKind`."""

    def rule(
        self,
        estimator: PointSettings,
        family: GaussianFamily,
        passes: Passes,
        units: Units,
        prior: GaussianPrior | None,
    ) -> PointRule:
        """Make the rule with the priors that the user gave; flat ones otherwise."""
        prior = prior or point_prior(
            family.gaussian,
            units,
            mean=estimator.mean_prior,
            mean_precision=estimator.mean_precision_prior,
            covariance=estimator.covariance_prior,
            degrees_of_freedom=estimator.degrees_of_freedom_prior,
            all_rows=lambda: statistics_of_all_rows(family.gaussian, passes),
        )
        hard = estimator.assignment == "hard"
        return PointRule(self.weights(estimator), family, prior, hard=hard)

    def start_method(self, estimator: PointSettings) -> str | Tree | ArrayLike | None:
        """Return `init_params`; 'kmeans' for a search where a part is given, None where all is."""
        given = _is_given(estimator)
        if all(given):
            return None
        method = estimator.init_params
        return "kmeans" if any(given) and isinstance(method, str) and method == SEARCH else method

    def complete(
        self, estimator: PointSettings, problem: FitProblem, theta: MixtureParameters | None
    ) -> MixtureParameters:
        """Put `*_init` in their places; nothing of them is changed."""
        if theta is not None and not any(_is_given(estimator)):
            return theta
        return _complete(estimator, problem, theta)

    def read(self, estimator: FittedMixture, family: GaussianFamily) -> MixtureParameters:
        """Read the fitted attributes back, in the user's units."""
        components = fitted_components(estimator, family)
        return MixtureParameters(fitted_weights(estimator), components)

    def numbered(
        self, estimator: PointSettings, problem: FitProblem, run: Run[MixtureParameters]
    ) -> Run[MixtureParameters]:
        """Order components by decreasing weight, unless a start was given that has an order."""
        has_order = any(_is_given(estimator)) or not isinstance(estimator.init_params, str | Tree)
        return run if has_order else number_by_weight(problem.family, run)

    def attributes(self, problem: FitProblem, theta: MixtureParameters) -> dict[str, Any]:
        """Return weights, means, covariances and precisions in the user's units."""
        family, units = problem.family, problem.units
        user = family.restore(theta.components, units.origin, units.scale)
        return {
            **published_weights(theta.weights, len(user.means)),
            "means_": user.means,
            "covariances_": user.covariances,
            "precisions_": family.precisions(user.factors),
            "precisions_cholesky_": user.factors,
        }

    def outcome(self, problem: FitProblem, run: Run[MixtureParameters]) -> Outcome:
        """Return nothing: parameters say it all."""
        return Outcome({}, {})

    def resume_point(self, estimator: PointSettings) -> FitRecord | None:
        """Say where stepwise EM stands; after a fit, with the statistics its rows should have."""
        record: FitRecord | None = getattr(estimator, "_record", None)
        if record is None or record.statistics is not None:
            return record
        family = make_family(estimator)
        units = record.units
        theta = self.to_table(family, self.read(estimator, family), units.origin, units.scale)
        if units.box is not None:
            family = family.in_units(units.scale)
        return record._replace(statistics=family.expected(theta.weights, theta.components))

    def diagnose(
        self,
        estimator: PointSettings,
        problem: FitProblem,
        theta: MixtureParameters,
        n_rows: float,
    ) -> list[str]:
        """Name components that emptied or collapsed."""
        weights = theta.weights[: problem.n_components]
        return warn_of_emptied(weights) + describe_held(
            problem.family.gaussian,
            problem.rule.prior,
            weights,
            theta.components,
            n_rows,
            problem.units,
            problem.shown,
        )


POINT = PointKind()


def number_by_weight(family: Any, run: Run[MixtureParameters]) -> Run[MixtureParameters]:
    """Order components by decreasing weight; noise stays the last."""
    weights = run.theta.weights
    k = len(weights) - isinstance(family, NoisyFamily)
    if (weights[1:k] <= weights[: k - 1]).all():
        return run
    order = np.append(np.argsort(-weights[:k], kind="stable"), np.arange(k, len(weights)))
    stats = run.statistics
    theta = MixtureParameters(run.theta.weights[order], family.take(run.theta.components, order))
    return run._replace(
        theta=theta, statistics=None if stats is None else family.take(stats, order)
    )


def warn_of_emptied(weights: Array) -> list[str]:
    """Name components without rows."""
    emptied = np.flatnonzero(weights <= EMPTIED)
    if not len(emptied):
        return []
    return [
        f"Component(s) {emptied.tolist()} emptied: no row is left to them, their weight is "
        "zero and their means and covariances are the last they had. Decrease n_components "
        "or try other init_params."
    ]


def check_weights(name: str, weights: ArrayLike, n_components: int) -> Array:
    """Return components' weights as an array; ValueError if they are none."""
    weights = check_shape(name, weights, (n_components,))
    if weights.min() < 0 or weights.max() > 1:
        raise ValueError(
            f"The parameter {name!r} should be in the range [0, 1], but got max value "
            f"{weights.max():.5f}, min value {weights.min():.5f}"
        )
    if abs(weights.sum() - 1) > 1e-6:
        raise ValueError(
            f"The parameter {name!r} should be normalized, but got sum(weights) = "
            f"{weights.sum():.5f}"
        )
    return weights


def _is_given(estimator: PointSettings) -> list[bool]:
    """Say which of weights, means and precisions the user gave to start from."""
    given = (estimator.weights_init, estimator.means_init, estimator.precisions_init)
    return [value is not None for value in given]


def point_prior(
    family: GaussianFamily,
    units: Units,
    *,
    mean: ArrayLike | None,
    mean_precision: float | None,
    covariance: ArrayLike | None,
    degrees_of_freedom: float | None,
    all_rows: Callable[[], Any],
) -> GaussianPrior:
    """Make the components' prior that the user gave, in the table's units.

    ``all_rows()`` returns the statistics of one component that has all rows.
    """
    kappa, nu = mean_precision, degrees_of_freedom
    if kappa is None:
        kappa = 0.0 if mean is None else 1.0
    scale = None
    if covariance is not None:
        scale = given_scale(family, units.scale, covariance)
    elif nu is not None:
        scale = observed_scale(family, all_rows())
    if nu is None and covariance is not None:
        nu = float(len(units.scale))
    return make_prior(
        family,
        units.origin,
        units.scale,
        mean=mean,
        mean_precision=kappa,
        covariance=scale,
        degrees_of_freedom=nu,
    )


def _complete(
    estimator: PointSettings, problem: FitProblem, theta: MixtureParameters | None
) -> MixtureParameters:
    family, table = problem.family, problem.table
    k, d = estimator.n_components, table.n_features
    # Where all is given there is no start that found noise.
    noise = np.full(problem.plan.n_components - k, _NOISE) if theta is None else theta.weights[k:]
    weights, means, precisions = (
        estimator.weights_init,
        estimator.means_init,
        estimator.precisions_init,
    )
    if weights is not None:
        weights = check_weights("weights_init", weights, k)
        weights = np.append((1.0 - noise.sum()) * weights, noise)
    else:
        assert theta is not None
        weights = theta.weights
    if means is not None:
        means = (check_shape("means_init", means, (k, d)) - table.origin) / table.scale
    else:
        assert theta is not None
        means = theta.components.means
    if precisions is not None:
        precisions = check_shape("precisions_init", precisions, family.covariance_shape(k, d))
        positive, words = family.are_positive(precisions)
        if not positive:
            raise ValueError(f"The parameter 'precisions_init' should be {words}")
        given = family.from_precisions(precisions)._replace(means=np.zeros((k, d)))
        components = family.standardise(given, np.zeros(d), table.scale)
    else:
        assert theta is not None
        components = theta.components
    return MixtureParameters(weights, components._replace(means=means))
