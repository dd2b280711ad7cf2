"""What choosing, training and scoring ask of a likelihood."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.vae._units import Units

__all__ = ["KernelLikelihood", "Likelihood"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


class KernelLikelihood(NamedTuple):
    """A likelihood as `kernels.likelihoods.any_likelihood` reads it."""

    noise: tuple[Floats, Array] | None = None
    noise_bounds: Array | None = None
    odds: bool | None = None


class Likelihood(Protocol):
    """A distribution of rows given a decoder's output; D features, R lines of outputs.

    Attributes
    ----------
    name : str
        What users call it.
    is_gaussian : bool
    """

    name: ClassVar[str]
    is_gaussian: ClassVar[bool]

    @property
    def known_variance(self) -> float | None:
        """Variance of the noise in the network's units, if it is not learned."""

    @classmethod
    def suits(cls, X: Floats, weights: Array | None) -> bool:
        """Say whether ``likelihood="auto"`` may take it for rows of positive weight."""

    @classmethod
    def check(cls, X: Floats, weights: Array | None, asked: str) -> None:
        """Raise ValueError for rows of positive weight that it gives no density.

        ``asked`` is the parameter ``likelihood``, which the message names.
        """

    @classmethod
    def of(cls, noise_variance: str | float) -> type[Likelihood]:
        """Return the class for a parameter ``noise_variance``."""

    @classmethod
    def measure(cls, X: Floats, weights: Array | None) -> Units:
        """Choose the units of the network."""

    @classmethod
    def make(cls, noise_variance: str | float, units: Units, dtype: np.dtype[Any]) -> Likelihood:
        """Make the likelihood of rows in these units."""

    def noiseless(self, constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say which columns have the least variance that is allowed, given the constant ones."""

    def n_outputs(self, n_features: int) -> int:
        """Width of the decoder's output."""

    def n_parameters(self, n_features: int) -> int:
        """Parameters of its own, besides the decoder's."""

    def start(self, parameters: Floats, bias: Floats, residual: Array) -> None:
        """Set the noise to expected squared errors (D,), in its parameters or the last bias."""

    def absorb(self, parameters: Floats, gradient: Floats, n_features: int) -> None:
        """Update its own parameters after a step, by their gradient."""

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

    def as_kernel(self, parameters: Floats) -> KernelLikelihood:
        """Return what `losses` needs, for a kernel that computes them itself."""

    def mean(self, output: Floats) -> Floats:
        """Expected rows (R, D)."""

    def constant_variance(self, parameters: Floats) -> Array | None:
        """Noise variances (1,) or (D,), if they are the same for all rows."""

    def draw(self, parameters: Floats, output: Floats, rng: np.random.RandomState) -> Floats:
        """Draw a row from each line."""
