"""Yes or no: Bernoulli columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skem.families.kinds.conjugate import BetaLaw, beta_divergence
from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.counts import digamma_rise
from skem.families.kinds.linear import ConjugateLinearKind, at_least
from skem.families.parameters import Array

__all__ = ["Bernoulli", "BernoulliParameters"]


class BernoulliParameters(NamedTuple):
    """Parameters of Bernoulli columns.

    Attributes
    ----------
    probabilities : ndarray of shape (K, d)
        Of a 1.
    """

    probabilities: Array


@dataclass(frozen=True, eq=False)
class Bernoulli(ConjugateLinearKind[BernoulliParameters, BetaLaw]):
    """Zeros and ones: ``p(x) = p^x (1 - p)^(1 - x)``.

    Half of a prior's pseudo-rows are ones. The conjugate prior is Jeffreys': a beta distribution
    whose parameters are 1/2.
    """

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        return ~np.isnan(values) & (values != 0) & (values != 1), "0 and 1"

    def natural(self, parameters: BernoulliParameters) -> tuple[Array, Array]:
        (p,) = parameters
        zero = np.where(p < 1.0, np.log1p(-np.where(p < 1.0, p, 0.0)), np.log(at_least(1.0 - p)))
        return np.log(at_least(p)) - zero, zero

    def maximise(self, stats: LineStatistics, previous: BernoulliParameters) -> BernoulliParameters:
        known, means = self.means(stats)
        # By rounding a mean of ones may be more than 1.
        return BernoulliParameters(np.where(known, np.minimum(means, 1.0), previous.probabilities))

    def typical(self, stats: LineStatistics) -> Array:
        return np.full((1, self.n_columns), 0.5)

    def without_rows(self, n_components: int) -> BernoulliParameters:
        return BernoulliParameters(np.full((n_components, self.n_columns), 0.5))

    def n_parameters(self, n_components: int) -> int:
        return n_components * self.n_columns

    def encode(self, stats: LineStatistics) -> Array:
        """Return twice the roots of the numbers of ones and of zeros."""
        ones = self.own_sums(stats)
        return 2.0 * np.sqrt(np.maximum(np.hstack([ones, self.seen(stats) - ones]), 0.0))

    def decode(self, coordinates: Array, weight: Array) -> LineStatistics | None:
        ones, zeros = np.split(np.square(0.5 * coordinates), 2, axis=1)
        seen = ones + zeros
        if not np.isfinite(seen).all():
            return None
        if self.has_seen_lines:
            return LineStatistics(weight, np.hstack([ones, seen]))
        return LineStatistics(weight, weight[:, None] * ones / at_least(seen))

    def sample(
        self,
        parameters: BernoulliParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        p = parameters.probabilities[labels]
        return (rng.random_sample(p.shape) < p).astype(np.float64)

    def impute(self, parameters: BernoulliParameters, resp: Array) -> Array:
        return (resp @ parameters.probabilities > 0.5).astype(np.float64)

    # --- the conjugate prior ----------------------------------------------------------------

    def prior(self, stats: LineStatistics) -> BetaLaw:
        half = np.full((1, self.n_columns), 0.5)
        return BetaLaw(half, half)

    def posterior(self, prior: BetaLaw, stats: LineStatistics) -> BetaLaw:
        ones = self.own_sums(stats)
        zeros = np.maximum(self.seen(stats) - ones, 0.0)
        return BetaLaw(prior.a + ones, prior.b + zeros)

    def expected_parameters(self, posterior: BetaLaw) -> BernoulliParameters:
        return BernoulliParameters(posterior.a / (posterior.a + posterior.b))

    def expected_coefficients(self, posterior: BetaLaw) -> Linear:
        one, zero = -digamma_rise(posterior.a, posterior.b), -digamma_rise(posterior.b, posterior.a)
        return self.linear(one - zero, zero)

    def divergence(self, posterior: BetaLaw, prior: BetaLaw) -> float:
        return beta_divergence(posterior, prior)

    def log_predictive(self, values: Array, posterior: BetaLaw) -> Array:
        """Log density at the posterior mean (Bishop 2006, 2.20), in nats."""
        a, b = posterior
        x = values[:, None]
        return self.over_seen(np.log((x * a + (1.0 - x) * b) / (a + b)))

    def draw(self, posterior: BetaLaw, rng: np.random.RandomState) -> BernoulliParameters:
        return BernoulliParameters(rng.beta(posterior.a, posterior.b))
