"""Yes or no: Bernoulli columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skem.families.kinds.coded import CodedKind
from skem.families.kinds.conjugate import BetaLaw, beta_divergence
from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.counts import digamma_rise
from skem.families.kinds.linear import LEAST, ConjugateLinearKind, at_least
from skem.families.parameters import EMPTY, Array

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
class Bernoulli(
    CodedKind[BernoulliParameters],
    ConjugateLinearKind[BernoulliParameters, BetaLaw],
):
    """Zeros and ones: ``p(x) = p^x (1 - p)^(1 - x)``.

    Half of a prior's pseudo-rows are ones. The conjugate prior is Jeffreys': a beta distribution
    whose parameters are 1/2.
    """

    @property
    def n_codes(self) -> tuple[int, ...]:
        return (2,) * self.n_columns

    def codes(self, values: Array) -> Array:
        return values

    def features(self, values: Array) -> Array:
        return values

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        return ~np.isnan(values) & (values != 0) & (values != 1), "0 and 1"

    def natural(self, parameters: BernoulliParameters) -> tuple[Array, Array]:
        (p,) = parameters
        sure = p >= 1.0
        zero = np.where(sure, np.log(LEAST), np.log1p(-np.where(sure, 0.5, p)))
        return _interleave(zero, np.log(at_least(p))), np.zeros(p.shape)

    def maximise(self, stats: LineStatistics, previous: BernoulliParameters) -> BernoulliParameters:
        seen = self.seen(stats)
        known = seen > EMPTY * seen.sum(axis=0)
        shares = stats.sums[:, 1::2] / np.where(known, seen, 1.0)
        return BernoulliParameters(np.where(known, shares, previous.probabilities))

    def typical(self, stats: LineStatistics) -> Array:
        return np.full((1, self.n_sums), 0.5)

    def without_rows(self, n_components: int) -> BernoulliParameters:
        return BernoulliParameters(np.full((n_components, self.n_columns), 0.5))

    def n_parameters(self, n_components: int) -> int:
        return n_components * self.n_columns

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
        return BetaLaw(prior.a + stats.sums[:, 1::2], prior.b + stats.sums[:, 0::2])

    def expected_parameters(self, posterior: BetaLaw) -> BernoulliParameters:
        return BernoulliParameters(posterior.a / (posterior.a + posterior.b))

    def expected_coefficients(self, posterior: BetaLaw) -> Linear:
        one, zero = -digamma_rise(posterior.a, posterior.b), -digamma_rise(posterior.b, posterior.a)
        return self.linear(_interleave(zero, one), np.zeros(one.shape))

    def divergence(self, posterior: BetaLaw, prior: BetaLaw) -> float:
        return beta_divergence(posterior, prior)

    def log_predictive(self, values: Array, posterior: BetaLaw) -> Array:
        """Log density at the posterior mean (Bishop 2006, 2.20), in nats."""
        a, b = posterior
        x = values[:, None]
        return self.over_seen(np.log((x * a + (1.0 - x) * b) / (a + b)))

    def draw(self, posterior: BetaLaw, rng: np.random.RandomState) -> BernoulliParameters:
        return BernoulliParameters(rng.beta(posterior.a, posterior.b))


def _interleave(zero: Array, one: Array) -> Array:
    """Put what zeros and ones of each column have, (K, d), side by side: (K, 2 d)."""
    result: Array = np.stack([zero, one], axis=2).reshape(len(one), -1)
    return result
