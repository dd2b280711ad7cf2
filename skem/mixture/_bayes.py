"""Posteriors: what `VariationalSettings` asks and publishes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from skem.families import (
    CategoricalWeights,
    GaussianFamily,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    GaussianStatistics,
    StickBreakingWeights,
    Sticks,
    VariationalWeights,
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
    Run,
    Tree,
    VariationalRule,
    batch_em_merging,
)
from skem.mixture._held import warn_of_held
from skem.mixture._problem import FitProblem, Outcome, column_names, narrow
from skem.mixture._protocols import VariationalSettings
from skem.mixture._reading import check_complete, fitted_components, make_family
from skem.mixture._record import ElboTerms, FitRecord
from skem.mixture._rows import statistics_of_all_rows
from skem.mixture._units import Units, components_to_table, components_to_user
from skem.scoring import Scores

__all__ = ["VARIATIONAL", "WEIGHT_PRIORS"]

Array: TypeAlias = NDArray[np.float64]
Mixture = TypeVar("Mixture", bound=VariationalSettings)

WEIGHT_PRIORS: dict[str, type[CategoricalWeights] | type[StickBreakingWeights]] = {
    "dirichlet_process": StickBreakingWeights,
    "dirichlet_distribution": CategoricalWeights,
}

_OF_THE_POSTERIOR = ("weight_concentration_", "mean_precision_", "degrees_of_freedom_")
# What only the rows can tell of a pruned estimator.
_OF_THE_BOUND = ("lower_bound_", "lower_bounds_")


class VariationalKind:
    """Variational posteriors; see `skem.mixture._problem.EstimatorKind`."""

    algorithm = "Variational inference"
    loop = staticmethod(batch_em_merging)

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

    def weights(self, estimator: VariationalSettings) -> VariationalWeights:
        """Make the weights' family with the prior that the user gave, or 1 / K."""
        concentration = estimator.weight_concentration_prior
        if concentration is None:
            concentration = 1.0 / estimator.n_components
        return WEIGHT_PRIORS[estimator.weight_concentration_prior_type](float(concentration))

    def start_method(self, estimator: VariationalSettings) -> str | Tree | ArrayLike:
        """Return `init_params`."""
        return estimator.init_params

    def complete(
        self, estimator: VariationalSettings, problem: FitProblem, theta: MixturePosterior | None
    ) -> MixturePosterior:
        """Return the start as it is."""
        assert theta is not None
        return theta

    def numbered(
        self, estimator: VariationalSettings, problem: FitProblem, run: Run[MixturePosterior]
    ) -> Run[MixturePosterior]:
        """Return the run: its rule has arranged components by count, which the prior prefers."""
        return run

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
        freedom = np.asarray(estimator.degrees_of_freedom_, dtype=np.float64)
        precision = np.asarray(estimator.mean_precision_, dtype=np.float64)
        return MixturePosterior(weights, _posterior(components, precision, freedom), components)

    def to_table(
        self, family: GaussianFamily, theta: MixturePosterior, origin: Array, scale: Array
    ) -> MixturePosterior:
        """Bring a posterior in the user's units to a table's."""
        components = components_to_table(family, theta.components, origin, scale)
        _, precision, _, freedom, _ = theta.posterior
        return MixturePosterior(
            theta.weights, _posterior(components, precision, freedom), components
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
        return predictive_scorer(family, theta.posterior, theta.components, log_weights)

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
        user = components_to_user(family, theta.components, origin, scale)
        prior = rule.prior
        return {
            "weights_": rule.weights.expected(theta.weights),
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

    def bound(self, problem: FitProblem, bound: float) -> float:
        """Bring a bound per unit of weight to the whole bound in the user's units.

        A divergence has no unit, so only the rows' densities change.
        """
        return problem.table.total_weight * (bound - _log_scale(problem))

    def outcome(self, problem: FitProblem, run: Run[MixturePosterior]) -> Outcome:
        """Return the bound's parts, the expected counts, and where steps may go on."""
        weight = problem.table.total_weight
        stats = problem.family.scale(run.statistics, 1.0 / weight)
        log_normaliser = weight * run.bound - problem.rule.regulariser(run.theta)
        outcome = _outcome(problem, run.theta, run.statistics, log_normaliser, weight)
        more = {"statistics": stats, "prior": problem.rule.prior}
        return outcome._replace(record=outcome.record | more)

    def outcome_of_batch(
        self, problem: FitProblem, passes: Passes, theta: MixturePosterior, population: float
    ) -> tuple[float, Outcome]:
        """Return the bound of a population of which this batch is a sample."""
        family, rule = problem.family, problem.rule
        statistics, log_normaliser = passes.expect(family, rule.scorer(theta))
        share = population / problem.table.total_weight
        stats = family.scale(statistics, share)
        outcome = _outcome(problem, theta, stats, share * log_normaliser, population)
        return sum(outcome.record["elbo_terms"]), outcome

    def resume_point(self, estimator: VariationalSettings) -> FitRecord | None:
        """Say where stochastic variational inference stands."""
        record: FitRecord | None = getattr(estimator, "_record", None)
        return record

    def prune(self, estimator: Mixture) -> Mixture:
        """Make a fitted estimator of the effective components."""
        effective = estimator._record.effective
        assert effective is not None
        index = np.flatnonzero(effective)
        pruned = clone(estimator).set_params(
            n_components=len(index),
            # Left open it would be another for fewer components.
            weight_concentration_prior=float(estimator.weight_concentration_prior_),
        )
        attributes = {name: copy.deepcopy(value) for name, value in vars(estimator).items()}
        for name in (*estimator.get_params(deep=False), *_OF_THE_BOUND):
            attributes.pop(name, None)
        vars(pruned).update(attributes | self._taken(estimator, index))
        return pruned

    def _taken(self, estimator: VariationalSettings, index: NDArray[np.intp]) -> dict[str, Any]:
        """Return the fitted attributes of some of the components."""
        family, weights = make_family(estimator), self.weights(estimator)
        theta, record = self.read(estimator, family), estimator._record
        left = weights.take(theta.weights, index)
        components = family.take(theta.components, index)
        posterior = family.take(theta.posterior, index)
        precisions = theta.components._replace(covariances=np.asarray(estimator.precisions_))
        assert record.effective is not None
        attributes = {
            "weights_": weights.expected(left),
            "weight_concentration_": tuple(left) if isinstance(left, Sticks) else left,
            "means_": components.means,
            "covariances_": components.covariances,
            "precisions_": family.take(precisions, index).covariances,
            "precisions_cholesky_": components.factors,
            "mean_precision_": posterior.mean_precision,
            "degrees_of_freedom_": posterior.degrees_of_freedom,
            "expected_counts_": np.asarray(estimator.expected_counts_)[index],
            "_record": record._replace(
                sampler=copy.deepcopy(record.sampler),
                statistics=family.take(record.statistics, index),
                effective=record.effective[index],
                elbo_terms=None,
            ),
        }
        return narrow(attributes, estimator.means_.dtype)

    def diagnose(
        self,
        estimator: VariationalSettings,
        problem: FitProblem,
        theta: MixturePosterior,
        n_rows: float,
    ) -> list[str]:
        """Name components at the floor; one without rows has its prior, and none can collapse."""
        return warn_of_held(
            problem.family,
            problem.rule.weights.expected(theta.weights),
            theta.components,
            n_rows,
            problem.units,
            column_names(estimator, problem),
        )


VARIATIONAL = VariationalKind()


def _posterior(
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


def _log_scale(problem: FitProblem) -> float:
    return float((problem.table.seen_share * np.log(problem.units.scale)).sum())


def _outcome(
    problem: FitProblem,
    theta: MixturePosterior,
    stats: GaussianStatistics,
    log_normaliser: float,
    weight: float,
) -> Outcome:
    """Return the bound's parts and the expected counts, given the statistics of all rows."""
    rule = problem.rule
    expected = rule.expected_log_likelihood(stats, theta)
    weights, components = rule.divergences(theta)
    terms = ElboTerms(
        expected - weight * _log_scale(problem), -weights, -components, log_normaliser - expected
    )
    effective = stats.weight >= problem.table.least_weight / len(stats.weight)
    counts = {
        "expected_counts_": stats.weight,
        "effective_n_components_": int(effective.sum()),
    }
    return Outcome(counts, {"effective": effective, "elbo_terms": terms})
