"""Rules: what becomes of expected sufficient statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families import (
    CategoricalWeights,
    GaussianFamily,
    GaussianParameters,
    GaussianPrior,
    GaussianStatistics,
    Scorer,
    SingularCovarianceError,
)
from skem.families.gaussian import MOST_CANCELLATION

__all__ = ["MixtureParameters", "PointRule", "joint_scorer"]

Array: TypeAlias = NDArray[np.float64]


class MixtureParameters(NamedTuple):
    """Weights of shape (K,) and the parameters of the components."""

    weights: Array
    components: GaussianParameters


def joint_scorer(family: GaussianFamily, theta: MixtureParameters) -> Scorer:
    """Make the scorer of log joint densities; a weight of zero scores -inf."""
    with np.errstate(divide="ignore"):
        log_weights = np.log(theta.weights)
    return family.scorer(theta.components, log_weights)


@dataclass(frozen=True)
class PointRule:
    """Point estimates: maximum likelihood under flat priors, else the posterior mode.

    Parameters
    ----------
    weights : CategoricalWeights
    family : GaussianFamily
    prior : GaussianPrior
    """

    weights: CategoricalWeights
    family: GaussianFamily
    prior: GaussianPrior

    def scorer(self, theta: MixtureParameters) -> Scorer:
        """Make the scorer of log joint densities."""
        return joint_scorer(self.family, theta)

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

    def update_summing(
        self,
        stats: GaussianStatistics,
        previous: MixtureParameters,
        scorer: Scorer,
        sum_again: Callable[[Scorer], GaussianStatistics],
    ) -> MixtureParameters:
        """Return the M-step's parameters, from better sums if need be.

        Where the new components are so narrow, and so far from what the statistics were summed
        about, that those sums lost digits, they are summed once more, about the new means.

        Parameters
        ----------
        stats : GaussianStatistics
        previous : MixtureParameters
        scorer : Scorer
            What the statistics were summed by.
        sum_again : callable
            Sums the same statistics by another scorer.

        Raises
        ------
        SingularCovarianceError
        """
        try:
            theta = self.update(stats, previous)
            apart = theta.components.means - self.family.centres(scorer)
            moved = theta.components._replace(means=apart)
            if self.family.cancellation(moved) <= MOST_CANCELLATION:
                return theta
        except SingularCovarianceError:
            pass
        return self.update(sum_again(self.family.summer_about(stats.mean)), previous)

    def regulariser(self, theta: MixtureParameters) -> float:
        """Log prior density of the parameters, in nats."""
        prior = self.family.log_prior(theta.components, self.prior)
        return self.weights.log_prior(theta.weights) + prior

    def blank(self, n_components: int, n_features: int) -> MixtureParameters:
        """Make the parameters that a component keeps which never had a row: those of all rows."""
        unit = self.family.identity(n_components, n_features)
        components = GaussianParameters(np.zeros((n_components, n_features)), unit, unit)
        return MixtureParameters(np.full(n_components, 1.0 / n_components), components)
