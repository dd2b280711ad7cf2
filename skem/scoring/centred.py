"""Scores and sums about the components' own means, where packed forms would lose digits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skem import kernels
from skem.engine import Tile, TilePlan, aligned
from skem.kernels.arguments import CentredSpace
from skem.scoring.scorer import Array, Assigning, OneForm, Sums, normalise, responsibilities

__all__ = ["CentredDiagonalScorer", "CentredScorer"]


def _space(plan: TilePlan) -> CentredSpace:
    d, rows = plan.n_features, plan.projected_rows
    return CentredSpace(aligned(d, rows), aligned(d, rows), aligned(d, d), aligned(rows))


def _share(plan: TilePlan) -> Array:
    return aligned(plan.projected_rows)


@dataclass(frozen=True)
class CentredScorer(OneForm, Assigning):
    """Gaussians scored and summed about their own means.

    Sums: weight (K,), first (K, D) and second (K, D, D) moments about `centres`.

    Parameters
    ----------
    centres : ndarray of shape (n_components, n_features)
    factors : ndarray of shape (n_components, n_features, n_features)
        ``factor.T @ factor`` is a component's precision.
    constants : ndarray of shape (n_components,)
    """

    centres: Array
    factors: Array
    constants: Array

    space = staticmethod(_space)

    @property
    def summed_about(self) -> Array:
        """The centres."""
        return self.centres

    def add_constants(self, log_weights: Array) -> CentredScorer:
        return replace(self, constants=self.constants + log_weights)

    def score(self, tile: Tile, space: CentredSpace) -> None:
        kernels.centred.centred_scores(
            tile.values,
            tile.n_rows,
            self.centres,
            self.factors,
            self.constants,
            space,
            tile.scores,
        )

    def normalise(self, tile: Tile, space: CentredSpace) -> float:
        return normalise(self, tile, space, hard=self.hard)

    def zeros(self) -> Sums:
        return (
            np.zeros(self.constants.shape),
            np.zeros(self.centres.shape),
            np.zeros(self.factors.shape),
        )

    def accumulate(self, tile: Tile, space: CentredSpace, sums: Sums) -> None:
        kernels.centred.centred_sums(
            tile.values, tile.n_rows, self.centres, tile.resp, space, *sums
        )

    def expect(self, tile: Tile, space: CentredSpace, sums: Sums) -> float:
        total = self.normalise(tile, space)
        responsibilities(tile)
        self.accumulate(tile, space, sums)
        return total


@dataclass(frozen=True)
class CentredDiagonalScorer(OneForm, Assigning):
    """Gaussians with diagonal precisions, scored and summed about their own means.

    Sums: weight (K,), first (K, D) and squared (K, D) moments about `centres`.

    Parameters
    ----------
    centres, precisions : ndarray of shape (n_components, n_features)
    constants : ndarray of shape (n_components,)
    """

    centres: Array
    precisions: Array
    constants: Array

    space = staticmethod(_share)

    @property
    def summed_about(self) -> Array:
        """The centres."""
        return self.centres

    def add_constants(self, log_weights: Array) -> CentredDiagonalScorer:
        return replace(self, constants=self.constants + log_weights)

    def score(self, tile: Tile, space: Array) -> None:
        kernels.centred.centred_diagonal_scores(
            tile.values, tile.n_rows, self.centres, self.precisions, self.constants, tile.scores
        )

    def normalise(self, tile: Tile, space: Array) -> float:
        return normalise(self, tile, space, hard=self.hard)

    def zeros(self) -> Sums:
        return (
            np.zeros(self.constants.shape),
            np.zeros(self.centres.shape),
            np.zeros(self.precisions.shape),
        )

    def accumulate(self, tile: Tile, space: Array, sums: Sums) -> None:
        kernels.centred.centred_diagonal_sums(
            tile.values, tile.n_rows, self.centres, tile.resp, space, *sums
        )

    def expect(self, tile: Tile, space: Array, sums: Sums) -> float:
        total = self.normalise(tile, space)
        responsibilities(tile)
        self.accumulate(tile, space, sums)
        return total
