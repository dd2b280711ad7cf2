"""Scores of Gaussians that share a covariance, from projected rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

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
    projection : ndarray of shape (n_features, n_features)
        A, upper triangular, with ``A @ A.T`` the precision.
    centres : ndarray of shape (n_components, n_features)
        A' times the means.
    constants : ndarray of shape (n_components,)
    """

    projection: Array
    centres: Array
    constants: Array

    space = staticmethod(_space)

    def add_constants(self, log_weights: Array) -> ProjectedScorer:
        return replace(self, constants=self.constants + log_weights)

    def score(self, tile: Tile, space: ProjectedSpace) -> None:
        self._run_kernel(SCORE, tile, space)

    def normalise(self, tile: Tile, space: ProjectedSpace) -> float:
        return self._run_kernel(SCORE + self._assign, tile, space)

    def zeros(self) -> Sums:
        n_components, n_features = self.centres.shape
        return np.zeros((n_features + 1, n_components)), np.zeros((n_features, n_features))

    def accumulate(self, tile: Tile, space: ProjectedSpace, sums: Sums) -> None:
        self._run_kernel(SUM, tile, space, sums)

    def expect(self, tile: Tile, space: ProjectedSpace, sums: Sums) -> float:
        return self._run_kernel(SCORE + self._assign + SUM, tile, space, sums)

    @cached_property
    def _model(self) -> ProjectedModel:
        by_features = np.ascontiguousarray(self.centres.T)
        return ProjectedModel(self.projection, by_features, self.constants)

    def _run_kernel(
        self, steps: int, tile: Tile, space: ProjectedSpace, sums: Sums | None = None
    ) -> float:
        # Without the step SUM nothing is added to the last arguments.
        model = self._model
        first, second = sums or (model.centres, model.projection)
        return float(
            kernels.projected.projected_steps(
                steps, tile.lines, tile.n_rows, model, space, first, second
            )
        )
