"""Tables, estimators and comparisons that the tests of autoencoders share."""

import os
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skem import VAE

SMALL = {
    "hidden_layer_sizes": (6,),
    "max_epochs": 4,
    "batch_size": 16,
    "n_importance_samples": 20,
}
# Without the compiler kernels are Python.
compiled = not int(os.environ.get("NUMBA_DISABLE_JIT", "0"))

FITTED = ("loss_curve_", "validation_loss_curve_", "noise_variance_", "kl_per_dimension_")


def curve(n=60, d=5, seed=0, dtype=np.float64):
    """Return rows along a curve in d dimensions, with noise."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-2, 2, size=(n, 1))
    rows = np.sin(t * np.arange(1, d + 1)) + 0.1 * rng.normal(size=(n, d))
    return rows.astype(dtype)


def bits(n=60, d=6, seed=0):
    """Return rows of zeros and ones that depend on one hidden number."""
    rng = np.random.default_rng(seed)
    t = rng.normal(size=(n, 1))
    return (rng.uniform(size=(n, d)) < 1 / (1 + np.exp(-3 * t * np.linspace(-1, 1, d)))) * 1.0


def digits():
    """Return digits in [0, 1]."""
    return load_digits().data / 16


def fit(X, estimator=None, *, sample_weight=None, **parameters):
    """Fit, whether it converges or not."""
    if estimator is None:
        estimator = VAE(**{"random_state": 0, **SMALL, **parameters})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, sample_weight=sample_weight)


def assert_same_bits(actual, expected, X):
    """Compare weights, attributes and outputs bit by bit."""
    np.testing.assert_array_equal(
        actual._trained.state.parameters, expected._trained.state.parameters, strict=True
    )
    for name in FITTED:
        if getattr(expected, name) is None:
            assert getattr(actual, name) is None
        else:
            np.testing.assert_array_equal(
                getattr(actual, name), getattr(expected, name), err_msg=name
            )
    for method in ("transform", "score_samples", "reconstruct"):
        np.testing.assert_array_equal(getattr(actual, method)(X), getattr(expected, method)(X))


def assert_sound(vae, X):
    """Check that nothing is NaN or infinite."""
    for name in FITTED:
        value = getattr(vae, name)
        assert value is None or np.isfinite(value).all(), name
    assert np.isfinite(vae._trained.state.parameters).all()
    assert np.isfinite(vae.elbo(X)).all()
    for method in ("transform", "score_samples", "reconstruct"):
        assert np.isfinite(getattr(vae, method)(X)).all(), method
    assert np.isfinite(vae.encode(X, return_std=True)).all()
    assert np.isfinite(vae.sample(5)).all()
