"""Multivariate Student's t components, with the covariance structures of Gaussian ones.

A t distribution is a Gaussian whose covariance, the scale matrix, is divided by a latent scale u of
each row, drawn from ``Gamma(df / 2, df / 2)``. With the scales the statistics are a Gaussian's, of
rows that are weighted by them; so what a scale matrix looks like, and its M-step, are a Gaussian
family's (Peel & McLachlan 2000, "Robust mixture modelling using the t distribution").

Shapes: K components, D features; "cov" is that of the Gaussian family's covariances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from skem.families.freedom import DegreesOfFreedom, expected_log_scale
from skem.families.gaussian import GaussianFamily
from skem.families.parameters import (
    TINY,
    Array,
    GaussianParameters,
    GaussianPrior,
)
from skem.families.student_data import (
    StudentCoordinates,
    StudentParameters,
    StudentStatistics,
    covariance_ratio,
)
from skem.scoring import (
    GapLatentScaleScorer,
    LatentScaleScorer,
    Scorer,
    Sums,
    UnknownScaleScorer,
    gamma_entropy,
    log_t_height,
)

__all__ = ["StudentFamily"]

Data = TypeVar("Data", "StudentStatistics", "StudentParameters")


@dataclass(frozen=True)
class StudentFamily:
    """Student's t components.

    Parameters
    ----------
    gaussian : GaussianFamily
        Says what scale matrices look like.
    degrees : DegreesOfFreedom
    """

    gaussian: GaussianFamily
    degrees: DegreesOfFreedom

    def with_floor(self, floor: Array | None) -> Self:
        """Return the family with another floor under its scale matrices, or without one."""
        return replace(self, gaussian=self.gaussian.with_floor(floor))

    @property
    def floor(self) -> Array | None:
        """What no scale matrix is narrower than."""
        return self.gaussian.floor

    # --- rows -------------------------------------------------------------------------------

    def n_products(self, n_features: int) -> int:
        return self.gaussian.n_products(n_features)

    def units(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        return self.gaussian.units(mean, deviation)

    def typical_units(self, weights: Array, parameters: StudentParameters) -> tuple[Array, Array]:
        return self.gaussian.typical_units(weights, parameters.gaussian)

    def typical_scale(self, weights: Array, parameters: StudentParameters) -> Array:
        return self.gaussian.typical_scale(weights, parameters.gaussian)

    @property
    def has_gaps(self) -> bool:
        """Whether cells may be missing."""
        return self.gaussian.has_gaps

    @property
    def maker(self) -> None:
        """Rows are the lines that tiles are loaded with."""
        return

    def for_rows(self, X: NDArray[np.floating], *, gappy: bool, more: bool = False) -> Self:
        return replace(self, gaussian=self.gaussian.for_rows(X, gappy=gappy, more=more))

    def with_gaps(self, start: Callable[[], GaussianParameters]) -> Self:
        return replace(self, gaussian=self.gaussian.with_gaps(start))

    def fill(self, rows: Array) -> Array:
        return self.gaussian.fill(rows)

    def scorer(self, parameters: StudentParameters, log_weights: Array) -> Scorer:
        """Make the scorer of log density plus log weight, which finds the rows' scales, too."""
        family, freedom = self.gaussian, parameters.freedom
        n_features = parameters.means.shape[1]
        distances = family.distance_scorer(parameters.gaussian)
        level = log_weights + family.log_det_factors(parameters.factors, n_features)
        seen = np.arange(1, n_features + 1)
        heights = level[:, None] + log_t_height(freedom[:, None], seen)
        constants = np.column_stack([log_weights, heights])
        make: Any = LatentScaleScorer if family.gap_start is None else GapLatentScaleScorer
        result: Scorer = make(distances, distances, constants, freedom)
        return result

    def summer(self, n_components: int, n_features: int) -> Scorer:
        """Make a scorer for rows whose scales are not known: they have the start's prior."""
        moments = self.gaussian.summer(n_components, n_features)
        freedom = np.asarray(self.degrees.start)
        expected_log = float(expected_log_scale(freedom))
        entropy = float(gamma_entropy(0.5 * freedom, 0.5 * freedom))
        return UnknownScaleScorer(moments, n_components, expected_log, entropy)

    def better_summer(
        self, stats: StudentStatistics, scorer: Scorer, parameters: StudentParameters | None
    ) -> Scorer | None:
        gaussian = None if parameters is None else parameters.gaussian
        return self.gaussian.better_summer(stats.scaled, scorer, gaussian)

    # --- statistics -------------------------------------------------------------------------

    def statistics(self, scorer: Scorer, sums: Sums) -> StudentStatistics:
        weight, log_scale, entropy = sums[0]
        return StudentStatistics(weight, self.gaussian.statistics(scorer, sums), log_scale, entropy)

    def add(self, a: StudentStatistics, b: StudentStatistics) -> StudentStatistics:
        return StudentStatistics(
            a.weight + b.weight,
            self.gaussian.add(a.scaled, b.scaled),
            a.log_scale + b.log_scale,
            a.entropy + b.entropy,
        )

    def hasten(
        self,
        old: StudentStatistics,
        new: StudentStatistics,
        blended: StudentStatistics,
        rate: float,
    ) -> StudentStatistics:
        """Return blended statistics whose degrees of freedom are further on."""
        if self.degrees.given is not None:
            return blended
        start = np.full_like(old.weight, self.degrees.start)
        before = self.degrees.mode(old.weight, old.surprise, start)
        weight = np.maximum(blended.weight, TINY)
        mean = self.degrees.hasten(
            before, new.weight, new.surprise, rate * new.weight / weight, new.mean.shape[1]
        )
        log_scale = blended.scaled.weight - blended.weight * (1.0 + mean)
        return blended._replace(log_scale=log_scale)

    def scale(self, stats: StudentStatistics, factor: float) -> StudentStatistics:
        return StudentStatistics(
            factor * stats.weight,
            self.gaussian.scale(stats.scaled, factor),
            factor * stats.log_scale,
            factor * stats.entropy,
        )

    def take(self, data: Data, index: NDArray[np.intp]) -> Data:
        """Return some of the components of statistics or parameters, in an order."""
        if isinstance(data, StudentParameters):
            gaussian = self.gaussian.take(data.gaussian, index)
            return StudentParameters(*gaussian, data.freedom[index])
        scaled = self.gaussian.take(data.scaled, index)
        return StudentStatistics(
            data.weight[index], scaled, data.log_scale[index], data.entropy[index]
        )

    def expected(self, weights: Array, parameters: StudentParameters) -> StudentStatistics:
        """Statistics per unit of weight that rows of a mixture are expected to have.

        Of the entropies those of the scales' priors, which are the largest that they can be.
        """
        freedom = parameters.freedom
        return StudentStatistics(
            weights,
            self.gaussian.expected(weights, parameters.gaussian),
            weights * expected_log_scale(freedom),
            weights * gamma_entropy(0.5 * freedom, 0.5 * freedom),
        )

    # --- estimates --------------------------------------------------------------------------

    def mode(
        self, stats: StudentStatistics, prior: GaussianPrior, previous: StudentParameters
    ) -> StudentParameters:
        """Make the M-step: joint mode over means and scale matrices, and degrees of freedom.

        Means see rows weighted by ``r E[u]``; but a scale matrix divides by the sum of r.
        """
        posterior = self.gaussian.updated(prior, stats.scaled)
        counted = self.gaussian.updated(prior, stats.scaled._replace(weight=stats.weight))
        posterior = posterior._replace(divisor=counted.divisor)
        total = float(stats.weight.sum())
        gaussian = self.gaussian.maximum(posterior, total, previous.gaussian)
        freedom = self.degrees.mode(stats.weight, stats.surprise, previous.freedom)
        return StudentParameters(*gaussian, freedom)

    def log_likelihood(self, stats: StudentStatistics, parameters: StudentParameters) -> float:
        """Bound on the log likelihood of rows, given their components, in nats.

        The bound by the statistics' posteriors of the scales, which is the log likelihood itself
        where these are those of the parameters.
        """
        n_features = parameters.means.shape[1]
        half = 0.5 * parameters.freedom
        # The Gaussian's heights count r, not r E[u].
        height = self.gaussian.log_height(parameters.gaussian)
        rows = self.gaussian.log_likelihood(stats.scaled, parameters.gaussian)
        rows += float(((stats.weight - stats.scaled.weight) * height).sum())
        scales = stats.weight * (half * np.log(half) - gammaln(half))
        scales += (half - 1.0 + 0.5 * n_features) * stats.log_scale - half * stats.scaled.weight
        return rows + float((scales + stats.entropy).sum())

    def log_prior(self, parameters: StudentParameters, prior: GaussianPrior) -> float:
        return self.gaussian.log_prior(parameters.gaussian, prior)

    def without_rows(self, n_components: int, n_features: int) -> StudentParameters:
        gaussian = self.gaussian.without_rows(n_components, n_features)
        return self.with_freedom(gaussian)

    def with_freedom(self, gaussian: GaussianParameters) -> StudentParameters:
        """Give Gaussian components the degrees of freedom that fits start from."""
        return StudentParameters(*gaussian, np.full(len(gaussian.means), self.degrees.start))

    # --- searching, extrapolating -----------------------------------------------------------

    def parameters_that_overfit(self, n_components: int, n_features: int) -> int:
        return 0

    def rows_needed(self, n_features: int) -> int:
        return self.gaussian.rows_needed(n_features)

    def merge(self, stats: StudentStatistics, a: int, b: int) -> StudentStatistics:
        """Statistics when component ``a`` also has the rows of ``b``, and ``b`` none."""
        totals = [values.copy() for values in (stats.weight, stats.log_scale, stats.entropy)]
        for values in totals:
            values[a], values[b] = values[a] + values[b], 0.0
        weight, log_scale, entropy = totals
        return StudentStatistics(
            weight, self.gaussian.merge(stats.scaled, a, b), log_scale, entropy
        )

    def split_into(
        self, stats: StudentStatistics, parts: StudentStatistics, split: int, free: int
    ) -> StudentStatistics:
        """Statistics when a component's parts, 2k and 2k + 1, take its place and a free one."""
        totals = [values.copy() for values in (stats.weight, stats.log_scale, stats.entropy)]
        of_parts = (parts.weight, parts.log_scale, parts.entropy)
        for values, both in zip(totals, of_parts, strict=True):
            values[[split, free]] = both[[2 * split, 2 * split + 1]]
        scaled = self.gaussian.split_into(stats.scaled, parts.scaled, split, free)
        weight, log_scale, entropy = totals
        return StudentStatistics(weight, scaled, log_scale, entropy)

    def cuts(self, parameters: StudentParameters, rows: Array, share: Array) -> Iterator[Array]:
        yield from self.gaussian.cuts(parameters.gaussian, rows, share)

    def distances(
        self, stats: StudentStatistics, component: int, parameters: StudentParameters
    ) -> Array:
        return self.gaussian.distances(stats.scaled, component, parameters.gaussian)

    def coordinates(
        self, prior: GaussianPrior, total: float, reference: StudentStatistics
    ) -> StudentCoordinates:
        return StudentCoordinates(self.gaussian, self.degrees, prior, total, reference)

    # --- what estimators ask ----------------------------------------------------------------

    @property
    def reg_covar(self) -> float:
        """What is added to the diagonals of scale matrices."""
        return self.gaussian.reg_covar

    def n_parameters(self, n_components: int, n_features: int) -> int:
        gaussian = self.gaussian.n_parameters(n_components, n_features)
        return gaussian + self.degrees.n_parameters(n_components)

    def standardise(
        self, parameters: StudentParameters, origin: Array, scale: Array
    ) -> StudentParameters:
        gaussian = self.gaussian.standardise(parameters.gaussian, origin, scale)
        return StudentParameters(*gaussian, parameters.freedom)

    def restore(
        self, parameters: StudentParameters, origin: Array, scale: Array
    ) -> StudentParameters:
        gaussian = self.gaussian.restore(parameters.gaussian, origin, scale)
        return StudentParameters(*gaussian, parameters.freedom)

    def regularised(self) -> GaussianFamily:
        """Return a family that completes rows: Gaussian components are good enough for that."""
        return self.gaussian.regularised()

    def find_floor(self, variances: Array, one: StudentParameters) -> Array | None:
        return self.gaussian.find_floor(variances, one.gaussian)

    def precisions(self, factors: Array) -> Array:
        return self.gaussian.precisions(factors)

    def related_columns(self, n_features: int) -> NDArray[np.bool_]:
        return self.gaussian.related_columns(n_features)

    def values_by_decree(self, constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return self.gaussian.values_by_decree(constant)

    def log_prior_jacobian(
        self, prior: GaussianPrior, log_scale: Array, n_components: int
    ) -> float:
        return self.gaussian.log_prior_jacobian(prior, log_scale, n_components)

    def column_variances(self, parameters: StudentParameters) -> Array:
        ratio = covariance_ratio(parameters.freedom)
        return self.gaussian.column_variances(parameters.gaussian) * ratio[:, None]

    def sample(
        self,
        parameters: StudentParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw one row of each labelled component, shape (len(labels), D)."""
        freedom = parameters.freedom[labels]
        apart = self.gaussian.sample(parameters.gaussian, labels, rng) - parameters.means[labels]
        scales = np.maximum(rng.chisquare(freedom), TINY) / freedom
        return parameters.means[labels] + apart / np.sqrt(scales)[:, None]
