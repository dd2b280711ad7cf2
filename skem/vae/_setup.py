"""From an estimator's parameters to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.vae._likelihoods import (
    Bernoulli,
    FeatureVariance,
    KnownVariance,
    Likelihood,
    NetworkVariance,
    SharedVariance,
)
from skem.vae._model import Model
from skem.vae._networks import Network
from skem.vae._standard import Standard, measure

if TYPE_CHECKING:
    from skem.vae._base import BaseAutoencoder

__all__ = [
    "NOISE_VARIANCES",
    "check_unit_interval",
    "find_likelihood",
    "make_model",
    "measure_rows",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# What may be learned about the noise: the likelihood, and whether all columns keep one scale.
NOISE_VARIANCES: dict[str, tuple[Any, bool]] = {
    "shared": (SharedVariance, True),
    "per_feature": (FeatureVariance, False),
    "network": (NetworkVariance, False),
}

# The noise's known variance over that of the data: beyond, float32 has no squares for it.
_LEAST_RATIO, _LARGEST_RATIO = 1e-15, 1e15


def find_likelihood(estimator: BaseAutoencoder, X: Floats, fitted: str | None = None) -> str:
    """Name the likelihood: that of an earlier fit, the parameter, or by what X holds."""
    name = estimator.likelihood
    if name == "auto":
        name = fitted or ("bernoulli" if np.isin(X, (0, 1)).all() else "gaussian")
    if name == "bernoulli":
        check_unit_interval(X)
    return name


def check_unit_interval(X: Floats) -> None:
    """Raise ValueError unless all values are in [0, 1]."""
    outside = np.argwhere((X < 0) | (X > 1))
    if len(outside):
        row, column = (int(place) for place in outside[0])
        raise ValueError(
            f"likelihood='bernoulli' needs values in [0, 1], but X has {X[row, column]} in row "
            f"{row}, column {column}. Rescale X (MinMaxScaler), or use likelihood='gaussian'"
        )


def measure_rows(
    estimator: BaseAutoencoder, likelihood: str, X: Floats, weights: Array | None
) -> Standard:
    """Choose the units of the network."""
    n_features = X.shape[1]
    if likelihood == "bernoulli":
        constant = np.zeros(n_features, dtype=bool)
        return Standard(np.zeros(n_features), np.ones(n_features), constant)
    noise = estimator.noise_variance
    one_scale = NOISE_VARIANCES[noise][1] if isinstance(noise, str) else True
    return measure(X, weights, one_scale=one_scale)


def make_model(
    estimator: BaseAutoencoder, likelihood: str, standard: Standard, dtype: np.dtype[Any]
) -> Model:
    """Build networks, likelihood and latent."""
    n_features = len(standard.scale)
    widths = tuple(int(width) for width in np.atleast_1d(estimator.hidden_layer_sizes))
    noise = _make_likelihood(estimator, likelihood, standard, dtype)
    latent = estimator._make_latent()
    encoder = Network((n_features, *widths, latent.n_head), estimator.activation)
    outputs = noise.n_outputs(n_features)
    decoder = Network((latent.n_inputs, *widths[::-1], outputs), estimator.activation)
    return Model(encoder, decoder, noise, latent, n_features, dtype)


def _make_likelihood(
    estimator: BaseAutoencoder, likelihood: str, standard: Standard, dtype: np.dtype[Any]
) -> Likelihood:
    if likelihood == "bernoulli":
        return Bernoulli()
    noise = estimator.noise_variance
    if isinstance(noise, str):
        made: Likelihood = NOISE_VARIANCES[noise][0]()
        return made
    log_ratio = float(np.log(noise) - 2.0 * np.log(standard.scale[0]))
    if not np.log(_LEAST_RATIO) <= log_ratio <= np.log(_LARGEST_RATIO):
        raise ValueError(
            f"noise_variance={noise} is {np.exp(log_ratio):.3g} times the mean variance of X's "
            f"columns, which must be between {_LEAST_RATIO:g} and {_LARGEST_RATIO:g}. Rescale X, "
            "or let the noise variance be learned"
        )
    return KnownVariance(np.array([log_ratio], dtype))
