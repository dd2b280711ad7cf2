"""Log densities of counts without the digits that large ones cancel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from skem.families.parameters import Array

__all__ = ["COUNTS", "log_poisson", "not_counts"]

COUNTS = "whole numbers from 0"
_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
_LARGE = 16.0


def not_counts(values: Array) -> NDArray[np.bool_]:
    """Say which cells are neither missing nor whole numbers from 0."""
    bad: NDArray[np.bool_] = (values < 0) | np.isinf(values) | (values != np.floor(values))
    return bad & ~np.isnan(values)


def log_poisson(counts: Array, rate: Array) -> Array:
    """Log probability of counts under positive rates, in nats, to its own digits.

    ``x log(rate) - rate - log x!`` has terms of 10^10 for counts of 10^9. Stirling's series for
    ``log x!`` leaves the deviance, which has none of these (Loader 2000, "Fast and accurate
    computation of binomial probabilities").
    """
    x = np.maximum(counts, _LARGE)
    apart = (x - rate) / rate
    with np.errstate(divide="ignore"):
        near = x * np.log1p(apart) - (x - rate)
        far = x * np.log(x / rate) - (x - rate)
    deviance = np.where(np.abs(apart) < 0.5, near, far)
    # https://dlmf.nist.gov/5.11.1: the next term is below 1e-14 from 16 on.
    series = 1.0 / (x * x)
    series = (1 / 12 - series * (1 / 360 - series * (1 / 1260 - series * (1 / 1680)))) / x
    large = -deviance - series - _HALF_LOG_2PI - 0.5 * np.log(x)
    small = np.minimum(counts, _LARGE)
    exact = small * np.log(rate) - rate - gammaln(small + 1.0)
    result: Array = np.where(counts > _LARGE, large, exact)
    return result
