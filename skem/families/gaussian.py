"""What the covariance structures of a Gaussian mixture have in common.

Everything here is in the units of a `Table`: features about one origin, divided by one scale.
Shapes: K components, D features; "cov" stands for the shape that a structure gives its
covariances: (K, D, D) full, (D, D) tied, (K, D) diag, (K,) spherical.

Sources: Bishop 2006, sections 2.3.6, 9.2 and 10.2; Fraley & Raftery 2007, "Bayesian
regularization for normal mixture estimation and model-based clustering", for the MAP estimates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from skem.families.coordinates import GaussianCoordinates
from skem.families.cutting import cut_across_axis, cut_between_modes
from skem.families.parameters import (
    EMPTY,
    Array,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    GaussianStatistics,
    shares_of,
)
from skem.families.rows import LOG_2PI, GaussianRows
from skem.families.wishart import log_det_correction
from skem.scoring import Scorer

__all__ = ["GaussianFamily"]

Value = TypeVar("Value", bound=np.generic)

# Where `reg_covar` is 0: so narrow a covariance is singular all the same.
_NO_VARIANCE = 1e-14
# What keeps a covariance from being singular that need not be exact.
_SOME_VARIANCE = 1e-6


def _spread_over(covariances: Array, values: NDArray[Value]) -> NDArray[Value]:
    """Return values of each covariance, or of the shared one, in a shape that fits its entries."""
    return values.reshape(values.shape + (1,) * (covariances.ndim - values.ndim))


def _above(values: Array, least: float) -> tuple[NDArray[np.bool_], bool]:
    """Say which values are above the least, and whether all are."""
    known = values > least
    # A quarter of the time that `all` takes: this is asked in every iteration.
    return known, np.count_nonzero(known) == known.size


@dataclass(frozen=True)
class GaussianFamily(GaussianRows):
    """Gaussian components; a subclass for each covariance structure.

    Parameters
    ----------
    reg_covar : float
        Added to the variances wherever a covariance is formed by a point estimate.
    floor : ndarray, default=None
        What no covariance is narrower than; see `skem.families.floor`.
    """

    # A predictive density has one tail for all features, or one for each.
    tail_of_each_feature: ClassVar[bool] = False

    @property
    def gaussian(self) -> GaussianFamily:
        """The family of Gaussian components with these covariances: this one."""
        return self

    def with_floor(self, floor: Array | None) -> Self:
        """Return the family with another floor under its covariances, or without one."""
        return replace(self, floor=floor)

    def find_floor(self, variances: Array, one: GaussianParameters) -> Array | None:
        return self.floor_below(
            np.maximum(variances, max(self.reg_covar, _NO_VARIANCE)), one.covariances
        )

    def regularised(self) -> Self:
        return replace(self, reg_covar=max(self.reg_covar, _SOME_VARIANCE), floor=None)

    # --- searching, extrapolating -----------------------------------------------------------

    def cuts(self, parameters: GaussianParameters, rows: Array, share: Array) -> Iterator[Array]:
        """Across the longest axis, then between two modes; see `skem.families.cutting`."""
        means, covariances, _ = parameters
        yield cut_across_axis(means, self.dense(covariances, *means.shape), rows, share)
        yield cut_between_modes(rows, share)

    def distances(
        self, stats: GaussianStatistics, component: int, parameters: GaussianParameters
    ) -> Array:
        """Squared Mahalanobis distances of a component's mean from all of them."""
        return self.mahalanobis(stats.mean[component] - parameters.means, parameters.factors)

    def coordinates(
        self, prior: GaussianPrior, total: float, reference: GaussianStatistics
    ) -> GaussianCoordinates:
        return GaussianCoordinates(self, prior, total, reference)

    def flat_prior(self, n_features: int) -> GaussianPrior:
        """Prior under which the mode is the maximum-likelihood estimate."""
        one = self.identity(1, n_features)
        return GaussianPrior(np.zeros(n_features), 0.0, np.zeros_like(one), None)

    def posterior(self, prior: GaussianPrior, stats: GaussianStatistics) -> GaussianPosterior:
        """Make the conjugate update; with a floor, the nearest posterior above it."""
        return self.hold_posterior(self.updated(prior, stats))

    def updated(self, prior: GaussianPrior, stats: GaussianStatistics) -> GaussianPosterior:
        """Conjugate update of the hyperparameters.

        The mode's divisor counts the observations and, for each part of the prior that is not
        flat, the exponents that it adds; so the mode under a flat prior is the
        maximum-likelihood estimate, however small the weights are.
        """
        n_components, n_features = stats.mean.shape
        kappa, nu = prior.mean_precision, prior.degrees_of_freedom
        mean, mean_precision = stats.mean, stats.weight
        scatter = self.pool(stats.scatter)
        added = 0.0
        # What is flat adds nothing: this is asked in every iteration.
        if nu is not None:
            scatter = prior.covariance + scatter
            added = nu + self.covariance_exponent(n_features)
        if kappa > 0:
            mean_precision = kappa + stats.weight
            total = stats.weight[:, None] * mean + kappa * prior.mean
            shrunk = self.scatter_of(mean - prior.mean, kappa * stats.weight / mean_precision)
            mean = total / mean_precision[:, None]
            scatter = scatter + self.pool(shrunk)
            added += self.mean_exponent(n_components, n_features)
        count = self.count(stats.weight, n_features)
        divisor = added + count if added else count
        freedom = count if nu is None else nu + count
        return GaussianPosterior(mean, mean_precision, scatter, freedom, divisor)

    def covariances_of(
        self, scatter: Array, divisor: Array, known: NDArray[np.bool_], previous: Array
    ) -> Array:
        """Return the covariances of highest density; anything where they are not ``known``.

        Parameters
        ----------
        scatter : ndarray, cov
        divisor : ndarray of shape (K,), or () for a shared covariance
            Not zero.
        known : ndarray of bool of the same shape
            Which covariances have been seen at all.
        previous : ndarray, cov
            Where an inner iteration may start from.
        """
        result: Array = scatter / _spread_over(scatter, divisor)
        return result

    def hold(
        self,
        covariances: Array,
        scatter: Array,
        divisor: Array,
        known: NDArray[np.bool_],
        previous: Array,
    ) -> Array:
        """Return the likeliest covariances above the floor; other arguments as `covariances_of`."""
        return self.lift(covariances)

    def hold_posterior(self, posterior: GaussianPosterior) -> GaussianPosterior:
        """Return the nearest posterior whose expected precision is that of the floor at most.

        Of Wishart distributions with the same degrees of freedom it has the least divergence
        from the given one: a maximum of the same form as a point estimate's.
        """
        if self.floor is None:
            return posterior
        nu = _spread_over(posterior.scatter, posterior.degrees_of_freedom)
        covariances = posterior.scatter / nu
        lifted = self.lift(covariances)
        scatter = np.where(lifted == covariances, posterior.scatter, nu * lifted)
        return posterior._replace(scatter=scatter)

    def mode(
        self, stats: GaussianStatistics, prior: GaussianPrior, previous: GaussianParameters
    ) -> GaussianParameters:
        """Joint mode over means and covariances, plus `reg_covar`.

        A component without rows or prior keeps its previous parameters.
        """
        return self.maximum(self.updated(prior, stats), float(stats.weight.sum()), previous)

    def maximum(
        self, posterior: GaussianPosterior, total: float, previous: GaussianParameters
    ) -> GaussianParameters:
        """Return where a posterior after rows of a total weight is highest; see `mode`."""
        n_components, n_features = posterior.mean.shape
        known, every_one = _above(posterior.mean_precision, EMPTY * total)
        means, divisor = posterior.mean, posterior.divisor
        if not every_one:
            means = np.where(known[:, None], means, previous.means)
        if divisor is not posterior.mean_precision:
            known, every_one = _above(divisor, EMPTY * total)
        if not every_one:
            if not known.any():  # all rows are noise
                return previous._replace(means=means)
            divisor = np.where(known, divisor, 1.0)
        covariances = self.covariances_of(posterior.scatter, divisor, known, previous.covariances)
        covariances = covariances + self.ridge(n_components, n_features)
        if every_one:
            factors = self.factorise_above(covariances)
            if factors is not None:
                return GaussianParameters(means, covariances, factors)
        if self.floor is not None:
            covariances = self.hold(
                covariances, posterior.scatter, divisor, known, previous.covariances
            )
        if not every_one:
            known = _spread_over(covariances, known)
            covariances = np.where(known, covariances, previous.covariances)
        return GaussianParameters(means, covariances, self.factorise(covariances))

    def log_prior(self, parameters: GaussianParameters, prior: GaussianPrior) -> float:
        """Log prior density of the parameters, in nats; flat parts count as zero."""
        n_features = parameters.means.shape[1]
        result = 0.0
        if prior.mean_precision > 0:
            log_det = self.log_det_factors(parameters.factors, n_features)
            distance = self.mahalanobis(parameters.means - prior.mean, parameters.factors)
            constant = 0.5 * n_features * (np.log(prior.mean_precision) - LOG_2PI)
            density = constant + log_det - 0.5 * prior.mean_precision * distance
            result += float(np.sum(density))
        if prior.degrees_of_freedom is not None:
            result += self.log_covariance_prior(parameters, prior)
        return result

    def log_prior_jacobian(
        self, prior: GaussianPrior, log_scale: Array, n_components: int
    ) -> float:
        """What to subtract from `log_prior` for a density in the rows' own units."""
        result = 0.0
        if prior.mean_precision > 0:
            result += n_components * float(log_scale.sum())
        if prior.degrees_of_freedom is not None:
            result += self.log_volume(log_scale, n_components)
        return result

    # --- the posterior as a distribution ----------------------------------------------------

    def expected_parameters(self, posterior: GaussianPosterior) -> GaussianParameters:
        """Means, and as factors those of the expected precisions; covariances their inverses.

        Raises
        ------
        SingularCovarianceError
        """
        nu = _spread_over(posterior.scatter, posterior.degrees_of_freedom)
        covariances = posterior.scatter / nu
        return GaussianParameters(posterior.mean, covariances, self.factorise(covariances))

    def dimension(self, n_features: int) -> int:
        """Dimension of the Wishart distributions that the precisions consist of."""
        return n_features if self.has_matrices else 1

    def expected_log_height(
        self, posterior: GaussianPosterior, parameters: GaussianParameters
    ) -> Array:
        """Expected log density less the expected Mahalanobis term about the mean, (K,).

        ``E log|P| / 2 - D log(2 pi) / 2 - D / (2 beta)``: Bishop 2006, 10.64 and 10.65.

        Parameters
        ----------
        posterior : GaussianPosterior
        parameters : GaussianParameters
            Its `expected_parameters`.
        """
        n_features = parameters.means.shape[1]
        dimension = self.dimension(n_features)
        correction = log_det_correction(posterior.degrees_of_freedom, dimension)
        correction = 0.5 * (n_features / dimension) * correction
        width = 0.5 * n_features / posterior.mean_precision
        return self.log_height(parameters) + correction - width

    def expected_scorer(
        self, posterior: GaussianPosterior, parameters: GaussianParameters, log_weights: Array
    ) -> Scorer:
        """Make the scorer of expected log density plus log weight (Bishop 2006, 10.46).

        Parameters
        ----------
        posterior : GaussianPosterior
        parameters : GaussianParameters
            Its `expected_parameters`.
        log_weights : ndarray of shape (K,)
        """
        height = self.expected_log_height(posterior, parameters)
        nothing_seen = log_weights + (height - self.log_height(parameters))
        return self._scorer(parameters, log_weights + height, nothing_seen)

    def expected_log_likelihood(
        self,
        stats: GaussianStatistics,
        posterior: GaussianPosterior,
        parameters: GaussianParameters,
    ) -> float:
        """Expected log likelihood of the rows that statistics stand for (Bishop 2006, 10.71)."""
        height = self.expected_log_height(posterior, parameters)
        return self._log_likelihood(stats, parameters, height)

    def log_likelihood(self, stats: GaussianStatistics, parameters: GaussianParameters) -> float:
        return self._log_likelihood(stats, parameters, self.log_height(parameters))

    def _log_likelihood(
        self, stats: GaussianStatistics, parameters: GaussianParameters, height: Array
    ) -> float:
        distance = self.mahalanobis(stats.mean - parameters.means, parameters.factors)
        # For every structure tr(P S) is the sum over the entries that it keeps.
        spread = float((self.precisions(parameters.factors) * stats.scatter).sum())
        return float((stats.weight * (height - 0.5 * distance)).sum()) - 0.5 * spread

    def divergence(
        self, posterior: GaussianPosterior, parameters: GaussianParameters, prior: GaussianPrior
    ) -> float:
        """KL(q || prior) of means and precisions, in nats (Bishop 2006, 10.74 and 10.77).

        Parameters
        ----------
        posterior : GaussianPosterior
        parameters : GaussianParameters
            Its `expected_parameters`.
        prior : GaussianPrior
            Without a flat part.
        """
        ratio = prior.mean_precision / posterior.mean_precision
        apart = self.mahalanobis(parameters.means - prior.mean, parameters.factors)
        n_features = parameters.means.shape[1]
        means = 0.5 * (n_features * (ratio - 1.0 - np.log(ratio)) + prior.mean_precision * apart)
        return float(means.sum()) + self.covariance_divergence(posterior, parameters.factors, prior)

    # --- what estimators ask ----------------------------------------------------------------

    def covariance_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return self.identity(n_components, n_features).shape

    def are_positive(self, matrices: Array) -> tuple[bool, str]:
        if not self.has_matrices:
            return bool((matrices > 0).all()), "positive"
        rounding = 1e-8 * float(np.abs(matrices).max())
        apart = np.abs(matrices - np.swapaxes(matrices, -1, -2))
        symmetric = bool((apart <= rounding).all())
        positive = symmetric and bool((np.linalg.eigvalsh(matrices) > 0).all())
        return positive, "symmetric, positive-definite"

    def values_by_decree(self, constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say which constant columns count: of one variance for all columns, none or all."""
        return constant & (not self.one_variance or bool(constant.all()))

    def collapsed(self, weights: Array, parameters: GaussianParameters) -> NDArray[np.bool_]:
        """Say which components are held up by `reg_covar` alone, shape (K,)."""
        if self.reg_covar == 0:
            return np.zeros(len(weights), dtype=bool)
        total = self.total_covariance(weights, parameters)
        return self.at_the_floor(parameters, total) & (weights > 0)

    def total_covariance(self, weights: Array, parameters: GaussianParameters) -> Array:
        """Return the covariance of all rows, without `reg_covar`: (D, D)."""
        n_components, n_features = parameters.means.shape
        ridge = self.reg_covar * np.eye(n_features)
        within = self.dense(parameters.covariances, n_components, n_features) - ridge
        weights = shares_of(weights)
        apart = parameters.means - weights @ parameters.means
        total: Array = np.einsum("k,kij->ij", weights, within) + (weights * apart.T) @ apart
        return total

    def column_variances(self, parameters: GaussianParameters) -> Array:
        """Return the variance of each column in each component, (K, D)."""
        means, covariances, _ = parameters
        if self.has_matrices:
            variances = np.diagonal(covariances, axis1=-2, axis2=-1)
        else:
            variances = covariances.reshape(len(covariances), -1)
        return np.broadcast_to(variances, means.shape)

    def sample(
        self,
        parameters: GaussianParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw one row of each labelled component, shape (len(labels), D)."""
        noise = rng.standard_normal((len(labels), parameters.means.shape[1]))
        return parameters.means[labels] + self.correlate(noise, parameters.factors, labels)
