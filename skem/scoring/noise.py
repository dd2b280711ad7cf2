"""One more component of constant density, after those of any scorer.

Sums: an array of shape (2,), then those of the other scorer. The first has the noise's summed
responsibilities, and these times its log densities, in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skem.engine import Tile, TilePlan
from skem.scoring.scorer import Array, Assigning, Scorer, Sums, normalise, responsibilities

__all__ = ["NoiseScorer"]


@dataclass(frozen=True)
class MakeWithoutNoise:
    """Makes the scratch of the other components' scorer."""

    make: Callable[[TilePlan], Any]

    def __call__(self, plan: TilePlan) -> Any:
        return self.make(replace(plan, n_components=plan.n_components - 1))


@dataclass(frozen=True)
class NoiseScorer(Assigning):
    """Components and, as the last one, noise: as dense everywhere as in a box.

    Parameters
    ----------
    components : Scorer
        Of the other components. What can but score will do for scoring.
    log_weight : float
        Of the noise.
    log_widths : ndarray of shape (n_features,)
        Logarithms of the box's widths. A row's density is that of its seen cells.
    """

    components: Scorer
    log_weight: float
    log_widths: Array

    @property
    def space(self) -> Callable[[TilePlan], Any]:
        """That of the other components."""
        return MakeWithoutNoise(self.components.space)

    def add_constants(self, log_weights: Array) -> NoiseScorer:
        components = self.components.add_constants(log_weights[:-1])
        return replace(
            self, components=components, log_weight=self.log_weight + float(log_weights[-1])
        )

    def score(self, tile: Tile, space: Any) -> None:
        self.components.score(_others(tile), space)
        tile.scores[-1, : tile.n_rows] = self.log_weight + self._log_density(tile)

    def normalise(self, tile: Tile, space: Any) -> float:
        return normalise(self, tile, space, hard=self.hard)

    def zeros(self) -> Sums:
        return (np.zeros(2), *self.components.zeros())

    def accumulate(self, tile: Tile, space: Any, sums: Sums) -> None:
        others, n = _others(tile), tile.n_rows
        others.resp[:n] = tile.resp[:n, :-1]
        noise = tile.resp[:n, -1]
        sums[0][:] += noise.sum(), (noise * self._log_density(tile)).sum()
        self.components.accumulate(others, space, sums[1:])

    def expect(self, tile: Tile, space: Any, sums: Sums) -> float:
        total = self.normalise(tile, space)
        responsibilities(tile)
        self.accumulate(tile, space, sums)
        return total

    def expected_scales(self, tile: Tile, space: Any, out: Array) -> None:
        """Write each row's expected latent scale to ``out``: noise has none, and counts as 0."""
        self.normalise(tile, space)
        responsibilities(tile)
        n = tile.n_rows
        np.einsum("nk,kn->n", tile.resp[:n, :-1], space.scales[:, :n], out=out)
        out /= tile.weights[:n]

    def _log_density(self, tile: Tile) -> Array:
        """Log density of each row, or of all: (n_rows,) or ()."""
        if tile.gaps is None:
            return np.asarray(-self.log_widths.sum())
        first, missing = tile.gaps
        return np.repeat(-(~missing @ self.log_widths), np.diff(first))


def _others(tile: Tile) -> Tile:
    """Return the tile of the components before the last."""
    return tile.of_components(len(tile.scores) - 1)
