"""Where networks start: at probabilistic PCA, the linear model of the same latent and noise.

Units of the hidden layers come in pairs whose inputs are equal but for the sign. The difference of
a pair's outputs is linear in the input for each of the activations (``relu(a) - relu(-a) = a``), so
a few pairs carry the principal components through any number of layers. The other units have the
usual random weights, but none of them is heard at the output yet: training begins with the score
of the linear model, and all that it does is to improve on it.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.vae._model import Model
from skem.vae._networks import Network
from skem.vae._rows import Rows

__all__ = ["LinearModel", "carry", "fit_linear", "start_linear"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# Rows whose products are added up at a time.
_BLOCK = 4096
# The least variance of the noise, as learned variances have it; the rows' own is 1.
_LEAST = 1e-6
# Columns up to which their covariances are worth the time and the memory: half a second.
_MOST_FEATURES = 1024
# From a pair of units to the next.
_SIGNS = np.array([[1.0, -1.0], [-1.0, 1.0]])


class LinearModel(NamedTuple):
    """Probabilistic PCA (Tipping & Bishop 1999), in the units of a network.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
    weights : ndarray of shape (n_features, n_components)
        Columns are orthogonal.
    encoder : ndarray of shape (n_features, n_components)
        ``(x - mean) @ encoder`` are the means of the codes' posterior.
    variances : ndarray of shape (n_components,)
        Of the posterior, which has no covariances.
    residual : ndarray of shape (n_features,)
        The expected squared error of each feature.
    """

    mean: Array
    weights: Array
    encoder: Array
    variances: Array
    residual: Array


def fit_linear(
    mean: Array, covariance: Array, n_components: int, noise: float | None = None
) -> LinearModel:
    """Solve for the maximum of the likelihood, in closed form.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
    covariance : ndarray of shape (n_features, n_features)
    n_components : int
        Less than ``n_features``.
    noise : float or None
        The variance, if it is known; else it is the mean of the eigenvalues that are left out
        (Tipping & Bishop 1999, equation 8), or 1e-6 if that is more.
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    if noise is None:
        noise = max(float(values[n_components:].mean()), _LEAST)
    values, vectors = values[:n_components], vectors[:, :n_components]
    # Either sign is right; rounding must not choose.
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(n_components)])
    weights = vectors * np.sqrt(np.maximum(values - noise, 0.0))
    total = np.square(weights).sum(axis=0) + noise
    encoder, variances = weights / total, noise / total
    error = np.eye(len(mean)) - weights @ encoder.T
    residual = ((error @ covariance) * error).sum(axis=1) + np.square(weights) @ variances
    return LinearModel(mean, weights, encoder, variances, residual)


def start_linear(model: Model, parameters: Floats, rows: Rows) -> bool:
    """Overwrite random parameters by those of the linear model, if there is one.

    There is none for a latent or a likelihood that is not Gaussian, nor where hidden layers are
    narrower than twice the length of the code, nor for more than 1 024 columns. Says whether there
    is one.
    """
    n_components = min(model.latent.n_inputs, model.n_features - 1)
    wide = all(width >= 2 * n_components for width in model.encoder.widths[1:-1])
    fits = wide and model.n_features <= _MOST_FEATURES
    if not (model.latent.is_gaussian and model.likelihood.is_gaussian and fits):
        return False
    encoder, decoder, own, _ = model.split(parameters)
    mean, covariance = _moments(rows)
    linear = fit_linear(mean, covariance, n_components, model.likelihood.known_variance)
    head = carry(model.encoder, encoder, linear.encoder)
    head[:n_components] = -(mean @ linear.encoder)
    head[model.latent.n_inputs :][:n_components] = np.log(linear.variances)
    bias = carry(model.decoder, decoder, linear.weights.T)
    bias[: model.n_features] = mean
    model.likelihood.start(own, bias, np.maximum(linear.residual, _LEAST))
    return True


def carry(network: Network, parameters: Floats, matrix: Array) -> Floats:
    """Make a network compute ``x[: n_in] @ matrix``, and return its last bias.

    Parameters
    ----------
    network : Network
        Its hidden layers are at least twice as wide as ``matrix`` has components, the smaller of
        its sides.
    parameters : ndarray of shape (n_parameters,)
        Random; overwritten.
    matrix : ndarray of shape (n_in, n_out)
        Other inputs are ignored, other outputs are zero.
    """
    layers = list(network.layers(parameters))
    n_in, n_out = matrix.shape
    if len(layers) == 1:
        weights, bias = layers[0]
        weights[:], bias[:] = 0.0, 0.0
        weights[:n_in, :n_out] = matrix
        return bias
    n = min(n_in, n_out)
    first, last = (matrix, np.eye(n)) if n_out == n else (np.eye(n), matrix)
    pairs, step = 2 * n, network.linear_step
    # The difference of a pair's outputs is the component over `gain`.
    gain = 1.0 / float(np.subtract(*network.activate(np.array([step, -step]))))
    weights, bias = layers[0]
    weights[:, :pairs], bias[:pairs] = 0.0, 0.0
    weights[:n_in, 0:pairs:2], weights[:n_in, 1:pairs:2] = step * first, -step * first
    for weights, bias in layers[1:-1]:
        weights[:, :pairs], bias[:pairs] = 0.0, 0.0
        for j in range(0, pairs, 2):
            weights[j : j + 2, j : j + 2] = gain * step * _SIGNS
    weights, bias = layers[-1]
    weights[:], bias[:] = 0.0, 0.0
    weights[0:pairs:2, :n_out], weights[1:pairs:2, :n_out] = gain * last, -gain * last
    return bias


def _moments(rows: Rows) -> tuple[Array, Array]:
    """Return weighted mean and covariance of rows as a network reads them."""
    n_features = rows.X.shape[1]
    total, products = np.zeros(n_features), np.zeros((n_features, n_features))
    for a in range(0, len(rows), _BLOCK):
        x, _, weights = rows.take(np.arange(a, min(a + _BLOCK, len(rows))))
        x = x.astype(np.float64)
        total += weights @ x
        products += (x * weights[:, None]).T @ x
    mean = total / len(rows)
    # Rows are standardised: nothing cancels.
    return mean, products / len(rows) - np.outer(mean, mean)
