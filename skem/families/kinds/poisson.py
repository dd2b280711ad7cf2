"""Counts: Poisson columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skem.families.kinds.conjugate import GammaLaw, expected_log, gamma_divergence
from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.counts import (
    COUNTS,
    log_negative_binomial,
    log_poisson,
    log_ratio,
    not_counts,
)
from skem.families.kinds.linear import ConjugateLinearKind, at_least
from skem.families.parameters import Array

__all__ = ["Poisson", "PoissonParameters"]


class PoissonParameters(NamedTuple):
    """Parameters of Poisson columns.

    Attributes
    ----------
    rates : ndarray of shape (K, d)
        Expected counts.
    """

    rates: Array


@dataclass(frozen=True, eq=False)
class Poisson(ConjugateLinearKind[PoissonParameters, GammaLaw]):
    """Counts: ``p(x) = rate^x exp(-rate) / x!``.

    Scores are taken relative to rates of `unit`, so that those of counts of 10^9 have all digits:
    ``x log(rate / unit) - (rate - unit)``, and `log_base` is the log density at rates of `unit`.

    A prior's pseudo-rows are of the mean count of all rows, counted with half a count in one row
    more, so that rates are positive where all counts are zero.

    The conjugate prior is a gamma distribution of the rate, of shape 1 and with the mean of the
    pseudo-rows: an exponential distribution.
    """

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        return not_counts(values), COUNTS

    def features(self, values: Array) -> Array:
        """Return twice the roots: their variance is about 1 in every component."""
        result: Array = 2.0 * np.sqrt(values)
        return result

    def cell_base(self, values: Array) -> Array:
        return log_poisson(values, self.units)

    def natural(self, parameters: PoissonParameters) -> tuple[Array, Array]:
        (rates,) = parameters
        return log_ratio(at_least(rates), self.units), self.units - rates

    def maximise(self, stats: LineStatistics, previous: PoissonParameters) -> PoissonParameters:
        known, means = self.means(stats)
        return PoissonParameters(np.where(known, means, previous.rates))

    def typical(self, stats: LineStatistics) -> Array:
        return (self.own_sums(stats) + 0.5) / (self.seen(stats) + 1.0)

    def without_rows(self, n_components: int) -> PoissonParameters:
        return PoissonParameters(np.tile(self.units, (n_components, 1)))

    def n_parameters(self, n_components: int) -> int:
        return n_components * self.n_columns

    def sample(
        self,
        parameters: PoissonParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        return rng.poisson(parameters.rates[labels]).astype(np.float64)

    def impute(self, parameters: PoissonParameters, resp: Array) -> Array:
        return resp @ parameters.rates

    def deviations(self, parameters: PoissonParameters) -> Array:
        return np.sqrt(parameters.rates)

    # --- the conjugate prior ----------------------------------------------------------------

    def prior(self, stats: LineStatistics) -> GammaLaw:
        rate = self.typical(stats)
        return GammaLaw(np.ones_like(rate), 1.0 / rate)

    def posterior(self, prior: GammaLaw, stats: LineStatistics) -> GammaLaw:
        return GammaLaw(prior.shape + self.own_sums(stats), prior.rate + self.seen(stats))

    def expected_parameters(self, posterior: GammaLaw) -> PoissonParameters:
        return PoissonParameters(posterior.shape / posterior.rate)

    def expected_coefficients(self, posterior: GammaLaw) -> Linear:
        shape, rate = posterior
        return self.linear(expected_log(posterior, self.units), self.units - shape / rate)

    def divergence(self, posterior: GammaLaw, prior: GammaLaw) -> float:
        return gamma_divergence(posterior, prior)

    def log_predictive(self, values: Array, posterior: GammaLaw) -> Array:
        """Log probability of counts, in nats: negative binomial (Gelman et al. 2013, 2.6)."""
        shape, rate = posterior
        return self.over_seen(log_negative_binomial(values[:, None], shape / rate, shape))

    def draw(self, posterior: GammaLaw, rng: np.random.RandomState) -> PoissonParameters:
        return PoissonParameters(at_least(rng.gamma(posterior.shape) / posterior.rate))
