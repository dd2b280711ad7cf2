"""A batch's objective and gradient, cut into shards that threads share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine import Threads
from skem.vae._fused import fuse
from skem.vae._latents import Batch
from skem.vae._model import Model, Space, Terms
from skem.vae._optimisers import Optimiser
from skem.vae._rows import Rows

__all__ = ["Steps", "count_shards"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# Below this a matrix product of rows and weights loses speed.
_LEAST_ROWS = 64
# Multiplications that are worth waking a thread for: a few hundred microseconds.
_LEAST_WORK = 20_000_000
_MOST_SHARDS = 8


def count_shards(n_rows: int, n_parameters: int) -> int:
    """Say into how many shards a batch is cut; it depends on shapes alone, never on threads."""
    by_work = 3 * n_rows * n_parameters // _LEAST_WORK
    return max(1, min(by_work, n_rows // _LEAST_ROWS, _MOST_SHARDS))


@dataclass
class Steps:
    """Takes steps of an optimiser on batches of rows.

    Parameters
    ----------
    model : Model
    rows : Rows
    optimiser : Optimiser
    threads : Threads
    batch_size : int
        Largest number of rows in a batch.
    decay : float
        Factor of the networks' weights in the gradient.
    """

    model: Model
    rows: Rows
    optimiser: Optimiser
    threads: Threads
    batch_size: int
    decay: float = 0.0
    _spaces: dict[int, Space] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_parameters = sum(self.model.sizes)
        lines = self.batch_size * self.model.latent.n_samples
        self.n_shards = count_shards(lines, n_parameters)
        self._gradient = np.zeros(n_parameters, self.model.dtype)
        self._decay: Any = self.model.dtype.type(self.decay)
        self._number = np.zeros(1, np.uint64)
        self._layers = self.model.layers(each=self.n_shards > 1)
        self._fused = None
        if self.n_shards == 1:
            self._fused = fuse(self.model, self.optimiser, self.batch_size, self._decay)

    def visit(
        self, parameters: Floats, moments: Floats, order: NDArray[np.intp], step: int, betas: Array
    ) -> float:
        """Take a step on each batch of rows, in order, until a loss is not finite.

        Parameters
        ----------
        parameters, moments : ndarray
            Are changed.
        order : ndarray of shape (n_rows,)
        step : int
            Number of the last step before.
        betas : ndarray of shape (n_batches,)
            Factors of the divergence.

        Returns
        -------
        total : float
            Sum of the batches' losses, each times its number of rows.
        """
        total, at_once = 0.0, 1 if self._fused is None else self._fused.at_once
        for number in range(0, len(betas), at_once):
            a = number * self.batch_size
            chosen = order[a : a + at_once * self.batch_size]
            if self._fused is None:
                terms = self.take(parameters, moments, chosen, step + number + 1, betas[number])
                total += terms.loss * len(chosen)
            else:
                batches = self._batch(chosen, step + number)
                some = betas[number : number + at_once]
                total += self._fused.take(parameters, self._gradient, moments, batches, some)
            if not math.isfinite(total):
                break
        return total

    def _batch(self, chosen: NDArray[np.intp], step: int) -> Batch:
        self._number[0] = step
        x, keys, weights = self.rows.take(chosen)
        return Batch(x, keys, weights, self._number)

    def take(
        self,
        parameters: Floats,
        moments: Floats,
        chosen: NDArray[np.intp],
        step: int,
        beta: float,
    ) -> Terms:
        """Take step number ``step`` (1, 2, ...) in place, on the rows that were chosen.

        Returns
        -------
        terms : Terms
            Means over the batch, before the step.
        """
        n_rows, model = len(chosen), self.model
        rows = self._batch(chosen, step)
        batch = rows._replace(weights=rows.weights / n_rows)
        space = self._spaces.get(n_rows)
        if space is None:
            space = self._spaces[n_rows] = model.space(n_rows, self.n_shards)

        def carry_back(number: int, nothing: None) -> Terms:
            return model.carry_back(parameters, batch, beta, space, number)

        def update(number: int, nothing: None) -> int:
            layers = self._layers[number]
            model.differentiate(parameters, self._gradient, batch, self._decay, space, layers)
            self._update(parameters, moments, layers.place, step)
            return 0

        terms: Terms = self._share(carry_back, Terms.__add__, len(space.parts))
        model.sum_own(self._gradient, space)
        self._share(update, int.__add__, len(self._layers))
        self._update_own(parameters, moments, step)
        return terms

    def _share(self, visit: Callable[[int, None], Any], add: Any, n_tasks: int) -> Any:
        """Add up what tasks return, shared among threads where it is worth it."""
        if self.n_shards > 1:
            return self.threads.fold_in_order(visit, add, n_tasks, _no_space)
        total = visit(0, None)
        for number in range(1, n_tasks):
            total = add(total, visit(number, None))
        return total

    def _update(self, parameters: Floats, moments: Floats, place: slice, step: int) -> None:
        self.optimiser.update(parameters[place], self._gradient[place], moments[:, place], step)

    def _update_own(self, parameters: Floats, moments: Floats, step: int) -> None:
        """Update the parameters of likelihood and latent, each in its own way."""
        model = self.model
        _, _, likelihood, latent = model.split(parameters)
        _, _, at_likelihood, at_latent = model.split(self._gradient)
        if len(likelihood):
            model.likelihood.absorb(likelihood, at_likelihood, model.n_features)
        if not model.latent.optimised:
            model.latent.absorb(latent, at_latent)
        elif len(latent):
            self._update(parameters, moments, slice(-len(latent), None), step)


def _no_space() -> None:
    return None
