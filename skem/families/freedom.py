"""Degrees of freedom of Student's t components: given, or estimated from the rows' latent scales.

With the summed responsibilities n, the M-step solves ``log(df / 2) - psi(df / 2) + 1 + t = 0``
where ``t = sum r (E[log u] - E[u]) / n`` (Peel & McLachlan 2000, equation 32).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma

from skem.families.parameters import EMPTY, Array

__all__ = ["START", "DegreesOfFreedom", "expected_log_scale"]

# What a component has before its rows' scales are known.
START = 30.0


def expected_log_scale(freedom: Array) -> Array:
    """Return E[log u] of scales that have their prior, ``Gamma(df / 2, df / 2)``; E[u] is 1."""
    half = 0.5 * freedom
    # Of large numbers both terms are nearly the same: psi(x) - log(x) by its asymptotic series.
    series = -0.5 / half - 1.0 / (12.0 * half**2) + 1.0 / (120.0 * half**4)
    result: Array = np.where(half > 1e3, series, digamma(half) - np.log(half))
    return result


@dataclass(frozen=True)
class DegreesOfFreedom:
    """How degrees of freedom are found.

    Parameters
    ----------
    given : float or None
        Those of all components. None: they are estimated.
    shared : bool
        Whether all components have the same.
    bounds : tuple of (float, float)
        Of estimates.
    """

    given: float | None
    shared: bool
    bounds: tuple[float, float]

    @property
    def start(self) -> float:
        """What components have before their rows' scales are known."""
        return float(np.clip(START, *self.bounds)) if self.given is None else self.given

    def n_parameters(self, n_components: int) -> int:
        """Count the free ones."""
        if self.given is not None:
            return 0
        return 1 if self.shared else n_components

    def mode(self, weight: Array, surprise: Array, previous: Array) -> Array:
        """Make the M-step; components without rows keep their previous value.

        Parameters
        ----------
        weight : ndarray of shape (K,)
            Summed responsibilities.
        surprise : ndarray of shape (K,)
            ``sum r (E[u] - E[log u] - 1)``, which is never negative.
        previous : ndarray of shape (K,)
        """
        if self.given is not None:
            return np.full_like(previous, self.given)
        if self.shared:
            value = self._solve(float(surprise.sum() / weight.sum()))
            return np.full_like(previous, value)
        known = weight > EMPTY * weight.sum()
        result = previous.copy()
        result[known] = [self._solve(value) for value in surprise[known] / weight[known]]
        return result

    def _solve(self, surprise: float) -> float:
        """Return the value, within bounds, whose scales are expected to surprise so much."""

        def excess(log_freedom: float) -> float:
            return -float(expected_log_scale(np.asarray(np.exp(log_freedom)))) - surprise

        low, high = np.log(self.bounds)
        # The fewer degrees of freedom, the more.
        if excess(low) <= 0.0:
            return self.bounds[0]
        if excess(high) >= 0.0:
            return self.bounds[1]
        return float(np.exp(brentq(excess, low, high, xtol=1e-13)))
