"""The mixing weights: a categorical distribution with a Dirichlet prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

__all__ = ["CategoricalWeights"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class CategoricalWeights:
    """Weights of K components; their statistics are the components' summed responsibilities.

    Parameters
    ----------
    concentration : float, default=1.0
        Each of the K parameters of a symmetric Dirichlet prior, at least 1; at 1 it is flat
        and the mode is the maximum-likelihood estimate.
    """

    concentration: float = 1.0

    def mode(self, weight: Array) -> Array:
        """Return the weights of highest posterior density (Bishop 2006, 9.26 and 2.41).

        Parameters
        ----------
        weight : ndarray of shape (K,)
            Summed responsibilities.
        """
        count = weight + (self.concentration - 1.0)
        result: Array = count / count.sum()
        return result

    def log_prior(self, weights: Array) -> float:
        """Log Dirichlet density (Bishop 2006, 2.38), in nats; a flat prior counts as zero."""
        if self.concentration == 1.0:
            return 0.0
        n = len(weights)
        constant = gammaln(n * self.concentration) - n * gammaln(self.concentration)
        return float(constant + xlogy(self.concentration - 1.0, weights).sum())

    def n_parameters(self, n_components: int) -> int:
        """Count the free weights."""
        return n_components - 1
