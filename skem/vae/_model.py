"""An autoencoder as plain data, and its objective with the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.vae._contract import Likelihood
from skem.vae._latents import Batch, Latent, LatentSpace
from skem.vae._networks import Network

__all__ = ["Layers", "Model", "Space", "Terms"]

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


class Layers(NamedTuple):
    """Some layers of a network, as a task."""

    network: int  # 0: the encoder, 1: the decoder
    layers: slice
    place: slice  # of their parameters in the model's vector


class Part(NamedTuple):
    """Rows of a batch that one thread works on, and what nobody else writes to."""

    rows: slice
    lines: slice  # of the decoder
    latent: LatentSpace
    likelihood_gradient: Floats
    latent_gradient: Floats


class Space(NamedTuple):
    """The arrays that one batch of a known number of rows is computed in."""

    encoder: Floats
    decoder: Floats
    z: Floats  # (n_lines, n_inputs): the parts' codes, one after the other
    head_gradient: Floats  # (n_rows, n_head)
    losses: Array  # (n_lines,)
    output_gradient: Floats  # (n_lines, n_outputs)
    nothing: Floats  # (0, n_features): no gradient is wanted at the rows
    no_gradient: Floats  # (0, n_outputs)
    parts: tuple[Part, ...]

    def some(self, batch: Batch, part: Part) -> Batch:
        """Return a part's rows."""
        return batch if len(self.parts) == 1 else batch.some(part.rows)


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

    def layers(self, *, each: bool) -> list[Layers]:
        """Return both networks as tasks: all layers at once, or each by itself, largest first."""
        if not each:
            return [
                Layers(number, slice(0, network.n_layers), place)
                for number, (network, place) in enumerate(
                    zip((self.encoder, self.decoder), self._parts, strict=False)
                )
            ]
        found, end = [], 0
        for number, network in enumerate((self.encoder, self.decoder)):
            for layer, (n_in, n_out) in enumerate(pairwise(network.widths)):
                place = slice(end, end + (n_in + 1) * n_out)
                found.append(Layers(number, slice(layer, layer + 1), place))
                end = place.stop
        return sorted(found, key=lambda task: task.place.start - task.place.stop)

    def initialise(self, rng: np.random.RandomState) -> Floats:
        """Draw the networks' parameters; the other ones are zero."""
        parameters = np.zeros(sum(self.sizes), self.dtype)
        encoder, decoder, _, _ = self.split(parameters)
        self.encoder.initialise(encoder, rng)
        self.decoder.initialise(decoder, rng)
        return parameters

    def space(self, n_rows: int, n_parts: int = 1) -> Space:
        """Make room for a batch that is cut into parts."""
        n_samples, n_outputs = self.latent.n_samples, self.decoder.widths[-1]
        n_lines, size = n_rows * n_samples, -(-n_rows // n_parts)
        parts = []
        for a in range(0, n_rows, size):
            b = min(a + size, n_rows)
            parts.append(
                Part(
                    slice(a, b),
                    slice(a * n_samples, b * n_samples),
                    self.latent.space(b - a, self.dtype),
                    np.zeros(self.sizes[2], self.dtype),
                    np.zeros(self.sizes[3], self.dtype),
                )
            )
        one = len(parts) == 1
        z = parts[0].latent.z if one else np.empty((n_lines, self.latent.n_inputs), self.dtype)
        return Space(
            self.encoder.space(n_rows, self.dtype),
            self.decoder.space(n_lines, self.dtype),
            z,
            np.empty((n_rows, self.latent.n_head), self.dtype),
            np.empty(n_lines),
            np.empty((n_lines, n_outputs), self.dtype),
            np.empty((0, self.n_features), self.dtype),
            np.empty((0, n_outputs), self.dtype),
            tuple(parts),
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
            Made for as many rows, in one part; holds the lines' losses afterwards.

        Returns
        -------
        terms : Terms
        head : ndarray of shape (n_rows, n_head)
            The encoder's output.
        """
        own = self.split(parameters)
        return self._forward(own, batch, beta, space, space.parts[0], space.no_gradient)

    def _forward(
        self,
        own: tuple[Floats, Floats, Floats, Floats],
        batch: Batch,
        beta: float,
        space: Space,
        part: Part,
        output_gradient: Floats,
    ) -> tuple[Terms, Floats]:
        encoder, decoder, likelihood, latent = own
        inner, some = part.latent, space.some(batch, part)
        head = self.encoder.forward(encoder, batch.x, space.encoder, part.rows)
        cost = self.latent.forward(latent, head, some, beta, inner)
        if len(space.parts) > 1:
            space.z[part.lines] = inner.z
        output = self.decoder.forward(decoder, space.z, space.decoder, part.lines)
        losses = space.losses[part.lines]
        self.likelihood.losses(
            likelihood,
            output,
            some.x,
            inner.line_weights,
            losses,
            output_gradient,
            part.likelihood_gradient,
        )
        reconstruction = float(losses @ inner.line_weights)
        return Terms(reconstruction, cost, inner.divergence[0].copy()), head

    def carry_back(
        self, parameters: Floats, batch: Batch, beta: float, space: Space, number: int
    ) -> Terms:
        """Compute the objective of one part of a batch, and its gradient at all layers' values.

        The gradients at the parameters of likelihood and latent are left in the part.
        """
        own, part = self.split(parameters), space.parts[number]
        at_output = space.output_gradient
        terms, head = self._forward(own, batch, beta, space, part, at_output[part.lines])
        inner = part.latent
        self.decoder.backward(own[1], space.decoder, at_output, inner.z_gradient, part.lines)
        space.head_gradient[part.rows] = self.latent.backward(
            own[3],
            part.latent_gradient,
            head,
            space.some(batch, part),
            beta,
            space.losses[part.lines],
            inner,
        )
        self.encoder.backward(own[0], space.encoder, space.head_gradient, space.nothing, part.rows)
        return terms

    def differentiate(
        self,
        parameters: Floats,
        gradient: Floats,
        batch: Batch,
        decay: Any,
        space: Space,
        layers: Layers,
    ) -> None:
        """Write the gradient at the parameters of some layers, after `carry_back` of all parts."""
        own, at_own = self.split(parameters), self.split(gradient)
        if layers.network == 0:
            network, x, within, flow = self.encoder, batch.x, space.encoder, space.head_gradient
        else:
            network, x, within, flow = self.decoder, space.z, space.decoder, space.output_gradient
        network.gradients(
            own[layers.network], at_own[layers.network], x, within, flow, decay, layers.layers
        )

    def sum_own(self, gradient: Floats, space: Space) -> None:
        """Write the gradient at the parameters of likelihood and latent: the sum of the parts'."""
        _, _, likelihood, latent = self.split(gradient)
        first, *others = space.parts
        likelihood[:], latent[:] = first.likelihood_gradient, first.latent_gradient
        for part in others:
            likelihood += part.likelihood_gradient
            latent += part.latent_gradient

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
            Made for as many rows, in one part.

        Returns
        -------
        terms : Terms
        """
        terms = self.carry_back(parameters, batch, beta, space, 0)
        for layers in self.layers(each=False):
            self.differentiate(parameters, gradient, batch, decay, space, layers)
        self.sum_own(gradient, space)
        return terms
