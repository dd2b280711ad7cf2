"""Failures before the first success: geometric columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skem.families.kinds.conjugate import BetaLaw, beta_divergence, log_beta_ratio
from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.counts import COUNTS, digamma_rise, not_counts
from skem.families.kinds.linear import ConjugateLinearKind, at_least
from skem.families.parameters import Array

__all__ = ["Geometric", "GeometricParameters"]


class GeometricParameters(NamedTuple):
    """Parameters of geometric columns.

    Attributes
    ----------
    probabilities : ndarray of shape (K, d)
        Of a success.
    """

    probabilities: Array


@dataclass(frozen=True, eq=False)
class Geometric(ConjugateLinearKind[GeometricParameters, BetaLaw]):
    """Failures before the first success: ``p(x) = p (1 - p)^x``, x = 0, 1, ...

    A prior's pseudo-rows are of the mean of all rows, with half a failure in one row more. The
    conjugate prior is a beta distribution: a success, and as many failures as these have.
    """

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        return not_counts(values), COUNTS

    def features(self, values: Array) -> Array:
        """Return what has about the same variance in every component."""
        result: Array = np.arcsinh(np.sqrt(values))
        return result

    def natural(self, parameters: GeometricParameters) -> tuple[Array, Array]:
        (p,) = parameters
        sure = p >= 1.0
        failure = np.where(sure, np.log(at_least(np.zeros(1))), np.log1p(-np.where(sure, 0.5, p)))
        return failure, np.log(at_least(p))

    def maximise(self, stats: LineStatistics, previous: GeometricParameters) -> GeometricParameters:
        known, means = self.means(stats)
        return GeometricParameters(np.where(known, 1.0 / (1.0 + means), previous.probabilities))

    def typical(self, stats: LineStatistics) -> Array:
        return (self.own_sums(stats) + 0.5) / (self.seen(stats) + 1.0)

    def without_rows(self, n_components: int) -> GeometricParameters:
        return GeometricParameters(np.tile(1.0 / (1.0 + self.units), (n_components, 1)))

    def n_parameters(self, n_components: int) -> int:
        return n_components * self.n_columns

    def sample(
        self,
        parameters: GeometricParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw whole parts of exponential variables: any probability does, however small."""
        p = np.minimum(parameters.probabilities[labels], 1.0 - 1e-16)
        return np.floor(rng.standard_exponential(p.shape) / -np.log1p(-p))

    def impute(self, parameters: GeometricParameters, resp: Array) -> Array:
        p = parameters.probabilities
        return resp @ ((1.0 - p) / p)

    def deviations(self, parameters: GeometricParameters) -> Array:
        p = parameters.probabilities
        return np.sqrt(1.0 - p) / p

    # --- the conjugate prior ----------------------------------------------------------------

    def prior(self, stats: LineStatistics) -> BetaLaw:
        failures = self.typical(stats)
        return BetaLaw(np.ones_like(failures), failures)

    def posterior(self, prior: BetaLaw, stats: LineStatistics) -> BetaLaw:
        return BetaLaw(prior.a + self.seen(stats), prior.b + self.own_sums(stats))

    def expected_parameters(self, posterior: BetaLaw) -> GeometricParameters:
        return GeometricParameters(posterior.a / (posterior.a + posterior.b))

    def expected_coefficients(self, posterior: BetaLaw) -> Linear:
        success = -digamma_rise(posterior.a, posterior.b)
        return self.linear(-digamma_rise(posterior.b, posterior.a), success)

    def divergence(self, posterior: BetaLaw, prior: BetaLaw) -> float:
        return beta_divergence(posterior, prior)

    def log_predictive(self, values: Array, posterior: BetaLaw) -> Array:
        """Log probability of counts, in nats: beta-geometric (Weinberg & Gladen 1986)."""
        return self.over_seen(log_beta_ratio(posterior, np.ones(1), values[:, None]))

    def draw(self, posterior: BetaLaw, rng: np.random.RandomState) -> GeometricParameters:
        return GeometricParameters(at_least(rng.beta(posterior.a, posterior.b)))
