"""Likelihoods: what a decoder's output says about a row.

Everything here is in the units of the network's input; `Units` knows the user's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from skem import kernels
from skem.vae._contract import KernelLikelihood, Likelihood
from skem.vae._units import Units, measure, unchanged

__all__ = [
    "LIKELIHOODS",
    "NOISE_VARIANCES",
    "Bernoulli",
    "FeatureVariance",
    "Gaussian",
    "KnownVariance",
    "NetworkVariance",
    "SharedVariance",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# A learned noise variance stays within these, in units of the data's own: below the lower one a
# decoder that meets a feature exactly would raise the likelihood without end.
_BOUNDS = np.log(np.array([1e-6, 1e6]))
_NO_BOUNDS = np.array([-np.inf, np.inf])

# A known noise variance over that of the data: beyond, float32 has no squares for it.
_LEAST_RATIO, _LARGEST_RATIO = 1e-15, 1e15


class Gaussian:
    """A Gaussian whose mean is the decoder's output; subclasses say what its variance is."""

    name: ClassVar[str] = "gaussian"
    is_gaussian: ClassVar[bool] = True
    known_variance: float | None = None
    has_own_variances: ClassVar[bool] = False  # each column has its own
    bounds = _BOUNDS

    @classmethod
    def suits(cls, X: Floats, weights: Array | None) -> bool:
        return True

    @classmethod
    def check(cls, X: Floats, weights: Array | None, asked: str) -> None:
        """Do nothing: every finite row has a density."""

    @classmethod
    def of(cls, noise_variance: str | float) -> type[Gaussian]:
        if isinstance(noise_variance, str):
            return NOISE_VARIANCES[noise_variance]
        return KnownVariance

    @classmethod
    def measure(cls, X: Floats, weights: Array | None) -> Units:
        return measure(X, weights, one_scale=not cls.has_own_variances)

    @classmethod
    def make(cls, noise_variance: str | float, units: Units, dtype: np.dtype[Any]) -> Gaussian:
        return cls()

    def noiseless(self, constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return constant if self.has_own_variances else constant & constant.all()

    def n_outputs(self, n_features: int) -> int:
        return n_features

    def n_parameters(self, n_features: int) -> int:
        return 0

    def mean(self, output: Floats) -> Floats:
        return output

    def start(self, parameters: Floats, bias: Floats, residual: Array) -> None:
        """Do nothing: the variance has no parameters."""

    def absorb(self, parameters: Floats, gradient: Floats, n_features: int) -> None:
        """Move each variance a little of the way to the mean residual."""
        kernels.likelihoods.move_variances(parameters, gradient, n_features)

    def log_variances(self, parameters: Floats) -> Floats:
        """Return log-variances (1,) or (D,), which `bounds` bound."""
        return parameters

    def as_kernel(self, parameters: Floats) -> KernelLikelihood:
        return KernelLikelihood(noise=(self.log_variances(parameters), self.bounds))

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
class KnownVariance(Gaussian):
    """Gaussian with one variance that the user gave.

    Parameters
    ----------
    log_variance : ndarray of shape (1,), of the network's dtype
    """

    log_variance: Floats
    bounds = _NO_BOUNDS

    @property
    def known_variance(self) -> float:  # type: ignore[override]
        """The variance in the network's units."""
        return float(np.exp(np.float64(self.log_variance[0])))

    @classmethod
    def make(cls, noise_variance: str | float, units: Units, dtype: np.dtype[Any]) -> KnownVariance:
        """Make it, or raise ValueError if the variance is out of the range for the rows."""
        log_ratio = float(np.log(noise_variance) - 2.0 * np.log(units.scale[0]))
        if not np.log(_LEAST_RATIO) <= log_ratio <= np.log(_LARGEST_RATIO):
            raise ValueError(
                f"noise_variance={noise_variance} is {np.exp(log_ratio):.3g} times the mean "
                f"variance of X's columns, which must be between {_LEAST_RATIO:g} and "
                f"{_LARGEST_RATIO:g}. Rescale X, or let the noise variance be learned"
            )
        return cls(np.array([log_ratio], dtype))

    def noiseless(self, constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """None: the variance is given."""
        return np.zeros_like(constant)

    def log_variances(self, parameters: Floats) -> Floats:
        return self.log_variance


class SharedVariance(Gaussian):
    """Gaussian with one learned variance (Rybkin, Daniilidis & Levine 2021)."""

    def n_parameters(self, n_features: int) -> int:
        return 1

    def start(self, parameters: Floats, bias: Floats, residual: Array) -> None:
        parameters[:] = np.log(residual.mean())


class FeatureVariance(Gaussian):
    """Gaussian with a learned variance for each feature."""

    has_own_variances = True

    def n_parameters(self, n_features: int) -> int:
        return n_features

    def start(self, parameters: Floats, bias: Floats, residual: Array) -> None:
        parameters[:] = np.log(residual)


class NetworkVariance(Gaussian):
    """Gaussian whose means and log-variances are the decoder's output."""

    has_own_variances = True

    def n_outputs(self, n_features: int) -> int:
        return 2 * n_features

    def start(self, parameters: Floats, bias: Floats, residual: Array) -> None:
        bias[len(residual) :] = np.log(residual)

    def mean(self, output: Floats) -> Floats:
        return output[:, : output.shape[1] // 2]

    def as_kernel(self, parameters: Floats) -> KernelLikelihood:
        return KernelLikelihood(noise_bounds=_BOUNDS)

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

    name: ClassVar[str] = "bernoulli"
    is_gaussian: ClassVar[bool] = False
    known_variance: float | None = None

    @classmethod
    def suits(cls, X: Floats, weights: Array | None) -> bool:
        return not _first(~np.isin(X, (0, 1)), weights)

    @classmethod
    def check(cls, X: Floats, weights: Array | None, asked: str) -> None:
        """Raise ValueError unless all values are in [0, 1]."""
        outside = _first((X < 0) | (X > 1), weights)
        if outside:
            row, column = outside
            chosen = f"likelihood={asked!r}"
            if asked != cls.name:
                chosen += (
                    f" chose {cls.name!r} in fit, where all values were 0 or 1, and {cls.name!r}"
                )
            raise ValueError(
                f"{chosen} needs values in [0, 1], but X has {X[row, column]} in row {row}, column "
                f"{column}. Rescale X (MinMaxScaler), or use likelihood='gaussian'"
            )

    @classmethod
    def of(cls, noise_variance: str | float) -> type[Bernoulli]:
        return cls

    @classmethod
    def measure(cls, X: Floats, weights: Array | None) -> Units:
        return unchanged(X.shape[1])

    @classmethod
    def make(cls, noise_variance: str | float, units: Units, dtype: np.dtype[Any]) -> Bernoulli:
        return cls()

    def noiseless(self, constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.zeros_like(constant)

    def n_outputs(self, n_features: int) -> int:
        return n_features

    def n_parameters(self, n_features: int) -> int:
        return 0

    def start(self, parameters: Floats, bias: Floats, residual: Array) -> None:
        """Do nothing: there is no noise besides the probabilities."""

    def absorb(self, parameters: Floats, gradient: Floats, n_features: int) -> None:
        """Do nothing: it has no parameters."""

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

    def as_kernel(self, parameters: Floats) -> KernelLikelihood:
        return KernelLikelihood(odds=True)

    def constant_variance(self, parameters: Floats) -> Array | None:
        return None

    def draw(self, parameters: Floats, output: Floats, rng: np.random.RandomState) -> Floats:
        probabilities = self.mean(output)
        return (rng.uniform(size=output.shape) < probabilities).astype(output.dtype)


def _first(marked: NDArray[np.bool_], weights: Array | None) -> tuple[int, int] | None:
    """Return row and column of the first marked place in a row of positive weight."""
    if weights is not None:
        marked = marked & (weights > 0)[:, None]
    places = np.argwhere(marked)
    return (int(places[0, 0]), int(places[0, 1])) if len(places) else None


# Names of what may be learned about the noise.
NOISE_VARIANCES: dict[str, type[Gaussian]] = {
    "shared": SharedVariance,
    "per_feature": FeatureVariance,
    "network": NetworkVariance,
}

# Names of likelihoods; "auto" is the first that suits the rows.
LIKELIHOODS: dict[str, type[Likelihood]] = {"bernoulli": Bernoulli, "gaussian": Gaussian}
