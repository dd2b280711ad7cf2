"""Rules: what becomes of expected sufficient statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from skem.families import (
    CategoricalWeights,
    GaussianFamily,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    GaussianStatistics,
    Scorer,
    SingularCovarianceError,
    Sticks,
    VariationalWeights,
)
from skem.families.gaussian import MOST_CANCELLATION

__all__ = [
    "MixtureParameters",
    "MixturePosterior",
    "PointRule",
    "Rule",
    "Theta",
    "VariationalRule",
    "best",
    "joint_scorer",
    "update_summing",
]

Array: TypeAlias = NDArray[np.float64]


# Nats per unit of weight: less is rounding.
_NO_GAIN = 1e-13


class MixtureParameters(NamedTuple):
    """Weights of shape (K,) and the parameters of the components."""

    weights: Array
    components: GaussianParameters


class MixturePosterior(NamedTuple):
    """Variational posterior of weights and components.

    Attributes
    ----------
    weights : ndarray of shape (K,) or Sticks
    posterior : GaussianPosterior
    components : GaussianParameters
        What the family makes of it as `expected_parameters`.
    """

    weights: Array | Sticks
    posterior: GaussianPosterior
    components: GaussianParameters


Theta = TypeVar("Theta", MixtureParameters, MixturePosterior)


class Rule(Protocol[Theta]):
    """What becomes of statistics; `Theta` is what it makes of them."""

    @property
    def family(self) -> GaussianFamily:
        """The components' family."""

    @property
    def prior(self) -> GaussianPrior:
        """The components' prior."""

    @property
    def hard(self) -> bool:
        """Whether the E-step gives each row wholly to its most probable component."""

    def with_floor(self, floor: Array | None) -> Self:
        """Return the same rule with another floor under the covariances, or none."""

    def scorer(self, theta: Theta) -> Scorer:
        """Make what the E-step scores rows by."""

    def update(self, stats: GaussianStatistics, previous: Theta) -> Theta:
        """Make the M-step."""

    def arrange(self, theta: Theta) -> Theta:
        """Return the components in the order that suits the prior best."""

    def ordered(self, stats: GaussianStatistics) -> GaussianStatistics:
        """Return the statistics in the order that `arrange` would give what they lead to."""

    def regulariser(self, theta: Theta) -> float:
        """Return what the bound has besides the rows' share, in nats."""

    def expected_log_likelihood(self, stats: GaussianStatistics, theta: Theta) -> float:
        """Return the log likelihood of rows and their components that statistics stand for."""

    def settled(self, gains: list[float], tol: float) -> bool:
        """Say whether iterations with these gains, per unit of weight, have converged."""

    def blank(self, n_components: int, n_features: int) -> Theta:
        """Make what a component has that never had a row."""


def joint_scorer(family: GaussianFamily, theta: MixtureParameters) -> Scorer:
    """Make the scorer of log joint densities; a weight of zero scores -inf."""
    with np.errstate(divide="ignore"):
        log_weights = np.log(theta.weights)
    return family.scorer(theta.components, log_weights)


def _stuck(gains: list[float]) -> bool:
    """Say whether hard assignments have stopped changing: each change but the start's gains."""
    return len(gains) > 1 and gains[-1] <= 0.0


@dataclass(frozen=True)
class PointRule:
    """Point estimates: maximum likelihood under flat priors, else the posterior mode.

    Parameters
    ----------
    weights : CategoricalWeights
    family : GaussianFamily
    prior : GaussianPrior
    hard : bool, default=False
        Whether each row is wholly its most probable component's (Celeux & Govaert 1992).
    """

    weights: CategoricalWeights
    family: GaussianFamily
    prior: GaussianPrior
    hard: bool = field(default=False, kw_only=True)

    def with_floor(self, floor: Array | None) -> Self:
        """Return the same rule with another floor under the covariances, or none."""
        return replace(self, family=replace(self.family, floor=floor))

    def scorer(self, theta: MixtureParameters) -> Scorer:
        """Make the scorer of log joint densities."""
        scorer = joint_scorer(self.family, theta)
        return scorer.hardened() if self.hard else scorer

    def update(self, stats: GaussianStatistics, previous: MixtureParameters) -> MixtureParameters:
        """Return the M-step's parameters.

        Raises
        ------
        SingularCovarianceError
        """
        posterior = self.family.posterior(self.prior, stats)
        total = float(stats.weight.sum())
        components = self.family.mode(posterior, total, previous.components)
        return MixtureParameters(self.weights.mode(stats.weight), components)

    def ordered(self, stats: GaussianStatistics) -> GaussianStatistics:
        """Return the statistics in the order that suits the prior: here any does."""
        return stats

    def arrange(self, theta: MixtureParameters) -> MixtureParameters:
        """Return the components in the order that suits the prior: here any does."""
        return theta

    def regulariser(self, theta: MixtureParameters) -> float:
        """Log prior density of the parameters, in nats."""
        prior = self.family.log_prior(theta.components, self.prior)
        return self.weights.log_prior(theta.weights) + prior

    def expected_log_likelihood(self, stats: GaussianStatistics, theta: MixtureParameters) -> float:
        """Log density of rows and their components, given both (Bishop 2006, 9.36)."""
        assigned = float(xlogy(stats.weight, theta.weights).sum())
        height = self.family.log_height(theta.components)
        return assigned + self.family.expected_log_likelihood(stats, theta.components, height)

    def settled(self, gains: list[float], tol: float) -> bool:
        """Say whether the last gain was below ``tol``."""
        return (bool(gains) and abs(gains[-1]) < tol) or (self.hard and _stuck(gains))

    def blank(self, n_components: int, n_features: int) -> MixtureParameters:
        """Make the parameters that a component keeps which never had a row: those of all rows."""
        unit = self.family.identity(n_components, n_features)
        components = GaussianParameters(np.zeros((n_components, n_features)), unit, unit)
        return MixtureParameters(np.full(n_components, 1.0 / n_components), components)


@dataclass(frozen=True)
class VariationalRule:
    """Mean-field posteriors of weights, means and precisions (Bishop 2006, section 10.2).

    Parameters
    ----------
    weights : VariationalWeights
    family : GaussianFamily
    prior : GaussianPrior
        Without a flat part.
    hard : bool, default=False
        Whether the posterior of each row's component is one of certainty (Kurihara & Welling
        2009).
    """

    weights: VariationalWeights
    family: GaussianFamily
    prior: GaussianPrior
    hard: bool = field(default=False, kw_only=True)

    def with_floor(self, floor: Array | None) -> Self:
        """Return the same rule with another floor under the covariances, or none."""
        return replace(self, family=replace(self.family, floor=floor))

    def scorer(self, theta: MixturePosterior) -> Scorer:
        """Make the scorer of expected log joint densities."""
        log_weights = self.weights.expected_log(theta.weights)
        scorer = self.family.expected_scorer(theta.posterior, theta.components, log_weights)
        return scorer.hardened() if self.hard else scorer

    def update(
        self, stats: GaussianStatistics, previous: MixturePosterior | None = None
    ) -> MixturePosterior:
        """Return the conjugate posterior; a component without rows has its prior.

        Raises
        ------
        SingularCovarianceError
        """
        posterior = self.family.hold_posterior(self.family.posterior(self.prior, stats))
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

    def ordered(self, stats: GaussianStatistics) -> GaussianStatistics:
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

    def expected_log_likelihood(self, stats: GaussianStatistics, theta: MixturePosterior) -> float:
        """Expected log density of rows and their components (Bishop 2006, 10.71 and 10.72)."""
        assigned = float(stats.weight @ self.weights.expected_log(theta.weights))
        height = self.family.expected_log_height(theta.posterior, theta.components)
        return assigned + self.family.expected_log_likelihood(stats, theta.components, height)

    def settled(self, gains: list[float], tol: float) -> bool:
        """Say whether the last gains, and all that are to be expected, are below ``tol``.

        While a component dies the bound rises slowly, then faster, then all at once, so a small
        gain alone means little. Gains that shrink by a ratio c each time have ``c / (1 - c)``
        times the last one to come (Aitken's extrapolation; Boehning et al. 1994).
        """
        if self.hard and _stuck(gains):
            return True
        if len(gains) < 2 or max(map(abs, gains[-2:])) >= tol:
            return False
        before, last = gains[-2:]
        if min(before, last) <= _NO_GAIN:
            return True
        ratio = last / before
        return 0.0 < ratio < 1.0 and last * ratio / (1.0 - ratio) < tol

    def blank(self, n_components: int, n_features: int) -> MixturePosterior:
        """Make the prior of each component."""
        nothing = np.zeros(n_components), np.zeros((n_components, n_features))
        scatter = np.zeros_like(self.family.identity(n_components, n_features))
        return self.update(GaussianStatistics(*nothing, scatter))


def best(rule: Rule[Theta], stats: GaussianStatistics, previous: Theta) -> tuple[Theta, float]:
    """Return what the M-step makes of statistics, and the bound without the entropy, in nats.

    The entropy is that of the assignments, which the statistics don't tell. Components are in
    the order that `Rule.arrange` gives them.

    Parameters
    ----------
    rule : Rule
    stats : GaussianStatistics
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
    stats: GaussianStatistics,
    previous: Theta,
    scorer: Scorer,
    sum_again: Callable[[Scorer], GaussianStatistics],
) -> tuple[Theta, GaussianStatistics]:
    """Return the M-step's parameters and the statistics, from better sums if need be.

    Where the new components are so narrow, and so far from what the statistics were summed
    about, that those sums lost digits, they are summed once more, about the new means.

    Parameters
    ----------
    rule : Rule
    stats : GaussianStatistics
    previous : MixtureParameters or MixturePosterior
    scorer : Scorer
        What the statistics were summed by.
    sum_again : callable
        Sums the same statistics by another scorer.

    Raises
    ------
    SingularCovarianceError
    """
    try:
        theta = rule.update(stats, previous)
        apart = theta.components.means - rule.family.centres(scorer)
        moved = theta.components._replace(means=apart)
        if rule.family.cancellation(moved) <= MOST_CANCELLATION:
            return theta, stats
    except SingularCovarianceError:
        pass
    stats = sum_again(rule.family.summer_about(stats.mean))
    return rule.update(stats, previous), stats
