"""What the covariance structures of a Gaussian mixture have in common.

Everything here is in the units of a `Table`: features about one origin, divided by one scale.
Shapes: K components, D features; "cov" stands for the shape that a structure gives its
covariances: (K, D, D) full, (D, D) tied, (K, D) diag, (K,) spherical.

Sources: Bishop 2006, sections 2.3.6, 9.2 and 10.2; Fraley & Raftery 2007, "Bayesian
regularization for normal mixture estimation and model-based clustering", for the MAP estimates;
Chan, Golub & LeVeque 1983 for adding up scatter matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from skem.families.parameters import (
    Array,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    GaussianStatistics,
)
from skem.families.scorers import (
    CentredDiagonalScorer,
    CentredScorer,
    Scorer,
    Sums,
)
from skem.families.structure import CovarianceStructure
from skem.families.wishart import log_det_correction

__all__ = ["EMPTY", "LOG_2PI", "MOST_CANCELLATION", "GaussianFamily"]

LOG_2PI = float(np.log(2 * np.pi))

# The packed forms lose digits in proportion to (distance from the origin / width)^2. Above this
# ratio, where about 1e-10 nats would be lost, components are scored about their own means.
MOST_CANCELLATION = 1e6
# A component with a smaller share of the rows than this has none.
EMPTY = 1e-14

Data = TypeVar("Data", GaussianStatistics, GaussianPosterior, GaussianParameters)
# The fields of these that a shared covariance has once for all components.
_COVARIANCE_FIELDS = ("scatter", "degrees_of_freedom", "divisor", "covariances", "factors")


@dataclass(frozen=True)
class GaussianFamily(CovarianceStructure):
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
        return self._scorer(parameters, log_weights + self.log_height(parameters))

    def distance_scorer(self, parameters: GaussianParameters) -> Scorer:
        """Make the scorer of minus half the squared Mahalanobis distances."""
        return self._scorer(parameters, np.zeros(len(parameters.means)))

    def log_height(self, parameters: GaussianParameters) -> Array:
        """Log density at the mean, in nats: (K,), or () for a shared covariance."""
        n_features = parameters.means.shape[1]
        return self.log_det_factors(parameters.factors, n_features) - 0.5 * n_features * LOG_2PI

    def _scorer(self, parameters: GaussianParameters, constants: Array) -> Scorer:
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

    def merge(self, stats: GaussianStatistics, a: int, b: int) -> GaussianStatistics:
        """Statistics when component ``a`` also has the rows of ``b``, and ``b`` none."""
        weight, mean, scatter = (values.copy() for values in stats)
        share = weight[b] / max(weight[a] + weight[b], np.finfo(np.float64).tiny)
        apart = mean[b] - mean[a]
        between = self.scatter_of(apart[None], np.atleast_1d(weight[a] * share))
        mean[a] += share * apart
        weight[a], weight[b] = weight[a] + weight[b], 0.0
        if self.is_shared:
            return GaussianStatistics(weight, mean, scatter + between)
        scatter[a] += scatter[b] + between[0]
        scatter[b] = 0.0
        return GaussianStatistics(weight, mean, scatter)

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
        return GaussianStatistics(weights, parameters.means, self.seen(shape[1]) * share * within)

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
        scatter = prior.covariance + self.pool(stats.scatter) + self.pool(shrunk)
        return GaussianPosterior(mean, mean_precision, scatter, nu + count, added + count)

    def covariances_of(
        self, scatter: Array, divisor: Array, known: NDArray[np.bool_], previous: Array
    ) -> Array:
        """Return the covariances of highest density; anything where they are not ``known``.

        Parameters
        ----------
        scatter : ndarray, cov
        divisor : ndarray of shape (K,), or () for a shared covariance
        known : ndarray of bool of the same shape
            Which covariances have been seen at all.
        previous : ndarray, cov
            Where an inner iteration may start from.
        """
        shape = known.shape + (1,) * (scatter.ndim - known.ndim)
        result: Array = scatter / np.where(known, divisor, 1.0).reshape(shape)
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
        nu = posterior.degrees_of_freedom
        nu = nu.reshape(nu.shape + (1,) * (posterior.scatter.ndim - nu.ndim))
        covariances = posterior.scatter / nu
        lifted = self.lift(covariances)
        scatter = np.where(lifted == covariances, posterior.scatter, nu * lifted)
        return posterior._replace(scatter=scatter)

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
        covariances = self.covariances_of(posterior.scatter, divisor, known, previous.covariances)
        covariances = covariances + self.reg_covar * self.identity(n_components, n_features)
        if self.floor is not None:
            covariances = self.hold(
                covariances, posterior.scatter, divisor, known, previous.covariances
            )
        known = known.reshape(known.shape + (1,) * (covariances.ndim - known.ndim))
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
        nu = posterior.degrees_of_freedom
        nu = nu.reshape(nu.shape + (1,) * (posterior.scatter.ndim - nu.ndim))
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
        constants = log_weights + self.expected_log_height(posterior, parameters)
        return self._scorer(parameters, constants)

    def expected_log_likelihood(
        self, stats: GaussianStatistics, parameters: GaussianParameters, height: Array
    ) -> float:
        """Log likelihood of the rows that statistics stand for, given their components.

        Expected under a posterior, with its expected height (Bishop 2006, 10.71).

        Parameters
        ----------
        stats : GaussianStatistics
        parameters : GaussianParameters
        height : ndarray of shape (K,) or ()
            `log_height`, or `expected_log_height` where the parameters are expected ones.
        """
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

    def take(self, data: Data, index: NDArray[np.intp]) -> Data:
        """Return some of the components of statistics, a posterior or parameters, in an order."""
        of_all = _COVARIANCE_FIELDS if self.is_shared else ()
        fields = data._asdict().items()
        return data._replace(**{name: v[index] for name, v in fields if name not in of_all})

    # --- point parameters -------------------------------------------------------------------

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
        apart = parameters.means - weights @ parameters.means
        total: Array = np.einsum("k,kij->ij", weights, within) + (weights * apart.T) @ apart
        return total

    def sample(
        self,
        parameters: GaussianParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw one row of each labelled component, shape (len(labels), D)."""
        noise = rng.standard_normal((len(labels), parameters.means.shape[1]))
        return parameters.means[labels] + self.colour(noise, parameters.factors, labels)
