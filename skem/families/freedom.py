"""Degrees of freedom of Student's t components: given, or estimated from the rows' latent scales.

With the summed responsibilities n, the M-step solves ``log(df / 2) - psi(df / 2) + 1 + t = 0``
where ``t = sum r (E[log u] - E[u]) / n`` (Peel & McLachlan 2000, equation 32).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skem.families.kinds.counts import log_less_digamma
from skem.families.kinds.gamma import gamma_shape
from skem.families.parameters import EMPTY, Array

__all__ = ["START", "DegreesOfFreedom", "expected_log_scale"]

# What a component has before its rows' scales are known.
START = 30.0


def expected_log_scale(freedom: Array) -> Array:
    """Return E[log u] of scales that have their prior, ``Gamma(df / 2, df / 2)``; E[u] is 1."""
    result: Array = -log_less_digamma(0.5 * freedom)
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
            value = self._solve(np.atleast_1d(surprise.sum() / weight.sum()))
            return np.full_like(previous, value[0])
        known = weight > EMPTY * weight.sum()
        result = previous.copy()
        result[known] = self._solve(surprise[known] / weight[known])
        return result

    def _solve(self, surprise: Array) -> Array:
        """Return the values, within bounds, whose scales are expected to surprise so much."""
        low, high = self.bounds
        # The fewer degrees of freedom, the more. Half of them are a gamma distribution's shape.
        least, most = -expected_log_scale(np.array([high, low]))
        found = np.clip(2.0 * gamma_shape(np.clip(surprise, least, most)), low, high)
        found[surprise <= least], found[surprise >= most] = high, low
        return found
