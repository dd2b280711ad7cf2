"""Posteriors: what variational fits of all families have in common."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone

from skem.families import CategoricalWeights, StickBreakingWeights, Sticks, VariationalWeights
from skem.inference import MixturePosterior, Passes, Run, Tree, batch_em_merging
from skem.mixture._noise import n_noise, published_weights
from skem.mixture._problem import Bound, FitProblem, Outcome, narrow
from skem.mixture._reading import make_family
from skem.mixture._record import ElboTerms, FitRecord

__all__ = ["WEIGHT_PRIORS", "VariationalEstimates"]

Array: TypeAlias = NDArray[np.float64]

WEIGHT_PRIORS: dict[str, type[CategoricalWeights] | type[StickBreakingWeights]] = {
    "dirichlet_process": StickBreakingWeights,
    "dirichlet_distribution": CategoricalWeights,
}


Mixture = TypeVar("Mixture", bound=BaseEstimator)

# What only the rows can tell of a pruned estimator.
_OF_THE_BOUND = ("lower_bound_", "lower_bounds_")


class VariationalEstimates:
    """What variational fits of all families have in common."""

    algorithm = "Variational inference"

    @property
    def loop(self) -> Callable[..., Run[Any]]:
        """Variational inference that merges components."""
        return batch_em_merging

    def log_base(self, problem: FitProblem) -> float:
        """Return what rows have for all components alike, in nats, summed: nothing."""
        return 0.0

    def weights(self, estimator: Any) -> VariationalWeights:
        """Make the weights' family with the prior that the user gave, or 1 / K."""
        concentration = estimator.weight_concentration_prior
        if concentration is None:
            concentration = 1.0 / estimator.n_components
        return WEIGHT_PRIORS[estimator.weight_concentration_prior_type](float(concentration))

    def start_method(self, estimator: Any) -> str | Tree | ArrayLike:
        """Return `init_params`."""
        method: str | Tree | ArrayLike = estimator.init_params
        return method

    def complete(
        self, estimator: Any, problem: FitProblem, theta: MixturePosterior | None
    ) -> MixturePosterior:
        """Return the start as it is."""
        assert theta is not None
        return theta

    def numbered(
        self, estimator: Any, problem: FitProblem, run: Run[MixturePosterior]
    ) -> Run[MixturePosterior]:
        """Return the run: its rule has arranged components by count, which the prior prefers."""
        return run

    def bound(self, problem: FitProblem, bound: Bound) -> Bound:
        """Bring a bound per unit of weight to the whole bound in the user's units.

        A divergence has no unit, so only the rows' densities change.
        """
        return problem.table.total_weight * (bound - _log_scale(problem))

    def outcome(self, problem: FitProblem, run: Run[MixturePosterior]) -> Outcome:
        """Return the bound's parts, the expected counts, and where steps may go on."""
        weight = problem.table.total_weight
        stats = problem.family.scale(run.statistics, 1.0 / weight)
        log_normaliser = weight * run.bound - problem.rule.regulariser(run.theta)
        base = self.log_base(problem)
        outcome = _outcome(problem, run.theta, run.statistics, log_normaliser, weight, base)
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
        base = share * self.log_base(problem)
        outcome = _outcome(problem, theta, stats, share * log_normaliser, population, base)
        return sum(outcome.record["elbo_terms"]), outcome

    def taken(
        self, estimator: Any, family: Any, theta: MixturePosterior, index: NDArray[np.intp]
    ) -> dict[str, Any]:
        """Return what is published of some of the components, weights and counts apart."""
        raise NotImplementedError

    def prune(self, estimator: Mixture) -> Mixture:
        """Make a fitted estimator of the effective components."""
        given: Any = estimator
        effective = given._record.effective
        assert effective is not None
        index = np.flatnonzero(effective)
        pruned = clone(estimator).set_params(
            n_components=len(index),
            # Left open it would be another for fewer components.
            weight_concentration_prior=float(given.weight_concentration_prior_),
        )
        attributes = {name: copy.deepcopy(value) for name, value in vars(estimator).items()}
        for name in (*given.get_params(deep=False), *_OF_THE_BOUND):
            attributes.pop(name, None)
        vars(pruned).update(attributes | self._all_taken(given, index))
        return pruned

    def _all_taken(self, estimator: Any, index: NDArray[np.intp]) -> dict[str, Any]:
        """Return the fitted attributes of some of the components."""
        kind: Any = self
        family, weights = make_family(estimator), self.weights(estimator)
        theta, record = kind.read(estimator, family), estimator._record
        k = len(index)
        noise = [len(estimator.weights_)] * n_noise(estimator)
        every = np.append(index, np.array(noise, dtype=np.intp))
        left = weights.take(theta.weights, every)
        attributes = {
            **published_weights(weights.expected(left), k),
            "weight_concentration_": tuple(left) if isinstance(left, Sticks) else left,
            **self.taken(estimator, family, theta, every),
            "expected_counts_": np.asarray(estimator.expected_counts_)[index],
            "_record": record._replace(
                sampler=copy.deepcopy(record.sampler),
                statistics=family.take(record.statistics, every),
                effective=record.effective[index],
                elbo_terms=None,
            ),
        }
        return narrow(attributes, estimator.weights_.dtype)

    def resume_point(self, estimator: Any) -> FitRecord | None:
        """Say where stochastic variational inference stands."""
        record: FitRecord | None = getattr(estimator, "_record", None)
        return record


def _log_scale(problem: FitProblem) -> float:
    return float((problem.table.seen_share * np.log(problem.units.scale)).sum())


def _outcome(
    problem: FitProblem,
    theta: MixturePosterior,
    stats: Any,
    log_normaliser: float,
    weight: float,
    log_base: float,
) -> Outcome:
    """Return the bound's parts and the expected counts, given the statistics of all rows."""
    rule = problem.rule
    expected = rule.expected_log_likelihood(stats, theta) + log_base
    weights, components = rule.divergences(theta)
    terms = ElboTerms(
        expected - weight * _log_scale(problem), -weights, -components, log_normaliser - expected
    )
    counted = stats.weight[: problem.n_components]
    effective = counted >= problem.table.least_weight / len(counted)
    counts = {
        "expected_counts_": counted,
        "effective_n_components_": int(effective.sum()),
    }
    return Outcome(counts, {"effective": effective, "elbo_terms": terms})
