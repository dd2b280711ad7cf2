"""What the four covariance structures of a Gaussian mixture have in common.

Everything here is in the units of a `Table`: features about one origin, divided by one scale.
Shapes: K components, D features; "cov" stands for the shape that a structure gives its
covariances: (K, D, D) full, (D, D) tied, (K, D) diag, (K,) spherical.

Sources: Bishop 2006, sections 2.3.6 and 9.2; Fraley & Raftery 2007, "Bayesian regularization for
normal mixture estimation and model-based clustering", for the MAP estimates; Chan, Golub &
LeVeque 1983 for adding up scatter matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from skem.families.parameters import (
    Array,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    GaussianStatistics,
    SingularCovarianceError,
)
from skem.families.scorers import (
    CentredDiagonalScorer,
    CentredScorer,
    Scorer,
    Sums,
)

__all__ = ["EMPTY", "LOG_2PI", "MOST_CANCELLATION", "GaussianFamily"]

LOG_2PI = float(np.log(2 * np.pi))

# The packed forms lose digits in proportion to (distance from the origin / width)^2. Above this
# ratio, where about 1e-10 nats would be lost, components are scored about their own means.
MOST_CANCELLATION = 1e6
# A component with a smaller share of the rows than this has none.
EMPTY = 1e-14


@dataclass(frozen=True)
class GaussianFamily(ABC):
    """Gaussian components; a subclass for each covariance structure.

    Parameters
    ----------
    reg_covar : float
        Added to the variances wherever a covariance is formed.
    """

    has_matrices: ClassVar[bool] = False  # covariances with entries off the diagonal
    is_shared: ClassVar[bool] = False  # one covariance for all components
    one_variance: ClassVar[bool] = False  # one variance for all features

    reg_covar: float

    # --- what a structure defines -----------------------------------------------------------

    @abstractmethod
    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Count the free parameters of means and covariances."""

    @abstractmethod
    def pairs(self, n_features: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lines of a tile whose products the packed sums are made of."""

    @abstractmethod
    def scatter_of(self, deviations: Array, weight: Array) -> Array:
        """Weighted squares of one deviation for each component: (K, D), (K,) -> cov."""

    @abstractmethod
    def identity(self, n_components: int, n_features: int) -> Array:
        """Unit covariances."""

    @abstractmethod
    def log_det_factors(self, factors: Array, n_features: int) -> Array:
        """Return log det C, shape (K,) or (), half the log determinant of the precision."""

    @abstractmethod
    def mahalanobis(self, deviations: Array, factors: Array) -> Array:
        """Squared Mahalanobis length of one deviation for each component: (K,)."""

    @abstractmethod
    def precision_diagonal(self, factors: Array, n_features: int) -> Array:
        """Diagonals of the precisions, broadcastable to (K, D)."""

    @abstractmethod
    def rescale(self, parameters: GaussianParameters, scale: Array) -> GaussianParameters:
        """Return the parameters of the features multiplied by ``scale`` (D,)."""

    @abstractmethod
    def packed_scorer(self, parameters: GaussianParameters, constants: Array) -> Scorer:
        """Make the scorer by one matrix product."""

    @abstractmethod
    def unpack(self, sums: Sums) -> tuple[Array, Array, Array]:
        """Weight (K,), first (K, D) and second moments (cov) about the origin."""

    @abstractmethod
    def cancellation(self, parameters: GaussianParameters) -> float:
        """Bound the largest (distance from the origin / width)^2 of the components' rows."""

    @abstractmethod
    def centred_scorer(self, parameters: GaussianParameters, constants: Array) -> Scorer:
        """Make the scorer about the components' own means."""

    @abstractmethod
    def gather(self, second: Array) -> Array:
        """Bring second moments summed by the centred scorer to the shape cov."""

    @abstractmethod
    def covariance_exponent(self, n_features: int) -> float:
        """Exponent a in the prior density of a covariance, det^-(nu + a)/2."""

    @abstractmethod
    def mean_exponent(self, n_components: int, n_features: int) -> float:
        """Exponent that the means' prior adds to a covariance's, times two."""

    @abstractmethod
    def count(self, weight: Array, n_features: int) -> Array:
        """Observations that a covariance has seen, given the components' weights (K,)."""

    @abstractmethod
    def log_covariance_prior(self, parameters: GaussianParameters, prior: GaussianPrior) -> float:
        """Log prior density of the covariances, in nats; degrees of freedom given."""

    @abstractmethod
    def log_volume(self, log_scale: Array, n_components: int) -> float:
        """Log Jacobian of rescaling all covariances by ``exp(log_scale)`` (D,)."""

    @abstractmethod
    def at_the_floor(self, parameters: GaussianParameters, total: Array) -> NDArray[np.bool_]:
        """Say which components are as narrow as `reg_covar` where the data, with covariance
        ``total`` (D, D), are not: shape (K,).
        """

    @abstractmethod
    def dense(self, covariances: Array, n_components: int, n_features: int) -> Array:
        """Covariances as full matrices, (K, D, D)."""

    @abstractmethod
    def colour(self, noise: Array, factors: Array, labels: NDArray[np.int64]) -> Array:
        """Give standard normal rows (n, D) the covariances of their components."""

    # --- of variances; a structure of matrices has its own --------------------------------

    def factorise(self, covariances: Array) -> Array:
        """Return C with inv(covariance) = C C'; raise SingularCovarianceError."""
        positive = covariances > 0
        if not positive.all():
            raise SingularCovarianceError(int(np.argwhere(~positive)[0, 0]))
        result: Array = 1.0 / np.sqrt(covariances)
        return result

    def precisions(self, factors: Array) -> Array:
        """Return C C'."""
        return np.square(factors)

    def from_precisions(self, precisions: Array) -> GaussianParameters:
        """Return covariances and factors (means of shape (0, 0)) for given precisions."""
        return GaussianParameters(np.empty((0, 0)), 1.0 / precisions, np.sqrt(precisions))

    # --- what follows from it ---------------------------------------------------------------

    def typical_scale(self, weights: Array, factors: Array, n_features: int) -> Array:
        """Width of the components in each feature, shape (D,); a scale to score rows in."""
        diagonal = np.atleast_2d(self.precision_diagonal(factors, n_features))
        share = weights if len(diagonal) > 1 else np.ones(1)
        result: Array = 1.0 / np.sqrt(np.average(diagonal, axis=0, weights=share))
        return np.broadcast_to(result, (n_features,)).copy()

    def scorer(self, parameters: GaussianParameters, log_weights: Array) -> Scorer:
        """Make the scorer of log density plus log weight for known parameters.

        Parameters
        ----------
        parameters : GaussianParameters
        log_weights : ndarray of shape (K,)

        Returns
        -------
        scorer : Scorer
            The packed form, or the centred one where the packed one would lose digits.
        """
        n_features = parameters.means.shape[1]
        log_det = self.log_det_factors(parameters.factors, n_features)
        constants = log_weights + log_det - 0.5 * n_features * LOG_2PI
        if self.cancellation(parameters) > MOST_CANCELLATION:
            return self.centred_scorer(parameters, constants)
        return self.packed_scorer(parameters, constants)

    def summer(self, n_components: int, n_features: int) -> Scorer:
        """Make a scorer that is good for summing statistics about the origin only."""
        shape = (n_components, n_features)
        unit = self.identity(*shape)
        return self.packed_scorer(
            GaussianParameters(np.zeros(shape), unit, unit), np.zeros(n_components)
        )

    def summer_about(self, means: Array) -> Scorer:
        """Make a scorer that is good for summing statistics about given points (K, D) only."""
        unit = self.identity(*means.shape)
        return self.centred_scorer(GaussianParameters(means, unit, unit), np.zeros(len(means)))

    def centres(self, scorer: Scorer) -> Array:
        """Points about which a scorer sums moments: (K, D), or () for the origin."""
        if isinstance(scorer, CentredScorer | CentredDiagonalScorer):
            return scorer.centres
        return np.zeros(())

    def statistics(self, scorer: Scorer, sums: Sums) -> GaussianStatistics:
        """Turn a scorer's sums into statistics."""
        centre = self.centres(scorer)
        if centre.ndim:
            weight, first, second = sums
            second = self.gather(second)
        else:
            weight, first, second = self.unpack(sums)
        shift = first / np.maximum(weight, np.finfo(np.float64).tiny)[:, None]
        return GaussianStatistics(weight, centre + shift, second - self.scatter_of(shift, weight))

    def add(self, a: GaussianStatistics, b: GaussianStatistics) -> GaussianStatistics:
        """Statistics of both sets of rows (Chan, Golub & LeVeque 1983)."""
        weight = a.weight + b.weight
        share = b.weight / np.maximum(weight, np.finfo(np.float64).tiny)
        apart = b.mean - a.mean
        between = self.scatter_of(apart, a.weight * share)
        mean = a.mean + share[:, None] * apart
        return GaussianStatistics(weight, mean, a.scatter + b.scatter + between)

    def scale(self, stats: GaussianStatistics, factor: float) -> GaussianStatistics:
        """Statistics of rows counted ``factor`` times."""
        return GaussianStatistics(factor * stats.weight, stats.mean, factor * stats.scatter)

    def expected(self, weights: Array, parameters: GaussianParameters) -> GaussianStatistics:
        """Statistics per unit of weight that rows of a mixture are expected to have."""
        shape = parameters.means.shape
        within = parameters.covariances - self.reg_covar * self.identity(*shape)
        if self.is_shared:
            share = np.asarray(1.0)
        else:
            share = weights.reshape((-1,) + (1,) * (within.ndim - 1))
        seen = shape[1] if self.one_variance else 1
        return GaussianStatistics(weights, parameters.means, seen * share * within)

    def flat_prior(self, n_features: int) -> GaussianPrior:
        """Prior under which the mode is the maximum-likelihood estimate."""
        one = self.identity(1, n_features)
        return GaussianPrior(np.zeros(n_features), 0.0, np.zeros_like(one), None)

    def posterior(self, prior: GaussianPrior, stats: GaussianStatistics) -> GaussianPosterior:
        """Conjugate update of the hyperparameters.

        The mode's divisor counts the observations and, for each part of the prior that is not
        flat, the exponents that it adds; so the mode under a flat prior is the
        maximum-likelihood estimate, however small the weights are.
        """
        n_components, n_features = stats.mean.shape
        kappa = prior.mean_precision
        mean_precision = kappa + stats.weight
        safe = np.maximum(mean_precision, np.finfo(np.float64).tiny)
        mean = (kappa * prior.mean + stats.weight[:, None] * stats.mean) / safe[:, None]
        shrunk = self.scatter_of(stats.mean - prior.mean, kappa * stats.weight / safe)
        nu, added = 0.0, 0.0
        if prior.degrees_of_freedom is not None:
            nu = prior.degrees_of_freedom
            added = nu + self.covariance_exponent(n_features)
        if kappa > 0:
            added += self.mean_exponent(n_components, n_features)
        count = self.count(stats.weight, n_features)
        scatter = prior.covariance + stats.scatter + shrunk
        return GaussianPosterior(mean, mean_precision, scatter, nu + count, added + count)

    def mode(
        self, posterior: GaussianPosterior, total: float, previous: GaussianParameters
    ) -> GaussianParameters:
        """Joint mode over means and covariances, plus `reg_covar`.

        A component without rows or prior keeps its previous parameters.

        Parameters
        ----------
        posterior : GaussianPosterior
        total : float
            Total weight of the rows: what "without rows" is measured against.
        previous : GaussianParameters

        Raises
        ------
        SingularCovarianceError
        """
        n_components, n_features = posterior.mean.shape
        known = posterior.mean_precision > EMPTY * total
        means = np.where(known[:, None], posterior.mean, previous.means)
        divisor = posterior.divisor
        known = divisor > EMPTY * total
        shape = known.shape + (1,) * (posterior.scatter.ndim - known.ndim)
        known = known.reshape(shape)
        ridge = self.reg_covar * self.identity(n_components, n_features)
        covariances = posterior.scatter / np.where(known, divisor.reshape(shape), 1.0) + ridge
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

    def collapsed(self, weights: Array, parameters: GaussianParameters) -> NDArray[np.bool_]:
        """Say which components are held up by `reg_covar` alone, shape (K,)."""
        if self.reg_covar == 0:
            return np.zeros(len(weights), dtype=bool)
        n_components, n_features = parameters.means.shape
        ridge = self.reg_covar * np.eye(n_features)
        within = self.dense(parameters.covariances, n_components, n_features) - ridge
        apart = parameters.means - weights @ parameters.means
        total = np.einsum("k,kij->ij", weights, within) + (weights * apart.T) @ apart
        return self.at_the_floor(parameters, total) & (weights > 0)

    def sample(
        self,
        parameters: GaussianParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw one row of each labelled component, shape (len(labels), D)."""
        noise = rng.standard_normal((len(labels), parameters.means.shape[1]))
        return parameters.means[labels] + self.colour(noise, parameters.factors, labels)
