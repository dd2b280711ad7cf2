"""Waiting times: exponential columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skem.families.kinds.conjugate import GammaLaw, expected_log, gamma_divergence
from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.linear import LARGEST, ConjugateLinearKind, at_least
from skem.families.parameters import Array

__all__ = ["Exponential", "ExponentialParameters"]


class ExponentialParameters(NamedTuple):
    """Parameters of exponential columns.

    Attributes
    ----------
    rates : ndarray of shape (K, d)
        Inverse means.
    """

    rates: Array


@dataclass(frozen=True, eq=False)
class Exponential(ConjugateLinearKind[ExponentialParameters, GammaLaw]):
    """Waiting times: ``p(x) = rate exp(-rate x)``, x >= 0.

    A prior's pseudo-rows have the mean of all rows. The conjugate prior is a gamma distribution
    of the rate, of shape 1 and with the inverse of that mean as its mean: what one more row would
    have told. Neither depends on the column's unit.
    """

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        bad = ~np.isnan(values) & ~((values >= 0) & (values <= LARGEST))
        return bad, f"numbers from 0 to {LARGEST:g}"

    def features(self, values: Array) -> Array:
        """Return cubic roots, which are nearly normal (Wilson & Hilferty 1931)."""
        result: Array = np.cbrt(values / self.units)
        return result

    def natural(self, parameters: ExponentialParameters) -> tuple[Array, Array]:
        (rates,) = parameters
        return -rates, np.log(rates)

    def maximise(
        self, stats: LineStatistics, previous: ExponentialParameters
    ) -> ExponentialParameters:
        known, means = self.means(stats)
        spike = known & (means <= 0)
        if spike.any():
            raise self.first_spike(spike, "0")
        return ExponentialParameters(
            np.where(known, 1.0 / np.where(known, means, 1.0), previous.rates)
        )

    def typical(self, stats: LineStatistics) -> Array:
        _, means = self.means(stats)
        # Of a column without any value, any mean does.
        means = np.where(self.seen(stats) > 0, means, 1.0)
        self.check_typical(means <= 0, "0")
        return means

    def without_rows(self, n_components: int) -> ExponentialParameters:
        return ExponentialParameters(np.tile(1.0 / self.units, (n_components, 1)))

    def n_parameters(self, n_components: int) -> int:
        return n_components * self.n_columns

    def sample(
        self,
        parameters: ExponentialParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        rates = parameters.rates[labels]
        return rng.standard_exponential(rates.shape) / rates

    def impute(self, parameters: ExponentialParameters, resp: Array) -> Array:
        return resp @ (1.0 / parameters.rates)

    def deviations(self, parameters: ExponentialParameters) -> Array:
        return 1.0 / parameters.rates

    # --- the conjugate prior ----------------------------------------------------------------

    def prior(self, stats: LineStatistics) -> GammaLaw:
        mean = self.typical(stats)
        return GammaLaw(np.ones_like(mean), mean)

    def posterior(self, prior: GammaLaw, stats: LineStatistics) -> GammaLaw:
        return GammaLaw(prior.shape + self.seen(stats), prior.rate + self.own_sums(stats))

    def expected_parameters(self, posterior: GammaLaw) -> ExponentialParameters:
        return ExponentialParameters(posterior.shape / posterior.rate)

    def expected_coefficients(self, posterior: GammaLaw) -> Linear:
        return self.linear(-posterior.shape / posterior.rate, expected_log(posterior, np.ones(1)))

    def divergence(self, posterior: GammaLaw, prior: GammaLaw) -> float:
        return gamma_divergence(posterior, prior)

    def log_predictive(self, values: Array, posterior: GammaLaw) -> Array:
        """Log density of waiting times, in nats: Lomax (Pareto of the second kind)."""
        shape, rate = posterior
        tail = (shape + 1.0) * np.log1p(values[:, None] / rate)
        return self.over_seen(np.log(shape / rate) - tail)

    def draw(self, posterior: GammaLaw, rng: np.random.RandomState) -> ExponentialParameters:
        return ExponentialParameters(at_least(rng.gamma(posterior.shape) / posterior.rate))
