"""Degrees of freedom of Student's t components: given, or estimated from the rows' latent scales.

With the summed responsibilities n, the M-step solves ``log(df / 2) - psi(df / 2) + 1 + t = 0``
where ``t = sum r (E[log u] - E[u]) / n`` (Peel & McLachlan 2000, equation 32).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

from skem.families.kinds.counts import log_less_digamma
from skem.families.kinds.gamma import gamma_shape
from skem.families.parameters import EMPTY, TINY, Array

__all__ = ["START", "DegreesOfFreedom", "expected_log_scale"]

# What a component has before its rows' scales are known.
START = 30.0
# EM's change of degrees of freedom is multiplied by no more, and one batch changes no surprise,
# and so hardly the degrees of freedom, by a larger factor.
_MOST_HASTE, _MOST_CHANGE = 100.0, 2.0


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
        if self.shared and weight.any():
            value = self._solve(np.atleast_1d(surprise.sum() / weight.sum()))
            return np.full_like(previous, value[0])
        known = weight > EMPTY * weight.sum()
        result = previous.copy()
        result[known] = self._solve(surprise[known] / weight[known])
        return result

    def hasten(
        self, before: Array, weight: Array, surprise: Array, rate: Array, n_features: int
    ) -> Array:
        """Return the surprises per unit of weight that a batch of stepwise EM leads to.

        EM changes degrees of freedom by their score over the information that known scales would
        give, which is the less the more of it is missing; so where steps can't be extrapolated,
        the batch's difference is multiplied by the ratio of that to the rows' own information:
        a step of stochastic scoring (Titterington 1984). Where it comes to rest is the same.

        Parameters
        ----------
        before : ndarray of shape (K,)
            Degrees of freedom.
        weight, surprise : ndarray of shape (K,)
            Of the batch, see `mode`.
        rate : ndarray of shape (K,)
            The share of the batch in the blended statistics of each component.
        n_features : int
        """
        expected = -expected_log_scale(before)
        if self.shared:
            total = weight.sum()
            rate = np.full_like(rate, (rate * weight).sum() / max(total, TINY))
            weight, surprise = np.full_like(weight, total), np.full_like(weight, surprise.sum())
        apart = surprise / np.maximum(weight, TINY) - expected
        found = expected + rate * _haste(before, n_features) * apart
        result: Array = np.clip(found, expected / _MOST_CHANGE, expected * _MOST_CHANGE)
        return result

    def _solve(self, surprise: Array) -> Array:
        """Return the values, within bounds, whose scales are expected to surprise so much."""
        low, high = self.bounds
        # The fewer degrees of freedom, the more. Half of them are a gamma distribution's shape.
        least, most = -expected_log_scale(np.array([high, low]))
        found = np.clip(2.0 * gamma_shape(np.clip(surprise, least, most)), low, high)
        found[surprise <= least], found[surprise >= most] = high, low
        return found


def _haste(freedom: Array, n_features: int) -> Array:
    """Return by how much the information of rows with known scales is more than that of rows.

    Of rows' degrees of freedom (Lange, Little & Taylor 1989, appendix B):
    ``(psi'(f / 2) - psi'((f + D) / 2)) / 4 - D (f + D + 4) / (2 f (f + D) (f + D + 2))``.
    """
    f, d = freedom, n_features
    trigamma = polygamma(1, 0.5 * f)
    known = 0.25 * trigamma - 0.5 / f
    of_rows = 0.25 * (trigamma - polygamma(1, 0.5 * (f + d)))
    of_rows -= d * (f + d + 4) / (2.0 * f * (f + d) * (f + d + 2))
    return np.asarray(known / np.maximum(of_rows, known / _MOST_HASTE), dtype=np.float64)
