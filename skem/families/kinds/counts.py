"""Functions of large counts, without the digits that their terms cancel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from skem.families.parameters import Array

__all__ = [
    "COUNTS",
    "digamma_rise",
    "log_less_digamma",
    "log_negative_binomial",
    "log_poisson",
    "log_ratio",
    "log_rise",
    "not_counts",
    "stirling_error",
]

COUNTS = "whole numbers from 0 to 2^53"
_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
_LARGE = 16.0  # from here on, the series below have 15 digits


def not_counts(values: Array) -> NDArray[np.bool_]:
    """Say which cells are neither missing nor whole numbers from 0 to 2^53."""
    bad: NDArray[np.bool_] = (values < 0) | (values > 2.0**53) | (values != np.floor(values))
    return bad & ~np.isnan(values)


def log_ratio(numerator: Array, denominator: Array) -> Array:
    """Log of a ratio of positive numbers, which may be all but equal."""
    with np.errstate(over="ignore"):  # infinitely far apart
        apart = (numerator - denominator) / denominator
    near = np.abs(apart) < 0.5
    result: Array = np.where(
        near, np.log1p(np.where(near, apart, 0.0)), np.log(numerator) - np.log(denominator)
    )
    return result


def _remainder(x: Array) -> Array:
    """Return Stirling's series: ``log Gamma(x) - (x - 1/2) log x + x - log(2 pi) / 2``, x >= 16.

    https://dlmf.nist.gov/5.11.1
    """
    square = 1.0 / (x * x)
    series = 1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))
    result: Array = (1 / 12 - square * series) / x
    return result


def stirling_error(x: Array) -> Array:
    """Return `_remainder` for all x > 0."""
    small = np.minimum(x, _LARGE)
    exact = gammaln(small) - (small - 0.5) * np.log(small) + small - _HALF_LOG_2PI
    result: Array = np.where(x < _LARGE, exact, _remainder(np.maximum(x, _LARGE)))
    return result


def _deviance(x: Array, mean: Array) -> Array:
    """Return ``x log(x / mean) - (x - mean)`` for positive numbers (Loader 2000)."""
    result: Array = x * log_ratio(x, mean) - (x - mean)
    return result


def log_poisson(counts: Array, rate: Array) -> Array:
    """Log probability of counts under positive rates, in nats, to its own digits.

    ``x log(rate) - rate - log x!`` has terms of 10^10 for counts of 10^9. Stirling's series for
    ``log x!`` leaves the deviance, which has none of these (Loader 2000, "Fast and accurate
    computation of binomial probabilities").
    """
    x = np.where(counts == 0, 1.0, counts)  # NaN stays NaN
    some = -_deviance(x, rate) - stirling_error(x) - _HALF_LOG_2PI - 0.5 * np.log(x)
    result: Array = np.where(counts == 0, -rate, some)
    return result


def log_negative_binomial(counts: Array, mean: Array, size: Array) -> Array:
    """Log probability of counts of a given mean, and of variance ``mean + mean^2 / size``.

    In nats, to its own digits: ``size / (x + size)`` times a binomial probability, by Loader's
    way (as R's ``dnbinom`` does).
    """
    x = np.where(counts == 0, 1.0, counts)  # NaN stays NaN
    both = x + size
    # Of x + size trials, x succeed; with the mean and the size they would be expected to.
    total = mean + size
    some = stirling_error(both) - stirling_error(x) - stirling_error(size)
    some = some - _deviance(x, both * (mean / total)) - _deviance(size, both * (size / total))
    some = some + 0.5 * (np.log(size) - np.log(x) - np.log(both)) - _HALF_LOG_2PI
    result: Array = np.where(counts == 0, -size * np.log1p(mean / size), some)
    return result


def log_rise(start: Array, step: Array) -> Array:
    """Return ``log Gamma(start + step) - log Gamma(start)`` for positive numbers."""
    x = np.maximum(start, _LARGE)
    large = (x - 0.5) * np.log1p(step / x) + step * (np.log(x + step) - 1.0)
    large = large + _remainder(x + step) - _remainder(x)
    small = gammaln(start + step) - gammaln(start)
    result: Array = np.where(start < _LARGE, small, large)
    return result


def digamma_rise(start: Array, step: Array) -> Array:
    """Return ``digamma(start + step) - digamma(start)`` for positive numbers."""
    x = np.maximum(start, _LARGE)
    large = np.log1p(step / x) + _digamma_remainder(x) - _digamma_remainder(x + step)
    small = digamma(start + step) - digamma(start)
    result: Array = np.where(start < _LARGE, small, large)
    return result


def log_less_digamma(x: Array) -> Array:
    """Return ``log x - digamma(x)`` for positive numbers."""
    small = np.minimum(x, _LARGE)
    large = _digamma_remainder(np.maximum(x, _LARGE))
    result: Array = np.where(x < _LARGE, np.log(small) - digamma(small), large)
    return result


def _digamma_remainder(x: Array) -> Array:
    """Return ``log x - digamma(x)`` for x >= 16 (https://dlmf.nist.gov/5.11.2)."""
    square = 1.0 / (x * x)
    series = 1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))
    result: Array = 0.5 / x + square * (1 / 12 - square * series)
    return result
