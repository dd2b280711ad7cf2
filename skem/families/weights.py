"""The mixing weights: a categorical distribution, its priors and posteriors.

Their statistics are the components' summed responsibilities, (K,).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, digamma, gammaln, xlogy

from skem.families.parameters import EMPTY

__all__ = ["CategoricalWeights", "StickBreakingWeights", "Sticks", "VariationalWeights"]

Array: TypeAlias = NDArray[np.float64]


class Sticks(NamedTuple):
    """Beta distributions of the shares that components take of what those before leave.

    Attributes
    ----------
    a, b : ndarray of shape (K,)
        The last component takes all that is left: its ``b`` is zero.
    """

    a: Array
    b: Array


def _descending(counts: Array, noise: bool) -> NDArray[np.intp]:
    """Return the order by decreasing count; noise stays the last."""
    if not noise:
        return np.argsort(-counts, kind="stable")
    return np.append(np.argsort(-counts[:-1], kind="stable"), len(counts) - 1)


class VariationalWeights(Protocol):
    """What variational inference asks of weights; their posterior is plain data of their own."""

    @property
    def concentration(self) -> float: ...
    @property
    def noise(self) -> bool: ...
    def posterior(self, weight: Array) -> Any: ...
    def counts(self, posterior: Any) -> Array: ...
    def expected(self, posterior: Any) -> Array: ...
    def expected_log(self, posterior: Any) -> Array: ...
    def draw(self, posterior: Any, rng: np.random.RandomState) -> Array: ...
    def divergence(self, posterior: Any) -> float: ...
    def order(self, posterior: Any) -> NDArray[np.intp]: ...
    def take(self, posterior: Any, index: NDArray[np.intp]) -> Any: ...
    def n_parameters(self, n_components: int) -> int: ...


@dataclass(frozen=True)
class CategoricalWeights:
    """Weights with a symmetric Dirichlet prior; its posterior is an array (K,).

    Parameters
    ----------
    concentration : float, default=1.0
        Each of the K parameters of the prior. At 1 it is flat and the mode is the
        maximum-likelihood estimate; a mode needs at least 1. At infinity the weights are no
        parameters any more: all components that have rows have the same.
    noise : bool, default=False
        Whether the last component is noise, and stays the last.
    """

    concentration: float = 1.0
    noise: bool = False

    @property
    def held_equal(self) -> bool:
        """Whether the prior leaves the weights no choice."""
        return math.isinf(self.concentration)

    def mode(self, weight: Array) -> Array:
        """Return the weights of highest posterior density (Bishop 2006, 9.26 and 2.41).

        Parameters
        ----------
        weight : ndarray of shape (K,)
            Summed responsibilities.
        """
        if self.held_equal:
            count = (weight > EMPTY * weight.sum()).astype(np.float64)
        else:
            count = weight if self.concentration == 1.0 else weight + (self.concentration - 1.0)
        result: Array = count / count.sum()
        return result

    def log_prior(self, weights: Array) -> float:
        """Log Dirichlet density (Bishop 2006, 2.38), in nats.

        A flat prior counts as zero, and so does one that holds the weights equal.
        """
        if self.concentration == 1.0 or self.held_equal:
            return 0.0
        n = len(weights)
        constant = gammaln(n * self.concentration) - n * gammaln(self.concentration)
        return float(constant + xlogy(self.concentration - 1.0, weights).sum())

    def posterior(self, weight: Array) -> Array:
        """Return the posterior's parameters (Bishop 2006, 10.58)."""
        return self.concentration + weight

    def counts(self, posterior: Array) -> Array:
        """Return the summed responsibilities that a posterior has seen."""
        return posterior - self.concentration

    def expected(self, posterior: Array) -> Array:
        """Expected weights (Bishop 2006, B.17)."""
        result: Array = posterior / posterior.sum()
        return result

    def expected_log(self, posterior: Array) -> Array:
        """Expected log weights, in nats (Bishop 2006, 10.66)."""
        result: Array = digamma(posterior) - digamma(posterior.sum())
        return result

    def draw(self, posterior: Array, rng: np.random.RandomState) -> Array:
        """Draw weights, (K,)."""
        return rng.dirichlet(posterior)

    def divergence(self, posterior: Array) -> float:
        """KL(posterior || prior), in nats (Bishop 2006, 10.73 and 10.76)."""
        n, c = len(posterior), self.concentration
        constant = gammaln(posterior.sum()) - gammaln(n * c)
        each = gammaln(c) - gammaln(posterior) + (posterior - c) * self.expected_log(posterior)
        return float(constant + each.sum())

    def order(self, posterior: Array) -> NDArray[np.intp]:
        """Return the order by decreasing count; to this prior all are alike."""
        return _descending(posterior, self.noise)

    def take(self, posterior: Array, index: NDArray[np.intp]) -> Array:
        """Return the posterior of some of the components."""
        return posterior[index]

    def n_parameters(self, n_components: int) -> int:
        """Count the free weights."""
        return 0 if self.held_equal else n_components - 1


@dataclass(frozen=True)
class StickBreakingWeights:
    """Weights of a Dirichlet process, truncated at K sticks; its posterior is `Sticks`.

    Component k takes the share v_k ~ Beta(1, concentration) of what those before it leave, and
    the last one all of it (Ishwaran & James 2001; Blei & Jordan 2006).

    Parameters
    ----------
    concentration : float
    noise : bool, default=False
        Whether the last component is noise, and stays the last.
    """

    concentration: float
    noise: bool = False

    def posterior(self, weight: Array) -> Sticks:
        """Return the posterior's parameters (Blei & Jordan 2006, 18 and 19)."""
        later = np.cumsum(weight[::-1])[::-1] - weight
        b = self.concentration + np.maximum(later, 0.0)
        b[-1] = 0.0
        return Sticks(1.0 + weight, b)

    def counts(self, posterior: Sticks) -> Array:
        """Return the summed responsibilities that a posterior has seen."""
        return posterior.a - 1.0

    def expected(self, posterior: Sticks) -> Array:
        """Expected weights; those of some of the components are divided by their sum."""
        a, b = posterior
        left = np.cumprod(np.r_[1.0, (b / (a + b))[:-1]])
        weights = a / (a + b) * left
        result: Array = weights / weights.sum()
        return result

    def expected_log(self, posterior: Sticks) -> Array:
        """Expected log weights, in nats (Blei & Jordan 2006, section 3.2)."""
        a, b = posterior
        total = digamma(a + b)
        left = np.cumsum(np.r_[0.0, (digamma(b[:-1]) - total[:-1])])
        result: Array = digamma(a) - total + left
        return result

    def draw(self, posterior: Sticks, rng: np.random.RandomState) -> Array:
        """Draw weights, (K,): the last component takes what is left."""
        shares = np.append(rng.beta(posterior.a[:-1], posterior.b[:-1]), 1.0)
        result: Array = shares * np.append(1.0, np.cumprod(1.0 - shares[:-1]))
        return result

    def divergence(self, posterior: Sticks) -> float:
        """KL(posterior || prior) of the shares that are not certain, in nats."""
        uncertain = posterior.b > 0
        a, b = posterior.a[uncertain], posterior.b[uncertain]
        log_share, log_rest = digamma(a) - digamma(a + b), digamma(b) - digamma(a + b)
        each = -np.log(self.concentration) - betaln(a, b)
        each += (a - 1.0) * log_share + (b - self.concentration) * log_rest
        return float(each.sum())

    def order(self, posterior: Sticks) -> NDArray[np.intp]:
        """Return the order of components in which the counts are the most probable.

        With T_k the counts of k and those after it, the bound depends on the order through
        ``log G(c + N_K) - log G(1 + N_K) - sum_{k<K} log(c + T_k)``, G the gamma function and c
        the concentration: all but the last are best in descending order, and up to c = 1 so is
        the last. Beyond, a truncated prior may prefer a larger one there, which leaves K
        orders to compare.
        """
        counts = self.counts(posterior)
        descending = _descending(counts, self.noise)
        if self.concentration <= 1.0 or len(counts) == 1 or self.noise:
            return descending

        def value(order: NDArray[np.intp]) -> float:
            ordered = counts[order]
            tails = np.cumsum(ordered[::-1])[::-1]
            last = gammaln(self.concentration + ordered[-1]) - gammaln(1.0 + ordered[-1])
            return float(last - np.log(self.concentration + tails[:-1]).sum())

        moved = (np.r_[np.delete(descending, i), descending[i]] for i in range(len(counts)))
        return max((descending, *moved), key=value)

    def n_parameters(self, n_components: int) -> int:
        """Count the free weights."""
        return n_components - 1

    def take(self, posterior: Sticks, index: NDArray[np.intp]) -> Sticks:
        """Return the posterior of some of the components.

        The first of them keep their expected log weights; otherwise the sticks are broken anew,
        as what others before them took off is lost.
        """
        if (index == np.arange(len(index))).all():
            return Sticks(posterior.a[index], posterior.b[index])
        return self.posterior(self.counts(posterior)[index])
