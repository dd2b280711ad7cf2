"""Likelihoods: what a decoder's output says about a row.

Everything here is in the units of the network's input; `Standard` knows the user's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from skem import kernels

__all__ = [
    "Bernoulli",
    "FeatureVariance",
    "KnownVariance",
    "Likelihood",
    "NetworkVariance",
    "SharedVariance",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# A learned noise variance stays within these, in units of the data's own: below the lower one a
# decoder that meets a feature exactly would raise the likelihood without end.
_BOUNDS = np.log(np.array([1e-6, 1e6]))
_NO_BOUNDS = np.array([-np.inf, np.inf])


class Likelihood(Protocol):
    """What training and scoring need of a likelihood; D features, R lines of outputs."""

    def n_outputs(self, n_features: int) -> int:
        """Width of the decoder's output."""

    def n_parameters(self, n_features: int) -> int:
        """Parameters of its own, besides the decoder's."""

    def losses(
        self,
        parameters: Floats,
        output: Floats,
        target: Floats,
        weights: Array,
        losses: Array,
        gradient: Floats,
        own_gradient: Floats,
    ) -> None:
        """Write negative log-likelihoods (R,) and, if ``gradient`` has lines, the gradients."""

    def mean(self, output: Floats) -> Floats:
        """Expected rows (R, D)."""

    def constant_variance(self, parameters: Floats) -> Array | None:
        """Noise variances (1,) or (D,), if they are the same for all rows."""

    def draw(self, parameters: Floats, output: Floats, rng: np.random.RandomState) -> Floats:
        """Draw a row from each line."""


class _Gaussian:
    bounds = _BOUNDS

    def n_outputs(self, n_features: int) -> int:
        return n_features

    def n_parameters(self, n_features: int) -> int:
        return 0

    def mean(self, output: Floats) -> Floats:
        return output

    def log_variances(self, parameters: Floats) -> Floats:
        """Return log-variances (1,) or (D,), which `bounds` bound."""
        return parameters

    def constant_variance(self, parameters: Floats) -> Array | None:
        log_variances = self.log_variances(parameters).astype(np.float64)
        return np.exp(np.clip(log_variances, *self.bounds))

    def draw(self, parameters: Floats, output: Floats, rng: np.random.RandomState) -> Floats:
        variance = self.constant_variance(parameters)
        assert variance is not None
        return output + np.sqrt(variance) * rng.standard_normal(output.shape)

    def losses(
        self,
        parameters: Floats,
        output: Floats,
        target: Floats,
        weights: Array,
        losses: Array,
        gradient: Floats,
        own_gradient: Floats,
    ) -> None:
        log_variances = self.log_variances(parameters)
        kernels.likelihoods.gaussian(
            output, target, weights, log_variances, self.bounds, losses, gradient, own_gradient
        )


@dataclass(frozen=True)
class KnownVariance(_Gaussian):
    """Gaussian with one variance that the user gave.

    Parameters
    ----------
    log_variance : ndarray of shape (1,), of the network's dtype
    """

    log_variance: Floats
    bounds = _NO_BOUNDS

    def log_variances(self, parameters: Floats) -> Floats:
        return self.log_variance


class SharedVariance(_Gaussian):
    """Gaussian with one learned variance (Rybkin, Daniilidis & Levine 2021)."""

    def n_parameters(self, n_features: int) -> int:
        return 1


class FeatureVariance(_Gaussian):
    """Gaussian with a learned variance for each feature."""

    def n_parameters(self, n_features: int) -> int:
        return n_features


class NetworkVariance(_Gaussian):
    """Gaussian whose means and log-variances are the decoder's output."""

    def n_outputs(self, n_features: int) -> int:
        return 2 * n_features

    def mean(self, output: Floats) -> Floats:
        return output[:, : output.shape[1] // 2]

    def constant_variance(self, parameters: Floats) -> Array | None:
        return None

    def draw(self, parameters: Floats, output: Floats, rng: np.random.RandomState) -> Floats:
        mean = self.mean(output)
        log_variance = output[:, mean.shape[1] :].astype(np.float64)
        deviation = np.exp(0.5 * np.clip(log_variance, *_BOUNDS))
        return mean + deviation * rng.standard_normal(mean.shape)

    def losses(
        self,
        parameters: Floats,
        output: Floats,
        target: Floats,
        weights: Array,
        losses: Array,
        gradient: Floats,
        own_gradient: Floats,
    ) -> None:
        kernels.likelihoods.gaussian_network(output, target, weights, _BOUNDS, losses, gradient)


@dataclass(frozen=True)
class Bernoulli:
    """Independent features in [0, 1]; the outputs are log odds."""

    def n_outputs(self, n_features: int) -> int:
        return n_features

    def n_parameters(self, n_features: int) -> int:
        return 0

    def losses(
        self,
        parameters: Floats,
        output: Floats,
        target: Floats,
        weights: Array,
        losses: Array,
        gradient: Floats,
        own_gradient: Floats,
    ) -> None:
        kernels.likelihoods.bernoulli(output, target, weights, losses, gradient)

    def mean(self, output: Floats) -> Floats:
        probabilities: Floats = expit(output)
        return probabilities

    def constant_variance(self, parameters: Floats) -> Array | None:
        return None

    def draw(self, parameters: Floats, output: Floats, rng: np.random.RandomState) -> Floats:
        probabilities = self.mean(output)
        return (rng.uniform(size=output.shape) < probabilities).astype(output.dtype)
