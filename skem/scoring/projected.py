"""Scores of Gaussians that share a covariance, from projected rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skem import kernels
from skem.engine import Tile, TilePlan, aligned_arrays
from skem.kernels.arguments import ProjectedModel, ProjectedSpace
from skem.kernels.steps import SCORE, SUM
from skem.scoring.scorer import Array, Assigning, OneForm, Sums

__all__ = ["ProjectedScorer"]


def _space(plan: TilePlan) -> ProjectedSpace:
    d, k, rows = plan.n_features, plan.n_components, plan.projected_rows
    return ProjectedSpace(*aligned_arrays((d + 1, rows), (k + 1, rows), (rows,)))


@dataclass(frozen=True)
class ProjectedScorer(OneForm, Assigning):
    """Gaussians that share a covariance: ``constants + centres . y - |y|^2 / 2``, y = A' z.

    Sums: ``sum r [z, 1]`` of shape (n_features + 1, n_components) and
    ``sum (sum_k r_k) z z'`` of shape (n_features, n_features).

    Parameters
    ----------
    model : ProjectedModel
        Of A and A' times the means, with ``A @ A.T`` the precision.
    """

    model: ProjectedModel

    space = staticmethod(_space)

    def add_constants(self, log_weights: Array) -> ProjectedScorer:
        model = self.model._replace(constants=self.model.constants + log_weights)
        return replace(self, model=model)

    def score(self, tile: Tile, space: ProjectedSpace) -> None:
        self._run_kernel(SCORE, tile, space)

    def normalise(self, tile: Tile, space: ProjectedSpace) -> float:
        return self._run_kernel(SCORE + self._assign, tile, space)

    def zeros(self) -> Sums:
        n_features, n_components = self.model.centres.shape
        return np.zeros((n_features + 1, n_components)), np.zeros((n_features, n_features))

    def accumulate(self, tile: Tile, space: ProjectedSpace, sums: Sums) -> None:
        self._run_kernel(SUM, tile, space, sums)

    def expect(self, tile: Tile, space: ProjectedSpace, sums: Sums) -> float:
        return self._run_kernel(SCORE + self._assign + SUM, tile, space, sums)

    def _run_kernel(
        self, steps: int, tile: Tile, space: ProjectedSpace, sums: Sums | None = None
    ) -> float:
        # Without the step SUM nothing is added to the last arguments.
        model = self.model
        first, second = sums or (model.centres, model.projection)
        return float(
            kernels.projected.projected_steps(
                steps, tile.lines, tile.n_rows, model, space, first, second
            )
        )
