"""Steps of small models as one call of a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.vae._latents import Batch, GaussianLatent, GaussianSpace
from skem.vae._model import Model
from skem.vae._optimisers import Optimiser

__all__ = ["Fused", "fuse"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# Bytes of rows that are read at once: they stay in a core's cache while they are learned from.
_BYTES = 2**18


class _Objective(NamedTuple):
    noise: tuple[Floats, Array] | None
    noise_bounds: Array | None
    odds: bool | None
    free_bits: float
    decay: Any


class _Networks(NamedTuple):
    encoder: NDArray[np.int64]
    decoder: NDArray[np.int64]
    n_encoder: int
    n_decoder: int
    activation: int


class _Optimiser(NamedTuple):
    kind: int
    first: Floats
    second: Floats
    learning_rate: float


class _Space(NamedTuple):
    encoder: Floats
    decoder: Floats
    losses: Array
    output_gradient: Floats
    nothing: Floats
    latent: GaussianSpace


@dataclass(frozen=True)
class Fused:
    """Takes the steps of `Steps`, with the same bits; see `skem.kernels.training`.

    Parameters
    ----------
    model : Model
        With a Gaussian latent.
    optimiser : Optimiser
    batch_size : int
    free_bits : float
    decay : float, of the model's dtype
    space : GaussianSpace
    at_once : int
        Batches that are best read at once.
    """

    model: Model
    optimiser: Optimiser
    batch_size: int
    decay: Any
    free_bits: float
    space: _Space
    at_once: int

    def take(
        self, parameters: Floats, gradient: Floats, moments: Floats, rows: Batch, betas: Array
    ) -> float:
        """Take a step on each batch of the rows, in order, until a loss is not finite.

        Returns the sum of their losses, each times its number of rows.
        """
        model = self.model
        total: float = kernels.training.train(
            rows,
            self.batch_size,
            betas,
            _Objective(
                *model.likelihood.as_kernel(model.split(parameters)[2]), self.free_bits, self.decay
            ),
            _Networks(
                model.encoder.sizes, model.decoder.sizes, *model.sizes[:2], model.encoder.code
            ),
            parameters,
            gradient,
            _Optimiser(self.optimiser.code, moments[0], moments[-1], self.optimiser.learning_rate),
            self.space,
        )
        return total


def fuse(model: Model, optimiser: Optimiser, batch_size: int, decay: Any) -> Fused | None:
    """Return what takes many steps at once, if there is a kernel for such a model."""
    latent = model.latent
    if type(latent) is not GaussianLatent:
        return None
    space = model.space(batch_size)
    inner = latent.space(batch_size, model.dtype)
    arrays = _Space(
        space.encoder, space.decoder, space.losses, space.output_gradient, space.nothing, inner
    )
    at_once = max(1, _BYTES // (batch_size * model.n_features * model.dtype.itemsize))
    return Fused(model, optimiser, batch_size, decay, latent.free_bits, arrays, at_once)
