"""A batch's objective and gradient, cut into shards that threads share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine import Threads
from skem.vae._latents import Batch
from skem.vae._model import Model, Space, Terms
from skem.vae._optimisers import Optimiser
from skem.vae._rows import Rows

__all__ = ["Steps", "count_shards"]

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
    _spaces: dict[tuple[int, int], Space] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_parameters = sum(self.model.sizes)
        lines = self.batch_size * self.model.latent.n_samples
        self.n_shards = count_shards(lines, n_parameters)
        self._gradients = np.zeros((self.n_shards, n_parameters), self.model.dtype)
        self._own_gradients = self.model.split(self._gradients[0])
        self._decay = self.model.dtype.type(self.decay)
        self._number = np.zeros(1, np.uint64)

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
        self._number[0] = step
        if self.n_shards == 1:
            terms = self._gradient(0, chosen, parameters, beta, len(chosen))
        else:
            terms = self._share(chosen, parameters, beta)
        # What has an update of its own, not the optimiser's.
        latent, likelihood = self.model.latent, self.model.likelihood
        own, gradients = self.model.split(parameters), self._own_gradients
        if len(own[2]):
            likelihood.absorb(own[2], gradients[2], self.model.n_features)
            gradients[2][:] = 0.0
        n_moved = len(parameters)
        if not latent.optimised:
            latent.absorb(own[3], gradients[3])
            n_moved -= latent.n_parameters
        self._update(parameters[:n_moved], moments, step)
        return terms

    def _share(self, chosen: NDArray[np.intp], parameters: Floats, beta: float) -> Terms:
        """Compute the shards' gradients, shared among threads."""
        size = -(-len(chosen) // self.n_shards)
        parts = [chosen[a : a + size] for a in range(0, len(chosen), size)]

        def visit(shard: int, space: None) -> Terms:
            return self._gradient(shard, parts[shard], parameters, beta, len(chosen))

        terms = self.threads.fold_in_order(visit, Terms.__add__, len(parts), _no_space)
        networks = sum(self.model.sizes[:2])
        for other in range(1, len(parts)):
            self._gradients[0, networks:] += self._gradients[other, networks:]
            self._gradients[other, networks:] = 0.0
        self._gradients[len(parts) :] = 0.0
        return terms

    def _update(self, moved: Floats, moments: Floats, step: int) -> None:
        """Sum the shards' gradients and take the optimiser's step, shared among threads."""
        if self.n_shards == 1:
            self.optimiser.update(
                moved, self._gradients[0, : len(moved)], moments[:, : len(moved)], step
            )
            return
        share = -(-len(moved) // self.n_shards)

        def update(shard: int, space: None) -> int:
            here = slice(shard * share, min((shard + 1) * share, len(moved)))
            total = self._gradients[0, here]
            for other in range(1, self.n_shards):
                total += self._gradients[other, here]
            self.optimiser.update(moved[here], total, moments[:, here], step)
            return 0

        self.threads.fold_in_order(update, int.__add__, self.n_shards, _no_space)

    def _gradient(
        self,
        shard: int,
        chosen: NDArray[np.intp],
        parameters: Floats,
        beta: float,
        n_rows: int,
    ) -> Terms:
        x, keys, weights = self.rows.take(chosen)
        batch = Batch(x, keys, weights / n_rows, self._number)
        space = self._spaces.get((shard, len(chosen)))
        if space is None:
            space = self._spaces[shard, len(chosen)] = self.model.space(len(chosen))
        # The penalty is one for the whole batch: the first shard's.
        decay: Any = self._decay if shard == 0 else self._decay * 0
        return self.model.loss_and_gradient(
            parameters, self._gradients[shard], batch, beta, decay, space
        )


def _no_space() -> None:
    return None
