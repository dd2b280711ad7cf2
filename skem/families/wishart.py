"""Wishart and gamma distributions of precisions, and of covariances their inverses.

A precision P (d, d) is Wishart with scatter S and nu degrees of freedom, if its density is
proportional to ``|P|^((nu - d - 1) / 2) exp(-tr(S P) / 2)`` (Bishop 2006, B.78, with
``W = inv(S)``). For d = 1 that is the gamma distribution of shape nu / 2 and rate S / 2. The
expected precision is ``nu inv(S)`` = C C' with the factor C.
"""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, gammaln, multigammaln

from skem.families.parameters import Array, GaussianPosterior, GaussianPrior

__all__ = [
    "gamma_divergence",
    "log_det_correction",
    "log_inverse_gamma",
    "log_inverse_wishart",
    "wishart_divergence",
]


def _multidigamma(x: Array, dimension: int) -> Array:
    """Derivative of log multigamma: ``sum_i digamma(x - i / 2)`` for i = 0 .. dimension - 1."""
    steps = 0.5 * np.arange(dimension)
    result: Array = digamma(np.asarray(x)[..., None] - steps).sum(axis=-1)
    return result


def log_det_correction(freedom: Array, dimension: int) -> Array:
    """Return ``E log|P| - log|E P|``, in nats (Bishop 2006, B.81); never positive."""
    half = 0.5 * np.asarray(freedom)
    return _multidigamma(half, dimension) - dimension * np.log(half)


def _divergence(
    freedom: Array, prior_freedom: float, log_det_ratio: Array, trace: Array, dimension: int
) -> Array:
    """KL(q || p) of two Wishart distributions, in nats.

    From Bishop 2006, B.78 to B.82. ``log_det_ratio`` is log|S_q| - log|S_p| and ``trace`` is
    tr(S_p inv(S_q)), the S being scatters.
    """
    half, prior_half = 0.5 * np.asarray(freedom), 0.5 * prior_freedom
    log_gamma = multigammaln(prior_half, dimension) - multigammaln(half, dimension)
    expected = (half - prior_half) * _multidigamma(half, dimension)
    result: Array = prior_half * log_det_ratio + log_gamma + expected + half * (trace - dimension)
    return result


def _trace_of_product(psi: Array, factors: Array) -> Array:
    """Return ``tr(Psi C C')`` for each factor C of a stack (..., d, d).

    By a matrix product: as one sum over three arrays it would take a tenth of an iteration of
    64 features.
    """
    result: Array = (factors * (psi @ factors)).sum(axis=(-2, -1))
    return result


def wishart_divergence(posterior: GaussianPosterior, factors: Array, prior: GaussianPrior) -> float:
    """KL(q || prior) of precision matrices, summed over a stack of them (or of one)."""
    n_features = factors.shape[-1]
    nu, psi = posterior.degrees_of_freedom, prior.covariance.reshape(n_features, n_features)
    assert prior.degrees_of_freedom is not None
    log_det = np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)
    log_det_ratio = n_features * np.log(nu) - 2.0 * log_det - np.linalg.slogdet(psi)[1]
    trace = _trace_of_product(psi, factors) / nu
    parts = _divergence(nu, prior.degrees_of_freedom, log_det_ratio, trace, n_features)
    return float(np.sum(parts))


def gamma_divergence(posterior: GaussianPosterior, prior: GaussianPrior) -> float:
    """KL(q || prior) of precisions that are numbers, summed over all of them."""
    assert prior.degrees_of_freedom is not None
    scatter, nu = posterior.scatter, posterior.degrees_of_freedom
    nu = nu.reshape(nu.shape + (1,) * (scatter.ndim - nu.ndim))
    ratio = prior.covariance / scatter
    parts = _divergence(nu, prior.degrees_of_freedom, -np.log(ratio), ratio, 1)
    return float(parts.sum())


def log_inverse_wishart(log_det_factor: Array, factors: Array, prior: GaussianPrior) -> Array:
    """Log density of the inverse-Wishart prior at each covariance (K,), in nats.

    Bishop 2006, B.78, for the covariance: IW(S; Psi, nu) has density
    ``|Psi|^(nu/2) |S|^-((nu+D+1)/2) exp(-tr(Psi S^-1)/2) / (2^(nu D/2) Gamma_D(nu/2))``.
    """
    n_features = factors.shape[-1]
    nu, psi = prior.degrees_of_freedom, prior.covariance.reshape(n_features, n_features)
    assert nu is not None
    constant = 0.5 * nu * (np.linalg.slogdet(psi)[1] - n_features * np.log(2.0))
    constant -= multigammaln(0.5 * nu, n_features)
    trace = _trace_of_product(psi, factors)
    result: Array = constant + (nu + n_features + 1) * log_det_factor - 0.5 * trace
    return result


def log_inverse_gamma(variances: Array, prior: GaussianPrior) -> Array:
    """Log density of IG(nu / 2, psi / 2) at each variance, in nats (Bishop 2006, B.26)."""
    assert prior.degrees_of_freedom is not None
    shape, rate = 0.5 * prior.degrees_of_freedom, 0.5 * prior.covariance
    constant = shape * np.log(rate) - gammaln(shape)
    result: Array = constant - (shape + 1) * np.log(variances) - rate / variances
    return result
