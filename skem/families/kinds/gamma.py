"""Positive amounts: gamma columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma

from skem.families.floor import least_variances
from skem.families.kinds.contract import LineStatistics
from skem.families.kinds.counts import log_less_digamma, stirling_error
from skem.families.kinds.linear import LARGEST, LinearKind, at_least
from skem.families.parameters import EMPTY, Array

__all__ = ["Gamma", "GammaParameters", "gamma_shape"]

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
# Where mean and geometric mean are as close as this, relative, all values are one.
_ONE_VALUE = 1e-14
_SERIES = 16.0
_MOST_STEPS = 30
# After a step of Newton's that is so small, relatively, the next one is rounding.
_SMALL_STEP = 1e-8


class GammaParameters(NamedTuple):
    """Parameters of gamma columns.

    Attributes
    ----------
    shapes, rates : ndarray of shape (K, d)
        The mean is shape / rate.
    """

    shapes: Array
    rates: Array


@dataclass(frozen=True, eq=False)
class Gamma(LinearKind[GammaParameters]):
    """Positive amounts: ``p(x) = rate^shape x^(shape - 1) exp(-rate x) / Gamma(shape)``, x > 0.

    Lines are the values, in terms of `unit`, and their logarithms. A prior's pseudo-rows have the
    mean and the geometric mean of all rows, so that shapes are finite where a component's values
    are all the same. There is no conjugate prior of shapes.

    Parameters
    ----------
    floor : ndarray of shape (d,), default=None
        What no component's variance, shape / rate^2, is smaller than; 0 for any. None: any.
    """

    floor: Array | None = None

    @property
    def n_own_lines(self) -> int:
        return 2 * self.n_columns

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        bad = ~np.isnan(values) & ~((values > 0) & (values <= LARGEST))
        return bad, f"numbers above 0, up to {LARGEST:g}"

    def own_lines(self, values: Array) -> Array:
        relative = values / self.units
        return np.hstack([relative, np.log(relative)])

    def features(self, values: Array) -> Array:
        """Return cubic roots, which are nearly normal (Wilson & Hilferty 1931)."""
        result: Array = np.cbrt(values / self.units)
        return result

    def cell_base(self, values: Array) -> Array:
        return -np.log(values)

    def natural(self, parameters: GammaParameters) -> tuple[Array, Array]:
        """Return what is 0 at the mean, times the shape, and the height there.

        ``shape (log(x / mean) - x / mean + 1) + log(shape) / 2 - log(2 pi) / 2 - remainder``,
        with Stirling's series for log Gamma, whose large terms cancel.
        """
        shapes, rates = parameters
        mean = shapes / rates / self.units
        height = 0.5 * np.log(shapes) - _HALF_LOG_2PI - stirling_error(shapes)
        return np.hstack([-shapes / mean, shapes]), height + shapes * (1.0 - np.log(mean))

    def maximise(self, stats: LineStatistics, previous: GammaParameters) -> GammaParameters:
        seen = self.seen(stats)
        known = seen > EMPTY * seen.sum(axis=0)
        mean, excess = self._moments(stats, known)
        floor = np.zeros(self.n_columns) if self.floor is None else self.floor
        spike = known & ~(excess > _ONE_VALUE)
        if (spike & (floor <= 0)).any():
            raise self.first_spike(spike & (floor <= 0), "the same")
        shapes = gamma_shape(np.where(known, np.maximum(excess, _ONE_VALUE), 1.0))
        # In terms of `unit`, as the means are.
        floor = np.broadcast_to(floor / np.square(self.units), mean.shape)
        narrow = known & (mean * mean < floor * shapes)
        mean[narrow] = _mean_at_floor(mean[narrow], excess[narrow], floor[narrow])
        shapes[narrow] = np.square(mean[narrow]) / floor[narrow]
        rates = shapes / (mean * self.units)
        return GammaParameters(
            np.where(known, shapes, previous.shapes), np.where(known, rates, previous.rates)
        )

    def floor_below(self, variances: Array, one: GammaParameters) -> Array | None:
        floor = least_variances(variances, one.shapes[0] / np.square(one.rates[0]))
        return floor if (floor > 0).any() else None

    def with_floor(self, floor: Array | None) -> Self:
        return replace(self, floor=floor)

    def _moments(self, stats: LineStatistics, known: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Means, and their logs less the means of logs, (K, d); 1 and 0 where not known."""
        seen = np.where(known, self.seen(stats), 1.0)
        total, total_log = np.split(self.own_sums(stats), 2, axis=1)
        mean = np.where(known, total / seen, 1.0)
        return mean, np.log(at_least(mean)) - np.where(known, total_log / seen, 0.0)

    def typical(self, stats: LineStatistics) -> Array:
        seen = self.seen(stats)
        mean, excess = self._moments(stats, seen > 0)
        # Of a column without any value, any moments do.
        excess = np.where(seen > 0, excess, 1.0)
        self.check_typical(excess <= _ONE_VALUE, "the same")
        return np.hstack([mean, np.log(mean) - excess])

    def without_rows(self, n_components: int) -> GammaParameters:
        rates = np.tile(1.0 / self.units, (n_components, 1))
        return GammaParameters(np.ones_like(rates), rates)

    def n_parameters(self, n_components: int) -> int:
        return 2 * n_components * self.n_columns

    def encode(self, stats: LineStatistics) -> Array:
        """Return roots of sums, and of the logs of means less means of logs, times weights."""
        seen = self.seen(stats)
        mean, excess = self._moments(stats, seen > 0)
        parts = [seen, seen * mean, seen * excess]
        return 2.0 * np.sqrt(np.maximum(np.hstack(parts), 0.0))

    def decode(self, coordinates: Array, weight: Array) -> LineStatistics | None:
        if not np.isfinite(coordinates).all():
            return None
        seen, total, excess = np.split(np.square(0.5 * coordinates), 3, axis=1)
        if not self.has_seen_lines:
            total, excess = (part * weight[:, None] / at_least(seen) for part in (total, excess))
            seen = np.repeat(weight[:, None], self.n_columns, axis=1)
        some = seen > 0
        log_mean = np.log(at_least(np.where(some, total / np.where(some, seen, 1.0), 1.0)))
        parts = [total, seen * log_mean - excess]
        sums = np.hstack([*parts, seen] if self.has_seen_lines else parts)
        return LineStatistics(weight, sums) if np.isfinite(sums).all() else None

    def sample(
        self,
        parameters: GammaParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        shapes, rates = (values[labels] for values in parameters)
        return at_least(rng.standard_gamma(shapes) / rates)

    def impute(self, parameters: GammaParameters, resp: Array) -> Array:
        return resp @ (parameters.shapes / parameters.rates)

    def deviations(self, parameters: GammaParameters) -> Array:
        return np.sqrt(parameters.shapes) / parameters.rates


def gamma_shape(excess: Array) -> Array:
    """Return the shapes a with ``log a - digamma(a) = excess``, for positive numbers.

    They are the maximum-likelihood estimates where `excess` is the log of the mean less the mean
    of logs. Newton's method for 1 / a (Minka 2002, "Estimating a gamma distribution"), from a
    start that is right to 1.5 %; in 1 / a the function is all but linear.
    """
    start = 12.0 * excess / (3.0 - excess + np.sqrt(np.square(excess - 3.0) + 24.0 * excess))
    inverse = start
    for _ in range(_MOST_STEPS):
        shape = 1.0 / inverse
        step = (excess - log_less_digamma(shape)) / _slope(shape)
        # The function is nearly linear: a step to the other side of zero is never right.
        inverse = np.maximum(inverse + step, 0.5 * inverse)
        if (np.abs(step) <= _SMALL_STEP * inverse).all():
            break
    result: Array = 1.0 / inverse
    return result


def _mean_at_floor(mean: Array, excess: Array, floor: Array) -> Array:
    """Return the likeliest means of components whose variance is the floor.

    With ``shape = m^2 / floor`` the likelihood is highest where
    ``2 m (log a - digamma(a) - excess - log(m / mean)) + m - mean = 0`` for the shape a; by
    Newton's method, from the mean of the values.
    """
    found = mean
    for _ in range(_MOST_STEPS):
        shape = np.square(found) / floor
        inner = log_less_digamma(shape) - excess - np.log(found / mean)
        slope = 2.0 * inner - 4.0 * _slope(shape) / shape - 1.0
        step = (2.0 * found * inner + found - mean) / slope
        found = np.maximum(found - step, 0.5 * found)
        if (np.abs(step) <= _SMALL_STEP * found).all():
            break
    return found


def _slope(shape: Array) -> Array:
    """Derivative of ``log a - digamma(a)`` by 1 / a: ``a^2 trigamma(a) - a``, between 1/2 and 1.

    From 16 on by its series (https://dlmf.nist.gov/5.15.8), since the difference cancels.
    """
    small = np.minimum(shape, _SERIES)
    exact = small * small * polygamma(1, small) - small
    inverse = 1.0 / np.maximum(shape, _SERIES)
    square = inverse * inverse
    series = 0.5 + inverse * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30)))
    result: Array = np.where(shape < _SERIES, exact, series)
    return result
