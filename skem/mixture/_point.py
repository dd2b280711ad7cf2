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
from skem.mixture._held import describe_held
from skem.mixture._problem import FitProblem, Outcome
from skem.mixture._protocols import FittedMixture, PointSettings
from skem.mixture._reading import fitted_components, make_family
from skem.mixture._record import FitRecord
from skem.mixture._rows import statistics_of_all_rows
from skem.mixture._units import Units, components_to_table, components_to_user
from skem.scoring import Scorer

__all__ = ["POINT", "check_weights"]

Array: TypeAlias = NDArray[np.float64]

# A component with a smaller weight than this has lost all its rows.
_EMPTIED = 1e-12


class PointKind:
    """Maximum likelihood and MAP; see `skem.mixture._problem.EstimatorKind`."""

    algorithm = "EM"
    # A point has no posterior.
    parameter_draws: Mapping[str, Callable[..., MixtureParameters]] = MappingProxyType({})
    loop = staticmethod(batch_em)

    def rule(
        self,
        estimator: PointSettings,
        family: GaussianFamily,
        passes: Passes,
        units: Units,
        prior: GaussianPrior | None,
    ) -> PointRule:
        """Make the rule with the priors that the user gave; flat ones otherwise."""
        prior = prior or _make_prior(estimator, family, passes, units)
        hard = estimator.assignment == "hard"
        return PointRule(self.weights(estimator), family, prior, hard=hard)

    def weights(self, estimator: PointSettings) -> CategoricalWeights:
        """Make the weights' family, without a prior if the user gave none."""
        concentration = estimator.weight_concentration_prior
        return CategoricalWeights(1.0 if concentration is None else float(concentration))

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
        return _complete(estimator, problem, theta)

    def read(self, estimator: FittedMixture, family: GaussianFamily) -> MixtureParameters:
        """Read the fitted attributes back, in the user's units."""
        components = fitted_components(estimator, family)
        return MixtureParameters(np.asarray(estimator.weights_, dtype=np.float64), components)

    def to_table(
        self, family: GaussianFamily, theta: MixtureParameters, origin: Array, scale: Array
    ) -> MixtureParameters:
        """Bring parameters in the user's units to a table's."""
        components = components_to_table(family, theta.components, origin, scale)
        return theta._replace(components=components)

    def assigner(
        self, estimator: FittedMixture, family: GaussianFamily, theta: MixtureParameters
    ) -> Scorer:
        """Score by log joint densities."""
        return joint_scorer(family, theta)

    density = assigner

    def draw(
        self,
        family: GaussianFamily,
        theta: MixtureParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw Gaussian rows."""
        return family.sample(theta.components, labels, rng)

    def numbered(
        self, estimator: PointSettings, problem: FitProblem, run: Run[MixtureParameters]
    ) -> Run[MixtureParameters]:
        """Order components by decreasing weight, unless a start was given that has an order."""
        has_order = any(_is_given(estimator)) or not isinstance(estimator.init_params, str | Tree)
        order = np.argsort(-run.theta.weights, kind="stable")
        if has_order or (order[1:] > order[:-1]).all():
            return run
        family, stats = problem.family, run.statistics
        theta = MixtureParameters(
            run.theta.weights[order], family.take(run.theta.components, order)
        )
        return run._replace(
            theta=theta, statistics=None if stats is None else family.take(stats, order)
        )

    def attributes(self, problem: FitProblem, theta: MixtureParameters) -> dict[str, Any]:
        """Return weights, means, covariances and precisions in the user's units."""
        family, units = problem.family, problem.units
        user = components_to_user(family, theta.components, units.origin, units.scale)
        return {
            "weights_": theta.weights,
            "means_": user.means,
            "covariances_": user.covariances,
            "precisions_": family.precisions(user.factors),
            "precisions_cholesky_": user.factors,
        }

    def bound(self, problem: FitProblem, bound: float) -> float:
        """Bring a bound in the table's units to the user's; per unit of weight in both."""
        log_scale = np.log(problem.units.scale)
        k, prior = problem.plan.n_components, problem.rule.prior
        jacobian = problem.family.log_prior_jacobian(prior, log_scale, k)
        seen = float((problem.table.seen_share * log_scale).sum())
        return bound - seen - jacobian / problem.table.total_weight

    def outcome(self, problem: FitProblem, run: Run[MixtureParameters]) -> Outcome:
        """Return nothing: parameters say it all."""
        return Outcome({}, {})

    def outcome_of_batch(
        self, problem: FitProblem, passes: Passes, theta: MixtureParameters, population: float
    ) -> tuple[float, Outcome]:
        """Return the bound of this batch."""
        rule = problem.rule
        log_normaliser = passes.log_normaliser(rule.scorer(theta))
        bound = (log_normaliser + rule.regulariser(theta)) / problem.table.total_weight
        return self.bound(problem, bound), Outcome({}, {})

    def resume_point(self, estimator: PointSettings) -> FitRecord | None:
        """Say where stepwise EM stands; after a fit, with the statistics its rows should have."""
        record: FitRecord | None = getattr(estimator, "_record", None)
        if record is None or record.statistics is not None:
            return record
        family = make_family(estimator)
        units = record.units
        theta = self.to_table(family, self.read(estimator, family), units.origin, units.scale)
        return record._replace(statistics=family.expected(theta.weights, theta.components))

    def diagnose(
        self,
        estimator: PointSettings,
        problem: FitProblem,
        theta: MixtureParameters,
        n_rows: float,
    ) -> list[str]:
        """Name components that emptied or collapsed."""
        messages = []
        emptied = np.flatnonzero(theta.weights <= _EMPTIED)
        if len(emptied):
            messages.append(
                f"Component(s) {emptied.tolist()} emptied: no row is left to them, their weight is "
                "zero and their means and covariances are the last they had. Decrease n_components "
                "or try other init_params."
            )
        return messages + describe_held(
            problem.family,
            problem.rule.prior,
            theta.weights,
            theta.components,
            n_rows,
            problem.units,
            problem.shown,
        )


POINT = PointKind()


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


def _make_prior(
    estimator: PointSettings, family: GaussianFamily, passes: Passes, units: Units
) -> GaussianPrior:
    """Make the components' prior that the user gave, in the table's units."""
    mean, kappa = estimator.mean_prior, estimator.mean_precision_prior
    if kappa is None:
        kappa = 0.0 if mean is None else 1.0
    covariance, nu = estimator.covariance_prior, estimator.degrees_of_freedom_prior
    scale = None
    if covariance is not None:
        scale = given_scale(family, units.scale, covariance)
    elif nu is not None:
        scale = observed_scale(family, statistics_of_all_rows(family, passes))
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
    weights, means, precisions = (
        estimator.weights_init,
        estimator.means_init,
        estimator.precisions_init,
    )
    if weights is not None:
        weights = check_weights("weights_init", weights, k)
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
        components = family.rescale(
            family.from_precisions(precisions)._replace(means=np.zeros((k, d))), 1.0 / table.scale
        )
    else:
        assert theta is not None
        components = theta.components
    return MixtureParameters(weights, components._replace(means=means))
