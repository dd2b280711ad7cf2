"""Posteriors: what `VariationalGaussianMixture` asks and publishes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

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
    Scores,
    SingularCovarianceError,
    StickBreakingWeights,
    Sticks,
    VariationalWeights,
    predictive_scorer,
    sample_predictive,
)
from skem.inference import MixturePosterior, Run, Tree, VariationalRule, Visit, batch_em_merging
from skem.mixture._forms import Problem, Stepwise, column_names, narrow
from skem.mixture._held import warn_of_held
from skem.mixture._setup import (
    components_to_table,
    components_to_user,
    fitted_components,
    make_family,
    make_prior,
    prior_covariance,
    spread_of_rows,
)

if TYPE_CHECKING:
    from skem.mixture._variational import VariationalGaussianMixture

__all__ = ["WEIGHT_PRIORS", "ElboTerms", "VariationalForm"]

Array: TypeAlias = NDArray[np.float64]

WEIGHT_PRIORS: dict[str, type[CategoricalWeights] | type[StickBreakingWeights]] = {
    "dirichlet_process": StickBreakingWeights,
    "dirichlet_distribution": CategoricalWeights,
}


# What only the rows can tell of a pruned estimator.
_OF_THE_BOUND = ("lower_bound_", "lower_bounds_", "_elbo_terms")


class ElboTerms(NamedTuple):
    """The parts of the evidence lower bound, in nats; their sum is the bound.

    Attributes
    ----------
    expected_log_likelihood : float
        Expected log density of the rows and of their assignments, given the parameters.
    negative_kl_weights : float
        Minus KL(posterior || prior) of the weights.
    negative_kl_components : float
        Minus KL(posterior || prior) of the means and precisions.
    entropy : float
        Entropy of the assignments.
    """

    expected_log_likelihood: float
    negative_kl_weights: float
    negative_kl_components: float
    entropy: float


class VariationalForm:
    """Variational posteriors; see `skem.mixture._forms.Form`."""

    algorithm = "Variational inference"
    loop = staticmethod(batch_em_merging)

    def rule(
        self,
        estimator: VariationalGaussianMixture,
        family: GaussianFamily,
        visit: Visit,
        prior: GaussianPrior | None,
    ) -> VariationalRule:
        """Make the rule; priors that the user left open come from the rows."""
        prior = prior or _make_prior(estimator, family, visit)
        hard = estimator.assignment == "hard"
        return VariationalRule(self.weights(estimator), family, prior, hard=hard)

    def weights(self, estimator: VariationalGaussianMixture) -> VariationalWeights:
        """Make the weights' family with the prior that the user gave, or 1 / K."""
        concentration = estimator.weight_concentration_prior
        if concentration is None:
            concentration = 1.0 / estimator.n_components
        return WEIGHT_PRIORS[estimator.weight_concentration_prior_type](float(concentration))

    def start_method(self, estimator: VariationalGaussianMixture) -> str | Tree | ArrayLike:
        """Return `init_params`."""
        return estimator.init_params

    def complete(self, problem: Problem, theta: MixturePosterior | None) -> MixturePosterior:
        """Return the start as it is."""
        assert theta is not None
        return theta

    def read(
        self, estimator: VariationalGaussianMixture, family: GaussianFamily
    ) -> MixturePosterior:
        """Read the fitted attributes back, in the user's units."""
        components = fitted_components(estimator, family)
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
        estimator: VariationalGaussianMixture,
        family: GaussianFamily,
        theta: MixturePosterior,
    ) -> Scores:
        """Score by expected log joint densities: the variational responsibilities."""
        log_weights = self.weights(estimator).expected_log(theta.weights)
        return family.expected_scorer(theta.posterior, theta.components, log_weights)

    def density(
        self,
        estimator: VariationalGaussianMixture,
        family: GaussianFamily,
        theta: MixturePosterior,
    ) -> Scores:
        """Score by log predictive densities and expected weights (Bishop 2006, 10.81)."""
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights(estimator).expected(theta.weights))
        return predictive_scorer(family, theta.posterior, theta.components, log_weights)

    def draw(
        self,
        estimator: VariationalGaussianMixture,
        family: GaussianFamily,
        theta: MixturePosterior,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw rows from the predictive densities."""
        return sample_predictive(family, theta.posterior, theta.components, labels, rng)

    def attributes(self, problem: Problem, theta: MixturePosterior) -> dict[str, Any]:
        """Return the posterior and the prior in the user's units."""
        family, rule, standard = problem.family, problem.rule, problem.standard
        origin, scale = standard.origin, standard.scale
        user = components_to_user(family, theta.components, origin, scale)
        prior, d = rule.prior, len(scale)
        unit = GaussianParameters(np.zeros((1, d)), prior.covariance, family.identity(1, d))
        prior_scale = family.rescale(unit, scale).covariances
        extra = prior_scale.ndim - len(family.prior_shape(d))
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
            "covariance_prior_": prior_scale[(0,) * extra],
        }

    def bound(self, problem: Problem, bound: float) -> float:
        """Bring a bound per unit of weight to the whole bound in the user's units.

        A divergence has no unit, so only the rows' densities change.
        """
        return problem.table.total_weight * (bound - _log_scale(problem))

    def outcome(self, problem: Problem, run: Run[MixturePosterior]) -> dict[str, Any]:
        """Return the bound's parts, the expected counts, and where steps may go on."""
        assert run.statistics is not None
        weight = problem.table.total_weight
        stats = problem.family.scale(run.statistics, 1.0 / weight)
        prior = problem.rule.prior
        state = Stepwise(stats, problem.standard, 0, weight, prior, ())
        log_normaliser = weight * run.bound - problem.rule.regulariser(run.theta)
        parts = _parts(problem, run.theta, run.statistics, log_normaliser, weight)
        return {"_stepwise": state} | parts

    def outcome_of_batch(
        self, problem: Problem, visit: Visit, theta: MixturePosterior, population: float
    ) -> tuple[float, dict[str, Any]]:
        """Return the bound of a population of which this batch is a sample."""
        family, rule = problem.family, problem.rule
        local = visit.expect(family, rule.scorer(theta))
        assert local.statistics is not None
        share = population / problem.table.total_weight
        stats = family.scale(local.statistics, share)
        parts = _parts(problem, theta, stats, share * local.log_normaliser, population)
        return sum(parts["_elbo_terms"]), parts

    def standing(self, estimator: VariationalGaussianMixture) -> Stepwise | None:
        """Say where stochastic variational inference stands."""
        state: Stepwise | None = getattr(estimator, "_stepwise", None)
        return state

    def prune(self, estimator: VariationalGaussianMixture) -> VariationalGaussianMixture:
        """Make a fitted estimator of the effective components."""
        index = np.flatnonzero(estimator._effective)
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

    def _taken(
        self, estimator: VariationalGaussianMixture, index: NDArray[np.intp]
    ) -> dict[str, Any]:
        """Return the fitted attributes of some of the components."""
        family, weights = make_family(estimator), self.weights(estimator)
        names = ["means_", "mean_precision_", "expected_counts_", "_effective"]
        if not family.is_shared:
            names += ["covariances_", "precisions_", "precisions_cholesky_", "degrees_of_freedom_"]
        left = weights.take(self.read(estimator, family).weights, index)
        state = estimator._stepwise
        attributes = {name: getattr(estimator, name)[index] for name in names} | {
            "weights_": weights.expected(left),
            "weight_concentration_": tuple(left) if isinstance(left, Sticks) else left,
            "_stepwise": state._replace(statistics=family.take(state.statistics, index)),
        }
        return narrow(attributes, estimator.means_.dtype)

    def diagnose(self, problem: Problem, theta: MixturePosterior, n_rows: float) -> list[str]:
        """Name components at the floor; one without rows has its prior, and none can collapse."""
        weights = problem.rule.weights.expected(theta.weights)
        return warn_of_held(
            problem.family,
            weights,
            theta.components,
            n_rows,
            problem.standard,
            column_names(problem),
        )


def _posterior(
    components: GaussianParameters, mean_precision: Array, freedom: Array
) -> GaussianPosterior:
    """Put a posterior together from what is published of it."""
    covariances = components.covariances
    nu = freedom.reshape(freedom.shape + (1,) * (covariances.ndim - freedom.ndim))
    return GaussianPosterior(components.means, mean_precision, nu * covariances, freedom, freedom)


def _make_prior(
    estimator: VariationalGaussianMixture, family: GaussianFamily, visit: Visit
) -> GaussianPrior:
    table, d = visit.table, visit.table.X.shape[1]
    kappa, nu = estimator.mean_precision_prior, estimator.degrees_of_freedom_prior
    if estimator.covariance_prior is None:
        scale = _empirical_covariance(family, visit)
    else:
        scale = prior_covariance(family, table, estimator.covariance_prior)
    return make_prior(
        family,
        table,
        mean=estimator.mean_prior,
        mean_precision=1.0 if kappa is None else float(kappa),
        covariance=scale,
        degrees_of_freedom=float(d) if nu is None else float(nu),
    )


def _empirical_covariance(family: GaussianFamily, visit: Visit) -> Array:
    """Return the unbiased covariance of the rows, plus `reg_covar`."""
    d = visit.table.X.shape[1]
    stats = spread_of_rows(family, visit)
    n = float(stats.weight.sum())
    values = d if family.one_variance else 1
    # Below two rows there is no unbiased one.
    scale = stats.scatter / (values * max(n - 1.0, 0.5 * n))
    scale = scale + family.reg_covar * family.identity(1, d)
    try:
        family.factorise(scale)
    except SingularCovarianceError:
        raise ValueError(
            "The covariance of X is singular, so it can be no covariance_prior: increase reg_covar "
            f"(it is {family.reg_covar:g}), give a covariance_prior, or drop constant or linearly "
            "dependent columns"
        ) from None
    return scale


def _log_scale(problem: Problem) -> float:
    return float(np.log(problem.standard.scale).sum())


def _parts(
    problem: Problem,
    theta: MixturePosterior,
    stats: GaussianStatistics,
    log_normaliser: float,
    weight: float,
) -> dict[str, Any]:
    """Return the bound's parts and the expected counts, given the statistics of all rows."""
    rule = problem.rule
    expected = rule.expected_log_likelihood(stats, theta)
    weights, components = rule.divergences(theta)
    terms = ElboTerms(
        expected - weight * _log_scale(problem), -weights, -components, log_normaliser - expected
    )
    given = problem.table.weights
    least = 1.0 if given is None else float(given[given > 0].min())
    effective = stats.weight >= least / len(stats.weight)
    return {
        "expected_counts_": stats.weight,
        "effective_n_components_": int(effective.sum()),
        "_effective": effective,
        "_elbo_terms": terms,
    }
