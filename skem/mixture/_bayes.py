"""Posteriors: what `VariationalSettings` asks and publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families import (
    GaussianFamily,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    Sticks,
    draw_components,
    empirical_scale,
    given_scale,
    make_prior,
    predictive_scorer,
    sample_predictive,
    user_scale,
)
from skem.inference import (
    MixtureParameters,
    MixturePosterior,
    Passes,
    VariationalRule,
)
from skem.mixture._held import warn_of_held
from skem.mixture._noise import published_weights
from skem.mixture._posteriors import VariationalEstimates
from skem.mixture._problem import FitProblem
from skem.mixture._protocols import VariationalSettings
from skem.mixture._reading import (
    GaussianReader,
    check_complete,
    fitted_components,
    fitted_weights,
)
from skem.mixture._rows import statistics_of_all_rows
from skem.mixture._units import Units
from skem.scoring import Scores

__all__ = ["VARIATIONAL", "posterior_of"]

Array: TypeAlias = NDArray[np.float64]

_OF_THE_POSTERIOR = ("weight_concentration_", "mean_precision_", "degrees_of_freedom_")


class VariationalKind(GaussianReader, VariationalEstimates):
    """Variational posteriors; see `skem.mixture._problem.EstimatorKind`."""

    def rule(
        self,
        estimator: VariationalSettings,
        family: GaussianFamily,
        passes: Passes,
        units: Units,
        prior: GaussianPrior | None,
    ) -> VariationalRule:
        """Make the rule; priors that the user left open come from the rows."""
        prior = prior or _make_prior(estimator, family, passes, units)
        hard = estimator.assignment == "hard"
        return VariationalRule(self.weights(estimator), family, prior, hard=hard)

    def read(self, estimator: VariationalSettings, family: GaussianFamily) -> MixturePosterior:
        """Read the fitted attributes back, in the user's units."""
        components = fitted_components(estimator, family)
        check_complete(estimator, _OF_THE_POSTERIOR)
        given = estimator.weight_concentration_
        asked = estimator.weight_concentration_prior_type
        fitted = "dirichlet_process" if isinstance(given, tuple) else "dirichlet_distribution"
        if fitted != asked:
            raise ValueError(
                f"weight_concentration_prior_type={asked!r}, but the estimator was fitted with "
                f"weight_concentration_prior_type={fitted!r}: fit a new one, or change it back"
            )
        weights: Array | Sticks
        if isinstance(given, tuple):
            weights = Sticks(*(np.asarray(part, dtype=np.float64) for part in given))
        else:
            weights = np.asarray(given, dtype=np.float64)
        fitted_weights(estimator)  # a check
        freedom = np.asarray(estimator.degrees_of_freedom_, dtype=np.float64)
        precision = np.asarray(estimator.mean_precision_, dtype=np.float64)
        return MixturePosterior(weights, posterior_of(components, precision, freedom), components)

    def to_table(
        self, family: GaussianFamily, theta: MixturePosterior, origin: Array, scale: Array
    ) -> MixturePosterior:
        """Bring a posterior in the user's units to a table's."""
        components = family.standardise(theta.components, origin, scale)
        _, precision, _, freedom, _ = theta.posterior
        return MixturePosterior(
            theta.weights, posterior_of(components, precision, freedom), components
        )

    def assigner(
        self,
        estimator: VariationalSettings,
        family: GaussianFamily,
        theta: MixturePosterior,
    ) -> Scores:
        """Score by expected log joint densities: the variational responsibilities."""
        log_weights = self.weights(estimator).expected_log(theta.weights)
        return family.expected_scorer(theta.posterior, theta.components, log_weights)

    def density(
        self,
        estimator: VariationalSettings,
        family: GaussianFamily,
        theta: MixturePosterior,
    ) -> Scores:
        """Score by log predictive densities and expected weights (Bishop 2006, 10.81)."""
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights(estimator).expected(theta.weights))
        k = len(theta.components.means)
        scores = predictive_scorer(
            family.gaussian, theta.posterior, theta.components, log_weights[:k]
        )
        noisy: Any = family
        return noisy.add_noise(scores, log_weights[k]) if len(log_weights) > k else scores

    def draw(
        self,
        family: GaussianFamily,
        theta: MixturePosterior,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw rows from the predictive densities."""
        return sample_predictive(family, theta.posterior, theta.components, labels, rng)

    @property
    def parameter_draws(self) -> Mapping[str, Callable[..., MixtureParameters]]:
        """Draw from the posterior."""
        return {"posterior": self.draw_parameters}

    def draw_parameters(
        self, estimator: VariationalSettings, family: GaussianFamily, rng: np.random.RandomState
    ) -> MixtureParameters:
        """Draw weights, means and precisions."""
        theta = self.read(estimator, family)
        weights = self.weights(estimator).draw(theta.weights, rng)
        components = draw_components(family, theta.posterior, theta.components, rng)
        return MixtureParameters(weights, components)

    def attributes(self, problem: FitProblem, theta: MixturePosterior) -> dict[str, Any]:
        """Return the posterior and the prior in the user's units."""
        family, rule, units = problem.family, problem.rule, problem.units
        origin, scale = units.origin, units.scale
        user = family.restore(theta.components, origin, scale)
        prior = rule.prior
        return {
            **published_weights(rule.weights.expected(theta.weights), len(user.means)),
            "means_": user.means,
            "covariances_": user.covariances,
            "precisions_": family.precisions(user.factors),
            "precisions_cholesky_": user.factors,
            "weight_concentration_": tuple(theta.weights)
            if isinstance(theta.weights, Sticks)
            else theta.weights,
            "mean_precision_": theta.posterior.mean_precision,
            "degrees_of_freedom_": np.asarray(theta.posterior.degrees_of_freedom),
            "weight_concentration_prior_": rule.weights.concentration,
            "mean_precision_prior_": prior.mean_precision,
            "mean_prior_": prior.mean * scale + origin,
            "degrees_of_freedom_prior_": prior.degrees_of_freedom,
            "covariance_prior_": user_scale(family, prior, scale),
        }

    def taken(
        self,
        estimator: VariationalSettings,
        family: Any,
        theta: MixturePosterior,
        index: NDArray[np.intp],
    ) -> dict[str, Any]:
        """Return what is published of some of the components."""
        components = family.take(theta.components, index)
        posterior = family.take(theta.posterior, index)
        precisions = theta.components._replace(covariances=np.asarray(estimator.precisions_))
        return {
            "means_": components.means,
            "covariances_": components.covariances,
            "precisions_": family.take(precisions, index).covariances,
            "precisions_cholesky_": components.factors,
            "mean_precision_": posterior.mean_precision,
            "degrees_of_freedom_": posterior.degrees_of_freedom,
        }

    def diagnose(
        self,
        estimator: VariationalSettings,
        problem: FitProblem,
        theta: MixturePosterior,
        n_rows: float,
    ) -> list[str]:
        """Name components at the floor; one without rows has its prior, and none can collapse."""
        return warn_of_held(
            problem.family.gaussian,
            problem.rule.weights.expected(theta.weights)[: problem.n_components],
            theta.components,
            n_rows,
            problem.units,
            problem.shown,
        )


VARIATIONAL = VariationalKind()


def posterior_of(
    components: GaussianParameters, mean_precision: Array, freedom: Array
) -> GaussianPosterior:
    """Put a posterior together from what is published of it."""
    covariances = components.covariances
    nu = freedom.reshape(freedom.shape + (1,) * (covariances.ndim - freedom.ndim))
    return GaussianPosterior(components.means, mean_precision, nu * covariances, freedom, freedom)


def _make_prior(
    estimator: VariationalSettings, family: GaussianFamily, passes: Passes, units: Units
) -> GaussianPrior:
    d = len(units.scale)
    kappa, nu = estimator.mean_precision_prior, estimator.degrees_of_freedom_prior
    if estimator.covariance_prior is None:
        scale = empirical_scale(family, statistics_of_all_rows(family, passes))
    else:
        scale = given_scale(family, units.scale, estimator.covariance_prior)
    return make_prior(
        family,
        units.origin,
        units.scale,
        mean=estimator.mean_prior,
        mean_precision=1.0 if kappa is None else float(kappa),
        covariance=scale,
        degrees_of_freedom=float(d) if nu is None else float(nu),
    )
