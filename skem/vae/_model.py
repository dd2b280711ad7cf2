"""An autoencoder as plain data, and its objective with the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.vae._contract import Likelihood
from skem.vae._latents import Batch, Latent, LatentSpace
from skem.vae._networks import Network

__all__ = ["Model", "Space", "Terms"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


class Terms(NamedTuple):
    """The parts of an objective, in nats, summed over rows with their weights.

    Attributes
    ----------
    reconstruction : float
        The negative log-likelihood.
    cost : float
        What the code costs in the objective, ``beta`` times the divergence in the simplest
        case.
    divergence : ndarray of shape (n_latent,)
        The divergence of each dimension, as it is.
    """

    reconstruction: float
    cost: float
    divergence: Array

    @property
    def loss(self) -> float:
        """What training lowers."""
        return self.reconstruction + self.cost

    def __add__(self, other: Terms) -> Terms:  # type: ignore[override]
        """Terms of disjoint rows add up."""
        return Terms(
            self.reconstruction + other.reconstruction,
            self.cost + other.cost,
            self.divergence + other.divergence,
        )


class Space(NamedTuple):
    """The arrays that one batch of a known number of rows is computed in."""

    encoder: Floats
    decoder: Floats
    latent: LatentSpace
    losses: Array  # (n_lines,)
    output_gradient: Floats  # (n_lines, n_outputs)
    nothing: Floats  # (0, n_features): no gradient is wanted at the rows
    no_gradient: Floats  # (0, n_outputs)


@dataclass(frozen=True)
class Model:
    """Encoder, latent, decoder and likelihood; their parameters are one flat vector.

    The vector holds those of the encoder, the decoder, the likelihood and the latent, in that
    order. A gradient is a vector of the same layout.
    """

    encoder: Network
    decoder: Network
    likelihood: Likelihood
    latent: Latent
    n_features: int
    dtype: np.dtype[Any]

    @cached_property
    def sizes(self) -> tuple[int, int, int, int]:
        """Lengths of the four parts of the vector."""
        return (
            self.encoder.n_parameters,
            self.decoder.n_parameters,
            self.likelihood.n_parameters(self.n_features),
            self.latent.n_parameters,
        )

    @cached_property
    def _parts(self) -> tuple[slice, slice, slice, slice]:
        first, second, third, _ = self.sizes
        a, b, c = first, first + second, first + second + third
        return slice(a), slice(a, b), slice(b, c), slice(c, None)

    def split(self, vector: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return views of the four parts."""
        encoder, decoder, likelihood, latent = self._parts
        return vector[encoder], vector[decoder], vector[likelihood], vector[latent]

    def initialise(self, rng: np.random.RandomState) -> Floats:
        """Draw the networks' parameters; the other ones are zero."""
        parameters = np.zeros(sum(self.sizes), self.dtype)
        encoder, decoder, _, _ = self.split(parameters)
        self.encoder.initialise(encoder, rng)
        self.decoder.initialise(decoder, rng)
        return parameters

    def space(self, n_rows: int) -> Space:
        """Make room for a batch."""
        n_lines = n_rows * self.latent.n_samples
        n_outputs = self.decoder.widths[-1]
        return Space(
            self.encoder.space(n_rows, self.dtype),
            self.decoder.space(n_lines, self.dtype),
            self.latent.space(n_rows, self.dtype),
            np.empty(n_lines),
            np.empty((n_lines, n_outputs), self.dtype),
            np.empty((0, self.n_features), self.dtype),
            np.empty((0, n_outputs), self.dtype),
        )

    def forward(
        self, parameters: Floats, batch: Batch, beta: float, space: Space
    ) -> tuple[Terms, Floats]:
        """Compute the objective of a batch.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
        batch : Batch
        beta : float
            Factor of the divergence.
        space : Space
            Made for as many rows; holds the lines' losses afterwards.

        Returns
        -------
        terms : Terms
        head : ndarray of shape (n_rows, n_head)
            The encoder's output.
        """
        own = self.split(parameters)
        return self._forward(own, batch, beta, space, space.no_gradient, own[2])

    def _forward(
        self,
        own: tuple[Floats, Floats, Floats, Floats],
        batch: Batch,
        beta: float,
        space: Space,
        output_gradient: Floats,
        likelihood_gradient: Floats,
    ) -> tuple[Terms, Floats]:
        encoder, decoder, likelihood, latent = own
        inner = space.latent
        head = self.encoder.forward(encoder, batch.x, space.encoder)
        cost = self.latent.forward(latent, head, batch, beta, inner)
        output = self.decoder.forward(decoder, inner.z, space.decoder)
        self.likelihood.losses(
            likelihood,
            output,
            batch.x,
            inner.line_weights,
            space.losses,
            output_gradient,
            likelihood_gradient,
        )
        reconstruction = float(space.losses @ inner.line_weights)
        return Terms(reconstruction, cost, inner.divergence[0].copy()), head

    def loss_and_gradient(
        self,
        parameters: Floats,
        gradient: Floats,
        batch: Batch,
        beta: float,
        decay: Any,
        space: Space,
    ) -> Terms:
        """Compute the objective of a batch and its gradient.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
        gradient : ndarray of shape (n_parameters,)
            Receives the gradient.
        batch : Batch
        beta : float
            Factor of the divergence.
        decay : float, of the model's dtype
            The gradient also gets ``decay`` times the networks' weights.
        space : Space
            Made for as many rows.

        Returns
        -------
        terms : Terms
        """
        own = self.split(parameters)
        own_gradient = self.split(gradient)
        inner = space.latent
        terms, head = self._forward(own, batch, beta, space, space.output_gradient, own_gradient[2])
        self.decoder.backward(
            own[1],
            own_gradient[1],
            inner.z,
            space.decoder,
            space.output_gradient,
            inner.z_gradient,
            decay,
        )
        head_gradient = self.latent.backward(
            own[3], own_gradient[3], head, batch, beta, space.losses, inner
        )
        self.encoder.backward(
            own[0], own_gradient[0], batch.x, space.encoder, head_gradient, space.nothing, decay
        )
        return terms
