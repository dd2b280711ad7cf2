"""From an estimator's parameters to a model."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.vae._contract import Likelihood
from skem.vae._latents import Latent
from skem.vae._likelihoods import LIKELIHOODS
from skem.vae._model import Model
from skem.vae._networks import Network
from skem.vae._record import Settings
from skem.vae._units import Units

__all__ = ["find_likelihood", "make_model"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


def find_likelihood(
    settings: Settings, X: Floats, weights: Array | None, fitted: Likelihood | None = None
) -> type[Likelihood]:
    """Choose the likelihood: that of an earlier fit, the parameter's, or by what X holds."""
    name = settings.likelihood
    if name == "auto" and fitted is not None:
        name = fitted.name
    if name == "auto":
        kind = next(kind for kind in LIKELIHOODS.values() if kind.suits(X, weights))
    else:
        kind = LIKELIHOODS[name]
    kind.check(X, weights, settings.likelihood)
    return kind.of(settings.noise_variance)


def make_model(
    settings: Settings,
    latent: Latent,
    kind: type[Likelihood],
    units: Units,
    dtype: np.dtype[Any],
) -> Model:
    """Build networks and likelihood around a latent."""
    n_features = len(units.scale)
    widths = tuple(int(width) for width in np.atleast_1d(settings.hidden_layer_sizes))
    likelihood = kind.make(settings.noise_variance, units, dtype)
    encoder = Network((n_features, *widths, latent.n_head), settings.activation)
    outputs = likelihood.n_outputs(n_features)
    decoder = Network((latent.n_inputs, *widths[::-1], outputs), settings.activation)
    return Model(encoder, decoder, likelihood, latent, n_features, dtype)
