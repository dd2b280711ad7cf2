"""Tables, starts and comparisons that the tests of the estimator share."""

import os
import warnings
from typing import Any

import numpy as np
import pytest
from oracles import gaussian
from sklearn.exceptions import ConvergenceWarning

from skem import EMGaussianMixture, VariationalGaussianMixture

TYPES = ("full", "tied", "diag", "spherical")
PARAMETERS = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")

POSTERIOR = (
    "weight_concentration_",
    "mean_precision_",
    "degrees_of_freedom_",
    "covariance_prior_",
    "expected_counts_",
    "effective_n_components_",
)

core = pytest.mark.core
# Without the compiler kernels are Python, whose scalars warn of overflows that are meant.
COMPILED = not int(os.environ.get("NUMBA_DISABLE_JIT", "0"))
meant_overflows = (
    (lambda test: test)
    if COMPILED
    else pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning")
)
many_rows = pytest.mark.skipif(not COMPILED, reason="takes minutes without the compiler")
every_type = pytest.mark.parametrize("covariance_type", TYPES)
# Those whose covariances have a conjugate prior.
every_conjugate_type = pytest.mark.parametrize("covariance_type", [*TYPES, "EEI", "EII"])
every_estimator = pytest.mark.parametrize(
    "estimator", [EMGaussianMixture, VariationalGaussianMixture]
)
WEIGHT_PRIORS = ("dirichlet_process", "dirichlet_distribution")
every_weight_prior = pytest.mark.parametrize("weight_prior", WEIGHT_PRIORS)


def blobs(n=150, d=3, k=3, *, apart=4.0, seed=0):
    """Return rows of k overlapping, correlated, unequal clusters in random order, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    centres = apart * rng.normal(size=(k, d))
    factors = np.eye(d) + 0.3 * rng.normal(size=(k, d, d))
    noise = np.einsum("nij,nj->ni", factors[labels], rng.normal(size=(n, d)))
    return centres[labels] + noise, labels


def soft_start(n, k, seed=0):
    """Return random responsibilities that differ between rows and components."""
    return np.random.default_rng(seed).dirichlet(np.ones(k), size=n)


def one_hot(labels, k):
    return np.eye(k)[np.asarray(labels)]


def given_start(covariance_type, k=3, d=3):
    """Return parameters to start from."""
    rng = np.random.default_rng(0)
    factor = np.eye(d) + 0.2 * rng.normal(size=(k, d, d))
    stack = factor @ np.swapaxes(factor, 1, 2)
    return {
        "weights_init": rng.dirichlet(np.ones(k)),
        "means_init": 4 * rng.normal(size=(k, d)),
        "precisions_init": {
            "full": stack,
            "tied": stack[0],
            "diag": np.diagonal(stack, axis1=1, axis2=2).copy(),
            "spherical": stack[:, 0, 0].copy(),
        }[covariance_type],
    }


def fit(X, n_components=3, *, sample_weight=None, estimator=EMGaussianMixture, **parameters):
    """Fit, whether it converges or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator(n_components, **parameters).fit(X, sample_weight=sample_weight)


def variational(X, n_components=3, *, weight_prior="dirichlet_process", **parameters):
    """Fit posteriors, whether that converges or not."""
    return fit(
        X,
        n_components,
        estimator=VariationalGaussianMixture,
        weight_concentration_prior_type=weight_prior,
        **parameters,
    )


def component_prior(covariance_type, d, seed=0):
    """Return a given prior of the components, none of whose numbers is a default."""
    rng = np.random.default_rng(seed)
    factor = np.eye(d) + 0.3 * rng.normal(size=(d, d))
    matrix = 0.8 * factor @ factor.T
    scale = {
        "full": matrix,
        "tied": matrix,
        "diag": np.diag(matrix).copy(),
        "spherical": np.trace(matrix) / d,
        "EEI": np.diag(matrix).copy(),
        "EII": np.trace(matrix) / d,
    }[covariance_type]
    return {
        "mean_prior": rng.normal(size=d),
        "mean_precision_prior": 0.6,
        "covariance_prior": scale,
        "degrees_of_freedom_prior": d + 1.7,
    }


def dense_covariances(mixture):
    """Return the covariances as full matrices (K, D, D)."""
    shape = mixture.means_.shape
    return gaussian.matrices(mixture.covariance_type, mixture.covariances_, *shape)


def log_joint(mixture, X):
    """Return the log density of rows and their components by scipy.stats, (n, K)."""
    parameters = mixture.weights_, mixture.means_, mixture.covariances_
    return gaussian.log_joint(mixture.covariance_type, X, *parameters)


def outputs(mixture, X) -> dict[str, Any]:
    """Return all that a fitted mixture says of rows."""
    return {
        "score_samples": mixture.score_samples(X),
        "predict_proba": mixture.predict_proba(X),
        "predict": mixture.predict(X),
        "score": mixture.score(X),
        "bic": mixture.bic(X),
        "aic": mixture.aic(X),
        "icl": mixture.icl(X),
    }


def assert_close(actual, expected, *, rtol=1e-10, atol=1e-10, names=PARAMETERS):
    """Compare fitted attributes."""
    for name in names:
        np.testing.assert_allclose(
            getattr(actual, name), getattr(expected, name), rtol=rtol, atol=atol, err_msg=name
        )


def assert_same_bits(actual, expected, X=None):
    """Compare fitted attributes, and outputs if there are rows, bit by bit."""
    names = (*PARAMETERS, "lower_bound_", "lower_bounds_", "n_iter_", "converged_")
    if hasattr(expected, "mean_precision_"):
        names += POSTERIOR
    for name in names:
        np.testing.assert_array_equal(
            getattr(actual, name), getattr(expected, name), err_msg=name, strict=True
        )
    if X is not None:
        assert_same_outputs(actual, X, expected, X)


def assert_same_outputs(actual, X, expected, Y):
    got, wanted = outputs(actual, X), outputs(expected, Y)
    for name in got:
        np.testing.assert_array_equal(got[name], wanted[name], err_msg=name, strict=True)


def assert_sound(mixture, X, sample_weight=None):
    """Check that nothing is NaN or infinite, and that probabilities are probabilities."""
    k = mixture.n_components
    for name in (*PARAMETERS, "lower_bound_", "lower_bounds_"):
        assert np.isfinite(getattr(mixture, name)).all(), name
    assert mixture.weights_.shape == (k,)
    assert (mixture.weights_ >= 0).all()
    np.testing.assert_allclose(mixture.weights_.sum(), 1.0, rtol=1e-6)
    covariances = dense_covariances(mixture)
    spread = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    correlations = covariances / spread[:, :, None] / spread[:, None, :]
    np.testing.assert_array_less(0, np.linalg.eigvalsh(correlations))
    assert len(mixture.lower_bounds_) == mixture.n_iter_
    bounds = np.asarray(mixture.lower_bounds_)
    assert (np.diff(bounds) >= -1e-9 * np.abs(bounds[1:])).all()
    for name, value in outputs(mixture, X).items():
        assert np.isfinite(value).all(), name
    resp = mixture.predict_proba(X)
    assert resp.shape == (len(X), k)
    assert ((resp >= 0) & (resp <= 1 + 1e-6)).all()
    np.testing.assert_allclose(resp.sum(axis=1), 1.0, rtol=1e-6)
    assert set(mixture.predict(X)) <= set(range(k))
    rows, labels = mixture.sample(20)
    assert np.isfinite(rows).all()
    assert (mixture.weights_[labels] > 0).all()
