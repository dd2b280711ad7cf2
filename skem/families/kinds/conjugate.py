"""Distributions that are conjugate priors, and posteriors, of kinds of columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln

from skem.families.parameters import Array

__all__ = ["GammaLaw", "gamma_divergence"]


class GammaLaw(NamedTuple):
    """Gamma distributions of rates: density proportional to ``x^(shape - 1) exp(-rate x)``.

    Attributes
    ----------
    shape, rate : ndarray of shape (K, d)
    """

    shape: Array
    rate: Array


def gamma_divergence(q: GammaLaw, p: GammaLaw) -> float:
    """KL(q || p), in nats, summed over all (Penny 2001, "KL-divergences of ... densities")."""
    log_gammas = gammaln(p.shape) - gammaln(q.shape)
    parts = (q.shape - p.shape) * digamma(q.shape) + log_gammas
    parts = parts + p.shape * (np.log(q.rate) - np.log(p.rate))
    return float((parts + q.shape * (p.rate - q.rate) / q.rate).sum())
