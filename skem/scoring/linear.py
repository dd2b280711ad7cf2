"""Scores that are linear in products of two lines of a tile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import Tile, TilePlan, aligned_arrays
from skem.kernels.arguments import LinearModel, LinearSpace
from skem.kernels.steps import SCORE, SUM
from skem.scoring.scorer import Array, Assigning, OneForm, Sums

__all__ = ["LinearScorer"]

Index: TypeAlias = NDArray[np.int64]


def _space(plan: TilePlan) -> LinearSpace:
    rows, chunk = plan.chunks
    return LinearSpace(*aligned_arrays((chunk, rows), (plan.n_components + 1, rows)))


@dataclass(frozen=True)
class LinearScorer(OneForm, Assigning):
    """Scores linear in products of two lines of a tile ``[z_1 .. z_D, 1, |z|^2]``.

    Sums: one array of shape (n_pairs, n_components).

    Parameters
    ----------
    model : LinearModel
    """

    model: LinearModel

    space = staticmethod(_space)

    @classmethod
    def of(cls, left: Index, right: Index, coefficients: Array, constants: Array) -> LinearScorer:
        """Make one of coefficients component by component, (n_components, n_pairs)."""
        by_pairs = np.ascontiguousarray(coefficients.T)
        return cls(LinearModel(left, right, by_pairs, constants))

    @property
    def constants(self) -> Array:
        """What is added to each component's scores, in nats."""
        return self.model.constants

    def add_constants(self, log_weights: Array) -> LinearScorer:
        model = self.model._replace(constants=self.model.constants + log_weights)
        return replace(self, model=model)

    def score(self, tile: Tile, space: LinearSpace) -> None:
        self._run_kernel(SCORE, tile, space)

    def normalise(self, tile: Tile, space: LinearSpace) -> float:
        return self._run_kernel(SCORE + self._assign, tile, space)

    def zeros(self) -> Sums:
        return (np.zeros(self.model.coefficients.shape),)

    def accumulate(self, tile: Tile, space: LinearSpace, sums: Sums) -> None:
        self._run_kernel(SUM, tile, space, sums)

    def expect(self, tile: Tile, space: LinearSpace, sums: Sums) -> float:
        return self._run_kernel(SCORE + self._assign + SUM, tile, space, sums)

    def _run_kernel(
        self, steps: int, tile: Tile, space: LinearSpace, sums: Sums | None = None
    ) -> float:
        model = self.model
        # Without the step SUM nothing is added to the last argument.
        added_to = model.coefficients if sums is None else sums[0]
        return float(
            kernels.linear.linear_steps(steps, tile.lines, tile.n_rows, model, space, added_to)
        )
