"""Rules: what becomes of expected sufficient statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from skem.families import (
    CategoricalWeights,
    NoisyFamily,
    SingularCovarianceError,
    VariationalWeights,
)
from skem.families.contract import AnyConjugate, AnyFamily, Statistics
from skem.inference.convergence import Criterion, nothing_left_to_gain, small_gain
from skem.scoring import Scorer

__all__ = [
    "MixtureParameters",
    "MixturePosterior",
    "PointRule",
    "Rule",
    "Theta",
    "VariationalRule",
    "has_noise",
    "joint_scorer",
    "maximise_with_bound",
    "update_summing",
    "with_floor",
    "with_noise",
    "without_noise",
]

Array: TypeAlias = NDArray[np.float64]


class MixtureParameters(NamedTuple):
    """Weights of shape (K,) and what the family has as parameters of the components."""

    weights: Array
    components: Any


class MixturePosterior(NamedTuple):
    """Variational posterior of weights and components.

    Attributes
    ----------
    weights : ndarray of shape (K,) or Sticks
        What the weights' family makes of counts.
    posterior : Post
        What the components' family makes of statistics.
    components : Params
        What the family makes of it as `expected_parameters`.
    """

    weights: Any
    posterior: Any
    components: Any


Theta = TypeVar("Theta", MixtureParameters, MixturePosterior)


class Rule(Protocol[Theta]):
    """What becomes of statistics; `Theta` is what it makes of them."""

    @property
    def family(self) -> AnyFamily:
        """The components' family."""

    @property
    def prior(self) -> Any:
        """The components' prior."""

    @property
    def criterion(self) -> Criterion:
        """What tells from gains whether iterations have converged."""

    @property
    def hard(self) -> bool:
        """Whether the E-step gives each row wholly to its most probable component."""

    def scorer(self, theta: Theta) -> Scorer:
        """Make what the E-step scores rows by."""

    def update(self, stats: Statistics, previous: Theta) -> Theta:
        """Make the M-step."""

    def arrange(self, theta: Theta) -> Theta:
        """Return the components in the order that suits the prior best."""

    def ordered(self, stats: Statistics) -> Statistics:
        """Return the statistics in the order that `arrange` would give what they lead to."""

    def regulariser(self, theta: Theta) -> float:
        """Return what the bound has besides the rows' share, in nats."""

    def expected_log_likelihood(self, stats: Statistics, theta: Theta) -> float:
        """Return the log likelihood of rows and their components that statistics stand for."""

    def without_rows(self, n_components: int, n_features: int) -> Theta:
        """Make what components have that never had a row."""


def with_floor(rule: Rule[Theta], floor: Any) -> Rule[Theta]:
    """Return the rule with another floor under its family's covariances, or without one.

    A family that has none, nor a place for one, stays as it is.
    """
    if getattr(rule.family, "floor", None) is None and floor is None:
        return rule
    changed: Any = rule
    result: Rule[Theta] = replace(changed, family=changed.family.with_floor(floor))
    return result


def has_noise(rule: Rule[Theta]) -> bool:
    """Say whether the last component is noise."""
    return isinstance(rule.family, NoisyFamily)


def with_noise(rule: Rule[Theta], log_widths: Array) -> Rule[Theta]:
    """Return the rule with noise as one more component; see `NoisyFamily`."""
    changed: Any = rule
    family = NoisyFamily(changed.family, log_widths)
    result: Rule[Theta] = replace(
        changed, family=family, weights=replace(changed.weights, noise=True)
    )
    return result


def without_noise(rule: Rule[Theta]) -> Rule[Theta]:
    """Return the rule for the components before the noise; the same one where there is none."""
    if not has_noise(rule):
        return rule
    changed: Any = rule
    result: Rule[Theta] = replace(
        changed, family=changed.family.others, weights=replace(changed.weights, noise=False)
    )
    return result


def joint_scorer(family: AnyFamily, theta: MixtureParameters) -> Scorer:
    """Make the scorer of log joint densities; a weight of zero scores -inf."""
    return family.scorer(theta.components, _logarithms(theta.weights))


def _logarithms(weights: Array) -> Array:
    # The context, which only zeros need, takes three times as long as the logarithms.
    if np.count_nonzero(weights) == len(weights):
        result: Array = np.log(weights)
    else:
        with np.errstate(divide="ignore"):
            result = np.log(weights)
    return result


@dataclass(frozen=True)
class PointRule:
    """Point estimates: maximum likelihood under flat priors, else the posterior mode.

    Parameters
    ----------
    weights : CategoricalWeights
    family : Family
    prior : Any
        The family's.
    hard : bool, default=False
        Whether each row is wholly its most probable component's (Celeux & Govaert 1992).
    """

    weights: CategoricalWeights
    family: AnyFamily
    prior: Any
    hard: bool = field(default=False, kw_only=True)

    def scorer(self, theta: MixtureParameters) -> Scorer:
        """Make the scorer of log joint densities."""
        scorer = joint_scorer(self.family, theta)
        return scorer.with_hard_assignments() if self.hard else scorer

    def update(self, stats: Statistics, previous: MixtureParameters) -> MixtureParameters:
        """Return the M-step's parameters.

        Raises
        ------
        SingularCovarianceError
        """
        components = self.family.mode(stats, self.prior, previous.components)
        return MixtureParameters(self.weights.mode(stats.weight), components)

    def ordered(self, stats: Statistics) -> Statistics:
        """Return the statistics in the order that suits the prior: here any does."""
        return stats

    def arrange(self, theta: MixtureParameters) -> MixtureParameters:
        """Return the components in the order that suits the prior: here any does."""
        return theta

    def regulariser(self, theta: MixtureParameters) -> float:
        """Log prior density of the parameters, in nats."""
        prior = self.family.log_prior(theta.components, self.prior)
        return self.weights.log_prior(theta.weights) + prior

    def expected_log_likelihood(self, stats: Statistics, theta: MixtureParameters) -> float:
        """Log density of rows and their components, given both (Bishop 2006, 9.36)."""
        assigned = float(xlogy(stats.weight, theta.weights).sum())
        return assigned + self.family.log_likelihood(stats, theta.components)

    @property
    def criterion(self) -> Criterion:
        """The last gain is small."""
        return small_gain

    def without_rows(self, n_components: int, n_features: int) -> MixtureParameters:
        """Make the parameters that components keep which never had a row: those of all rows."""
        components = self.family.without_rows(n_components, n_features)
        return MixtureParameters(np.full(n_components, 1.0 / n_components), components)


@dataclass(frozen=True)
class VariationalRule:
    """Mean-field posteriors of weights, means and precisions (Bishop 2006, section 10.2).

    Parameters
    ----------
    weights : VariationalWeights
    family : Conjugate
    prior : Any
        The family's. Without a flat part.
    hard : bool, default=False
        Whether the posterior of each row's component is one of certainty (Kurihara & Welling
        2009).
    """

    weights: VariationalWeights
    family: AnyConjugate
    prior: Any
    hard: bool = field(default=False, kw_only=True)

    def scorer(self, theta: MixturePosterior) -> Scorer:
        """Make the scorer of expected log joint densities."""
        log_weights = self.weights.expected_log(theta.weights)
        scorer = self.family.expected_scorer(theta.posterior, theta.components, log_weights)
        return scorer.with_hard_assignments() if self.hard else scorer

    def update(
        self, stats: Statistics, previous: MixturePosterior | None = None
    ) -> MixturePosterior:
        """Return the conjugate posterior; a component without rows has its prior.

        Raises
        ------
        SingularCovarianceError
        """
        posterior = self.family.posterior(self.prior, stats)
        components = self.family.expected_parameters(posterior)
        return MixturePosterior(self.weights.posterior(stats.weight), posterior, components)

    def arrange(self, theta: MixturePosterior) -> MixturePosterior:
        """Return the components by decreasing count, or in an order that the bound prefers.

        The bound is no lower for it.

        Raises
        ------
        SingularCovarianceError
        """
        order = self.weights.order(theta.weights)
        if (order[1:] > order[:-1]).all():
            return theta
        posterior = self.family.take(theta.posterior, order)
        weights = self.weights.posterior(self.weights.counts(theta.weights)[order])
        return MixturePosterior(weights, posterior, self.family.expected_parameters(posterior))

    def ordered(self, stats: Statistics) -> Statistics:
        """Return the statistics in the order that `arrange` would give their posterior."""
        order = self.weights.order(self.weights.posterior(stats.weight))
        return self.family.take(stats, order)

    def regulariser(self, theta: MixturePosterior) -> float:
        """Minus KL(posterior || prior) of weights and components, in nats."""
        return -sum(self.divergences(theta))

    def divergences(self, theta: MixturePosterior) -> tuple[float, float]:
        """KL(posterior || prior) of the weights and of the components, in nats."""
        components = self.family.divergence(theta.posterior, theta.components, self.prior)
        return self.weights.divergence(theta.weights), components

    def expected_log_likelihood(self, stats: Statistics, theta: MixturePosterior) -> float:
        """Expected log density of rows and their components (Bishop 2006, 10.71 and 10.72)."""
        assigned = float(stats.weight @ self.weights.expected_log(theta.weights))
        return assigned + self.family.expected_log_likelihood(
            stats, theta.posterior, theta.components
        )

    @property
    def criterion(self) -> Criterion:
        """The last gains, and all that are to be expected, are small."""
        return nothing_left_to_gain

    def without_rows(self, n_components: int, n_features: int) -> MixturePosterior:
        """Make the prior of each component."""
        return self.update(self.family.nothing(n_components, n_features))


def maximise_with_bound(
    rule: Rule[Theta], stats: Statistics, previous: Theta
) -> tuple[Theta, float]:
    """Return what the M-step makes of statistics, and the bound without the entropy, in nats.

    The entropy is that of the assignments, which the statistics don't tell. Components are in
    the order that `Rule.arrange` gives them.

    Parameters
    ----------
    rule : Rule
    stats : Statistics
    previous : MixtureParameters or MixturePosterior
        What components without rows have.

    Raises
    ------
    SingularCovarianceError
    """
    stats = rule.ordered(stats)
    theta = rule.update(stats, previous)
    return theta, rule.expected_log_likelihood(stats, theta) + rule.regulariser(theta)


def update_summing(
    rule: Rule[Theta],
    stats: Statistics,
    previous: Theta,
    scorer: Scorer,
    sum_again: Callable[[Scorer], Statistics],
) -> tuple[Theta, Statistics]:
    """Return the M-step's parameters and the statistics, from better sums if need be.

    Where the new components are so narrow, and so far from what the statistics were summed
    about, that those sums lost digits, they are summed once more, about the new means.

    Parameters
    ----------
    rule : Rule
    stats : Statistics
    previous : MixtureParameters or MixturePosterior
    scorer : Scorer
        What the statistics were summed by.
    sum_again : callable
        Sums the same statistics by another scorer.

    Raises
    ------
    SingularCovarianceError
    """
    theta = None
    try:
        theta = rule.update(stats, previous)
        summer = rule.family.better_summer(stats, scorer, theta.components)
    except SingularCovarianceError:
        summer = rule.family.better_summer(stats, scorer, None)
        if summer is None:
            raise
    if summer is None:
        assert theta is not None
        return theta, stats
    stats = sum_again(summer)
    return rule.update(stats, previous), stats
