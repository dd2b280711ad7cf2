"""Lifetimes: each column of a component is Weibull distributed, with one known shape for all."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gamma

from skem.families.kinds import Exponential, ExponentialParameters


@dataclass(frozen=True, eq=False)
class Weibull(Exponential):
    """Log density ``log(shape rate x^(shape - 1)) - rate x^shape``: x^shape is exponential."""

    shape: float = 1.0

    def fault(self, values):
        return ~np.isnan(values) & ~(values > 0), "positive numbers"

    def own_lines(self, values):
        return values**self.shape

    def cell_base(self, values):
        return np.log(self.shape) + (self.shape - 1.0) * np.log(values)

    def without_rows(self, n_components):
        return ExponentialParameters(np.tile(self.units**-self.shape, (n_components, 1)))

    def sample(self, parameters, labels, rng):
        return super().sample(parameters, labels, rng) ** (1.0 / self.shape)

    def impute(self, parameters, resp):
        return resp @ (gamma(1.0 + 1.0 / self.shape) * parameters.rates ** (-1.0 / self.shape))

    def log_predictive(self, values, posterior):
        base = self.log_base(values)[:, None]
        return super().log_predictive(values**self.shape, posterior) + base
