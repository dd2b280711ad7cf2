"""One variance for each feature, shared by all components (mclust: EEI)."""

import numpy as np

from skem.families.gaussian import GaussianFamily
from skem.families.parameters import (
    GaussianParameters,
    SingularCovarianceError,
)
from skem.families.wishart import gamma_divergence, log_inverse_gamma
from skem.scoring import CentredDiagonalScorer, LinearScorer


class SharedDiagonalGaussian(GaussianFamily):
    """Variances of shape (D,)."""

    is_shared = True  # one covariance for all components
    tail_of_each_feature = True  # the features are independent

    def n_parameters(self, n_components, n_features):
        return n_components * n_features + n_features

    def identity(self, n_components, n_features):
        return np.ones(n_features)

    # Scores are linear in z_j * z_j, z_j * 1 and 1 * 1; line D is the ones.
    def pairs(self, n_features):
        lines = np.arange(n_features, dtype=np.int64)
        ones = np.full(n_features, n_features, dtype=np.int64)
        return np.r_[lines, lines, ones[:1]], np.r_[lines, ones, ones[:1]]

    def packed_scorer(self, parameters, constants):
        means = parameters.means
        precisions = self.precisions(parameters.factors)
        left, right = self.pairs(means.shape[1])
        squares = np.tile(-0.5 * precisions, (len(means), 1))
        blank = np.zeros((len(means), 1))
        level = constants - 0.5 * self.mahalanobis(means, parameters.factors)
        coefficients = np.hstack([squares, precisions * means, blank])
        return LinearScorer.of(left, right, coefficients, level)

    def unpack(self, sums):  # the packed scorer's sums, (n_pairs, K)
        (packed,) = sums
        d = len(packed) // 2
        return packed[-1], packed[d:-1].T, packed[:d].sum(axis=1)

    # The same about the components' own means, and when to prefer it.
    def cancellation(self, parameters):
        spread = np.square(parameters.means) + parameters.covariances
        return float((spread * np.square(parameters.factors)).sum(axis=1).max())

    def centred_scorer(self, parameters, constants):
        means = np.ascontiguousarray(parameters.means)
        precisions = np.tile(self.precisions(parameters.factors), (len(means), 1))
        return CentredDiagonalScorer(means, precisions, constants)

    def gather(self, second):  # (K, D) -> (D,)
        return second.sum(axis=0)

    # Statistics and the M-step: all rows inform each variance.
    def scatter_of(self, deviations, weight):
        return weight @ np.square(deviations)

    def count(self, weight, n_features):
        return np.asarray(weight.sum())

    def covariance_exponent(self, n_features):
        return 2.0

    def mean_exponent(self, n_components, n_features):
        return float(n_components)

    # Linear algebra of a diagonal.
    def factorise(self, covariances):
        if not (covariances > 0).all():
            raise SingularCovarianceError(None)
        return 1.0 / np.sqrt(covariances)

    def log_det_factors(self, factors, n_features):
        return np.log(factors).sum()

    def mahalanobis(self, deviations, factors):
        return np.square(deviations * factors).sum(axis=1)

    def precision_diagonal(self, factors, n_features):
        return np.square(factors)

    def rescale(self, parameters, scale):
        means, covariances, factors = parameters
        return GaussianParameters(means * scale, covariances * scale**2, factors / scale)

    # The prior of a variance is IG(nu / 2, psi / 2).
    def log_covariance_prior(self, parameters, prior):
        return float(log_inverse_gamma(parameters.covariances, prior).sum())

    def covariance_divergence(self, posterior, factors, prior):
        return gamma_divergence(posterior, prior)

    def log_volume(self, log_scale, n_components):
        return 2.0 * float(log_scale.sum())

    # Collapse, and sampling.
    def at_the_floor(self, parameters, total):
        narrow = parameters.covariances <= 2 * self.reg_covar
        narrow &= np.diagonal(total) > 100 * self.reg_covar
        return np.full(len(parameters.means), narrow.any())

    def dense(self, covariances, n_components, n_features):
        return np.tile(np.diag(covariances), (n_components, 1, 1))

    def correlate(self, noise, factors, labels):
        return noise / factors
