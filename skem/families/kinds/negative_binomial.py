"""Counts that vary more than Poisson ones: negative binomial columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma

from skem.families.kinds.coded import CodedKind
from skem.families.kinds.contract import LineStatistics
from skem.families.kinds.counts import (
    COUNTS,
    digamma_rise,
    log_negative_binomial,
    log_poisson,
    not_counts,
)
from skem.families.kinds.linear import at_least
from skem.families.parameters import EMPTY, Array

__all__ = ["NegativeBinomial", "NegativeBinomialParameters", "negative_binomial_size"]

_MOST_STEPS = 100
# Sizes are searched for between these; the second is relative to the mean (but at least 1).
_SMALLEST, _LARGEST = 1e-8, 1e9


class NegativeBinomialParameters(NamedTuple):
    """Parameters of negative binomial columns.

    Attributes
    ----------
    means, sizes : ndarray of shape (K, d)
        The variance is ``mean + mean^2 / size``. A size of infinity is a Poisson distribution.
    """

    means: Array
    sizes: Array


@dataclass(frozen=True, eq=False)
class NegativeBinomial(CodedKind[NegativeBinomialParameters]):
    """Counts: Poisson ones whose rates are gamma distributed, of shape ``size``.

    ``p(x) = Gamma(x + size) / (Gamma(size) x!) (1 - q)^size q^x``, ``q = mean / (mean + size)``.

    The size is no parameter of an exponential family. But for given counts the log density is
    linear in indicators of their distinct values, whose weights are the statistics: the M-step
    finds the size that is best for these.

    A prior's pseudo-rows are those of the table, with half a row of 0 and half a row of 1 more.
    There is no conjugate prior of sizes.

    Parameters
    ----------
    support : tuple of ndarray, default=()
        The distinct values of each column, ascending, with 0 and 1; `fitted_to` and `for_values`
        set it.
    """

    support: tuple[Array, ...] = ()

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        return not_counts(values), COUNTS

    def fitted_to(self, values: Array, weights: Array | None, names: Sequence[Any] = ()) -> Self:
        return replace(super().fitted_to(values, weights, names), support=_distinct(values))

    def condense(self, values: Array) -> list[tuple[Array, Array]]:
        """Return the distinct values, and how often there are such."""
        found = (np.unique(column[~np.isnan(column)], return_counts=True) for column in values.T)
        return [(distinct, counts.astype(np.float64)) for distinct, counts in found]

    def for_values(self, values: Array, *, more: bool = False) -> Self:
        if more:
            raise ValueError(
                "negative_binomial columns need all rows at once, since their statistics are of "
                "the distinct values: use fit, or declare another kind for them"
            )
        return replace(super().for_values(values), support=_distinct(values))

    @property
    def n_codes(self) -> Sequence[int]:
        return [len(values) for values in self.support]

    @property
    def values_of_codes(self) -> Array:
        """The values that all columns' codes stand for, (S,)."""
        return np.concatenate(self.support)

    def codes(self, values: Array) -> Array:
        codes = np.empty(values.shape)
        for j, (column, support) in enumerate(zip(values.T, self.support, strict=True)):
            codes[:, j] = np.searchsorted(support, column)
            found = support[np.minimum(codes[:, j].astype(np.intp), len(support) - 1)]
            if not (np.isnan(column) | (found == column)).all():
                raise ValueError("These rows need a kind of their own: see `for_values`")
        return codes

    def features(self, values: Array) -> Array:
        """Return what has about the same variance in every component."""
        result: Array = np.arcsinh(np.sqrt(values))
        return result

    def natural(self, parameters: NegativeBinomialParameters) -> tuple[Array, Array]:
        means, sizes = (self.spread(part) for part in parameters)
        density = _log_density(self.values_of_codes, at_least(means), sizes)
        return density, np.zeros(parameters.means.shape)

    def maximise(
        self, stats: LineStatistics, previous: NegativeBinomialParameters
    ) -> NegativeBinomialParameters:
        seen = self.seen(stats)
        known = seen > EMPTY * seen.sum(axis=0)
        shares = stats.sums / self.spread(np.where(known, seen, 1.0))
        means = self.column_sums(shares * self.values_of_codes)
        columns = zip(self.split(shares), self.support, means.T, previous.sizes.T, strict=True)
        sizes = [negative_binomial_size(*column) for column in columns]
        return NegativeBinomialParameters(
            np.where(known, means, previous.means),
            np.where(known, np.column_stack(sizes), previous.sizes),
        )

    def typical(self, stats: LineStatistics) -> Array:
        counts = stats.sums + 0.5 * (self.values_of_codes <= 1)
        result: Array = counts / self.spread(self.column_sums(counts))
        return result

    def without_rows(self, n_components: int) -> NegativeBinomialParameters:
        means = np.tile(self.units, (n_components, 1))
        return NegativeBinomialParameters(means, np.ones_like(means))

    def n_parameters(self, n_components: int) -> int:
        return 2 * n_components * self.n_columns

    def sample(
        self,
        parameters: NegativeBinomialParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        means, sizes = (values[labels] for values in parameters)
        finite = np.where(np.isinf(sizes), 1.0, sizes)
        ratio = np.where(np.isinf(sizes), 1.0, rng.standard_gamma(finite) / finite)
        return rng.poisson(means * ratio).astype(np.float64)

    def impute(self, parameters: NegativeBinomialParameters, resp: Array) -> Array:
        return resp @ parameters.means

    def deviations(self, parameters: NegativeBinomialParameters) -> Array:
        means, sizes = parameters
        return np.sqrt(means * (1.0 + means / sizes))


def _distinct(values: Array) -> tuple[Array, ...]:
    """Return the distinct values of each column, with 0 and 1, without NaN."""
    return tuple(np.union1d(column[~np.isnan(column)], [0.0, 1.0]) for column in values.T)


def _log_density(counts: Array, means: Array, sizes: Array) -> Array:
    poisson = np.isinf(sizes)
    density = log_negative_binomial(counts, means, np.where(poisson, 1.0, sizes))
    result: Array = np.where(poisson, log_poisson(counts, means), density)
    return result


def negative_binomial_size(shares: Array, support: Array, means: Array, start: Array) -> Array:
    """Return the sizes of highest likelihood, given means that are the values' own: (K,).

    There is one if the variance is greater than the mean, and else the likelihood rises up to
    that of the Poisson distribution (Levin & Reeds 1977, "Compact multinomial likelihoods"). It
    solves ``sum_x share_x (digamma(x + r) - digamma(r)) = log(1 + mean / r)``: Newton's method for
    the logarithm of both sides, as functions of log r, kept between bounds.

    Parameters
    ----------
    shares : ndarray of shape (K, number of values)
        Of each value; zero for components without rows.
    support : ndarray of shape (number of values,)
    means : ndarray of shape (K,)
    start : ndarray of shape (K,)
        Where to begin; where it is infinite, with the moments' estimate.
    """
    variances = (shares * np.square(support - means[:, None])).sum(axis=1)
    over = variances > means * (1.0 + 1e-12)
    result = np.full(len(means), np.inf)
    if not over.any():
        return result
    shares, mean = shares[over], means[over, None]
    moments = np.square(means[over]) / (variances[over] - means[over])
    high = np.log(_LARGEST * np.maximum(means[over], 1.0))
    low = np.full_like(high, np.log(_SMALLEST))
    start = np.where(np.isfinite(start[over]), start[over], moments)
    log_size = np.clip(np.log(start), low, high)
    for _ in range(_MOST_STEPS):
        size = np.exp(log_size)[:, None]
        rise = (shares * digamma_rise(size, support)).sum(axis=1)
        slope = (shares * (polygamma(1, size) - polygamma(1, size + support))).sum(axis=1)
        ratio, rest = (mean / size)[:, 0], (mean / (mean + size))[:, 0]
        excess = np.log(rise / np.log1p(ratio))
        steepness = rest / np.log1p(ratio) - slope * size[:, 0] / rise
        low, high = np.where(excess > 0, log_size, low), np.where(excess < 0, log_size, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = log_size - excess / steepness
        inside = (newton > low) & (newton < high)
        moved = np.where(inside, newton, 0.5 * (low + high))
        moved = np.where(excess == 0, log_size, moved)
        done = np.abs(moved - log_size) <= 1e-13 * np.maximum(np.abs(moved), 1.0)
        log_size = moved
        if done.all():
            break
    result[over] = np.exp(log_size)
    return result
