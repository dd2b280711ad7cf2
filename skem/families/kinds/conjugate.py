"""Distributions that are conjugate priors, and posteriors, of kinds of columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from skem.families.kinds.counts import (
    digamma_rise,
    log_less_digamma,
    log_ratio,
    log_rise,
    stirling_error,
)
from skem.families.parameters import Array

__all__ = [
    "BetaLaw",
    "GammaLaw",
    "beta_divergence",
    "expected_log",
    "gamma_divergence",
    "log_beta_ratio",
]


class GammaLaw(NamedTuple):
    """Gamma distributions of rates: density proportional to ``x^(shape - 1) exp(-rate x)``.

    Attributes
    ----------
    shape, rate : ndarray of shape (K, d)
    """

    shape: Array
    rate: Array


class BetaLaw(NamedTuple):
    """Beta distributions of probabilities: density proportional to ``p^(a - 1) (1 - p)^(b - 1)``.

    Attributes
    ----------
    a, b : ndarray of shape (K, d)
    """

    a: Array
    b: Array


def gamma_divergence(q: GammaLaw, p: GammaLaw) -> float:
    """KL(q || p) of gamma distributions, in nats, summed over all.

    ``E_q log(q / p)`` by Bishop 2006, B.26 to B.30, with Stirling's series for log Gamma of q's
    shape, whose large terms cancel.
    """
    mean = q.shape / q.rate
    prior = gammaln(p.shape) - p.shape * np.log(mean * p.rate) + mean * p.rate
    parts = prior + 0.5 * np.log(q.shape / (2.0 * np.pi)) - stirling_error(q.shape)
    return float((parts - (q.shape - p.shape) * log_less_digamma(q.shape)).sum())


def beta_divergence(q: BetaLaw, p: BetaLaw) -> float:
    """KL(q || p) of beta distributions, in nats, summed over all (Bishop 2006, B.6 to B.9)."""
    parts = -log_beta_ratio(p, q.a - p.a, q.b - p.b)
    parts = parts - (q.a - p.a) * digamma_rise(q.a, q.b) - (q.b - p.b) * digamma_rise(q.b, q.a)
    return float(parts.sum())


def log_beta_ratio(law: BetaLaw, a: Array, b: Array) -> Array:
    """Return ``log B(law.a + a, law.b + b) - log B(law.a, law.b)``."""

    def log_beta(a: Array, b: Array) -> Array:
        less, more = np.minimum(a, b), np.maximum(a, b)
        result: Array = gammaln(less) - log_rise(more, less)
        return result

    return log_beta(law.a + a, law.b + b) - log_beta(law.a, law.b)


def expected_log(law: GammaLaw, unit: Array) -> Array:
    """Return ``E log(rate / unit)``, (K, d)."""
    return log_ratio(law.shape / law.rate, unit) - log_less_digamma(law.shape)
