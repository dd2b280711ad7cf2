"""Positive amounts whose logarithms are normal: log-normal columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from skem.families.floor import least_variances
from skem.families.kinds.conjugate import GammaLaw, gamma_divergence
from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.linear import LARGEST, ConjugateLinearKind, at_least
from skem.families.parameters import EMPTY, Array
from skem.scoring import log_t_height

__all__ = ["Lognormal", "LognormalParameters", "NormalGammaLaw"]

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
# Variances this small, relative to the mean square, are rounding.
_ONE_VALUE = 1e-13
_MOST_STEPS = 30


class LognormalParameters(NamedTuple):
    """Parameters of log-normal columns.

    Attributes
    ----------
    means, variances : ndarray of shape (K, d)
        Of the logarithms.
    """

    means: Array
    variances: Array


class NormalGammaLaw(NamedTuple):
    """Normal means given precisions, which are gamma: of logarithms in terms of a kind's units.

    Attributes
    ----------
    mean, mean_precision : ndarray of shape (K, d)
        The precision of the mean is `mean_precision` times that of a value.
    degrees_of_freedom, scatter : ndarray of shape (K, d)
        The precision has shape `degrees_of_freedom` / 2 and rate `scatter` / 2.
    """

    mean: Array
    mean_precision: Array
    degrees_of_freedom: Array
    scatter: Array

    @property
    def precisions(self) -> GammaLaw:
        """The distributions of precisions."""
        return GammaLaw(0.5 * self.degrees_of_freedom, 0.5 * self.scatter)

    @property
    def expected_precision(self) -> Array:
        """Expected precisions, (K, d)."""
        return self.degrees_of_freedom / self.scatter


@dataclass(frozen=True, eq=False)
class Lognormal(ConjugateLinearKind[LognormalParameters, NormalGammaLaw]):
    """Positive amounts: ``p(x) = Normal(log x | mean, variance) / x``, x > 0.

    Lines are the logarithms, less that of `unit` (which is the geometric mean) and divided by
    `width`, and their squares. A prior's pseudo-rows have the mean and the variance of all
    rows' logarithms, so that variances are positive where a component's values are all the same.

    The conjugate prior is normal-gamma, as little as a row's worth: its mean is that of all rows,
    its precision has one degree of freedom and the mean of all rows' (Bishop 2006, 2.154).

    Parameters
    ----------
    width : ndarray of shape (d,), default=None
        Typical deviation of each column's logarithms; `fitted_to` sets it. None: 1.
    floor : ndarray of shape (d,), default=None
        What point estimates of ``variance exp(2 mean)`` are not smaller than, which is the
        variance of the values where it is small; 0 for any. None: any.
    """

    width: Array | None = None
    floor: Array | None = None

    @property
    def widths(self) -> Array:
        """A typical deviation of each column's logarithms, (d,)."""
        return np.ones(self.n_columns) if self.width is None else self.width

    @property
    def n_own_lines(self) -> int:
        return 2 * self.n_columns

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        bad = ~np.isnan(values) & ~((values > 0) & (values <= LARGEST))
        return bad, f"numbers above 0, up to {LARGEST:g}"

    def fitted_to(self, values: Array, weights: Array | None, names: Sequence[Any] = ()) -> Self:
        logs = replace(self, unit=None, width=None).features(values)
        seen = ~np.isnan(logs)
        share = seen * (1.0 if weights is None else weights[:, None])
        total = np.maximum(share.sum(axis=0), np.finfo(np.float64).tiny)
        mean = (share * np.where(seen, logs, 0.0)).sum(axis=0) / total
        apart = np.where(seen, logs - mean, 0.0)
        width = np.sqrt((share * np.square(apart)).sum(axis=0) / total)
        return replace(
            self,
            gaps=not seen.all(),
            unit=np.exp(mean),
            width=np.where(width > _ONE_VALUE * np.abs(mean), width, 1.0),
            names=tuple(names),
        )

    def condense(self, values: Array) -> list[tuple[Array, Array]]:
        """Two values of each column whose logarithms have the mean and the width of all."""
        found = []
        for column in values.T:
            logs = np.log(column[~np.isnan(column)])
            if not len(logs):
                found.append((np.zeros(0), np.zeros(0)))
                continue
            width = logs.std() if np.ptp(logs) > 0 else 0.0
            two = logs.mean() + width * np.array([-1.0, 1.0])
            found.append((np.exp(two), np.full(2, 0.5 * len(logs))))
        return found

    def features(self, values: Array) -> Array:
        """Return standardised logarithms."""
        result: Array = np.log(values / self.units) / self.widths
        return result

    def own_lines(self, values: Array) -> Array:
        z = self.features(values)
        return np.hstack([z, z * z])

    def cell_base(self, values: Array) -> Array:
        return -np.log(values) - np.log(self.widths)

    def natural(self, parameters: LognormalParameters) -> tuple[Array, Array]:
        means = (parameters.means - np.log(self.units)) / self.widths
        precisions = np.square(self.widths) / parameters.variances
        return self._natural(means, precisions, 0.5 * np.log(precisions))

    def _natural(self, means: Array, precisions: Array, log_heights: Array) -> tuple[Array, Array]:
        slopes = precisions * means
        each = log_heights - _HALF_LOG_2PI - 0.5 * slopes * means
        return np.hstack([slopes, -0.5 * precisions]), each

    def _moments(self, stats: LineStatistics) -> tuple[NDArray[np.bool_], Array, Array]:
        """Say where values were seen; their means and variances, in units, (K, d)."""
        seen = self.seen(stats)
        known = seen > EMPTY * seen.sum(axis=0)
        total, squares = np.split(self.own_sums(stats), 2, axis=1)
        mean = np.where(known, total / np.where(known, seen, 1.0), 0.0)
        square = np.where(known, squares / np.where(known, seen, 1.0), 1.0)
        variance = square - mean * mean
        return known, mean, np.where(variance > _ONE_VALUE * square, variance, 0.0)

    def maximise(self, stats: LineStatistics, previous: LognormalParameters) -> LognormalParameters:
        known, mean, variance = self._moments(stats)
        floor = np.zeros(self.n_columns) if self.floor is None else self.floor
        spike = known & (variance <= 0) & (floor <= 0)
        if spike.any():
            raise self.first_spike(spike, "the same")
        means, variances = self._in_logs(mean, variance)
        floor = np.broadcast_to(floor, means.shape)
        narrow = known & (variances < floor * np.exp(-2.0 * means))
        means[narrow] = _mean_at_floor(means[narrow], variances[narrow], floor[narrow])
        variances[narrow] = floor[narrow] * np.exp(-2.0 * means[narrow])
        return LognormalParameters(
            np.where(known, means, previous.means), np.where(known, variances, previous.variances)
        )

    def floor_below(self, variances: Array, one: LognormalParameters) -> Array | None:
        floor = least_variances(variances, one.variances[0] * np.exp(2.0 * one.means[0]))
        return floor if (floor > 0).any() else None

    def with_floor(self, floor: Array | None) -> Self:
        return replace(self, floor=floor)

    def _in_logs(self, mean: Array, variance: Array) -> LognormalParameters:
        """Take off the units."""
        means = np.log(self.units) + self.widths * mean
        return LognormalParameters(means, np.square(self.widths) * variance)

    def typical(self, stats: LineStatistics) -> Array:
        _, mean, variance = self._moments(stats)
        self.check_typical(variance <= 0, "the same")
        return np.hstack([mean, mean * mean + variance])

    def without_rows(self, n_components: int) -> LognormalParameters:
        zeros = np.zeros((n_components, self.n_columns))
        return self._in_logs(zeros, zeros + 1.0)

    def n_parameters(self, n_components: int) -> int:
        return 2 * n_components * self.n_columns

    def encode(self, stats: LineStatistics) -> Array:
        """Return roots of seen weights, means and deviations times these."""
        _, mean, variance = self._moments(stats)
        root = np.sqrt(np.maximum(self.seen(stats), 0.0))
        return np.hstack([2.0 * root, root * mean, 2.0 * root * np.sqrt(variance)])

    def decode(self, coordinates: Array, weight: Array) -> LineStatistics | None:
        root, mean, deviation = np.split(coordinates, 3, axis=1)
        if not np.isfinite(coordinates).all() or not root.all():
            return None
        root = 0.5 * root
        mean, variance = mean / root, np.square(0.5 * deviation / root)
        seen = root * root if self.has_seen_lines else np.tile(weight[:, None], self.n_columns)
        parts = [seen * mean, seen * (mean * mean + variance)]
        sums = np.hstack([*parts, seen] if self.has_seen_lines else parts)
        return LineStatistics(weight, sums) if np.isfinite(sums).all() else None

    def sample(
        self,
        parameters: LognormalParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        means, variances = (values[labels] for values in parameters)
        return np.exp(means + np.sqrt(variances) * rng.standard_normal(means.shape))

    def impute(self, parameters: LognormalParameters, resp: Array) -> Array:
        return resp @ np.exp(parameters.means + 0.5 * parameters.variances)

    def deviations(self, parameters: LognormalParameters) -> Array:
        means, variances = parameters
        return np.exp(means + 0.5 * variances) * np.sqrt(np.expm1(variances))

    # --- the conjugate prior ----------------------------------------------------------------

    def prior(self, stats: LineStatistics) -> NormalGammaLaw:
        mean, square = np.split(self.typical(stats), 2, axis=1)
        one = np.ones_like(mean)
        return NormalGammaLaw(mean, one, one, square - mean * mean)

    def posterior(self, prior: NormalGammaLaw, stats: LineStatistics) -> NormalGammaLaw:
        """Make the conjugate update (Bishop 2006, 10.60 to 10.63, of one dimension)."""
        seen = self.seen(stats)
        _, mean, variance = self._moments(stats)
        precision = prior.mean_precision + seen
        apart = mean - prior.mean
        between = prior.mean_precision * seen / precision * np.square(apart)
        return NormalGammaLaw(
            prior.mean + seen / precision * apart,
            precision,
            prior.degrees_of_freedom + seen,
            prior.scatter + seen * variance + between,
        )

    def expected_parameters(self, posterior: NormalGammaLaw) -> LognormalParameters:
        """Return means, and the inverses of expected precisions."""
        return self._in_logs(posterior.mean, 1.0 / posterior.expected_precision)

    def expected_coefficients(self, posterior: NormalGammaLaw) -> Linear:
        shape, rate = posterior.precisions
        height = 0.5 * (digamma(shape) - np.log(rate) - 1.0 / posterior.mean_precision)
        return self.linear(*self._natural(posterior.mean, posterior.expected_precision, height))

    def divergence(self, posterior: NormalGammaLaw, prior: NormalGammaLaw) -> float:
        ratio = prior.mean_precision / posterior.mean_precision
        apart = np.square(posterior.mean - prior.mean) * posterior.expected_precision
        means = 0.5 * (ratio - 1.0 - np.log(ratio) + prior.mean_precision * apart)
        return float(means.sum()) + gamma_divergence(posterior.precisions, prior.precisions)

    def log_predictive(self, values: Array, posterior: NormalGammaLaw) -> Array:
        """Log density of amounts, in nats: Student's t of logarithms (Bishop 2006, 2.158)."""
        mean, precision, freedom, scatter = posterior
        square = scatter / freedom * (1.0 + 1.0 / precision)
        distance = np.square(self.features(values)[:, None] - mean) / square
        tail = 0.5 * (freedom + 1.0) * np.log1p(distance / freedom)
        density = log_t_height(freedom, 1) - 0.5 * np.log(square) - tail
        return self.over_seen(density + self.cell_base(values)[:, None])

    def draw(self, posterior: NormalGammaLaw, rng: np.random.RandomState) -> LognormalParameters:
        shape, rate = posterior.precisions
        variance = rate / at_least(rng.standard_gamma(shape))
        noise = rng.standard_normal(variance.shape)
        mean = posterior.mean + noise * np.sqrt(variance / posterior.mean_precision)
        return self._in_logs(mean, variance)


def _mean_at_floor(mean: Array, variance: Array, floor: Array) -> Array:
    """Return the likeliest means of components with ``variance exp(2 mean) = floor``.

    For logarithms of a given mean and variance the likelihood is highest where, with d the mean
    less m, ``floor exp(-2 m) - variance - d^2 + d = 0``; by Newton's method, from the mean.
    """
    found = mean
    for _ in range(_MOST_STEPS):
        apart, least = mean - found, floor * np.exp(-2.0 * found)
        step = (least - variance - apart * apart + apart) / (1.0 - 2.0 * apart + 2.0 * least)
        found = found + step
        if (np.abs(step) <= 1e-15).all():
            break
    return found
