"""Scores and sums about the components' own means, where packed forms would lose digits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from skem import kernels
from skem.engine import Tile, TilePlan, aligned
from skem.kernels.arguments import CentredModel, CentredSpace
from skem.kernels.steps import SCORE, SUM
from skem.scoring.scorer import Array, Assigning, OneForm, Sums

__all__ = ["CentredDiagonalScorer", "CentredScorer"]


def _space(plan: TilePlan) -> CentredSpace:
    d, rows = plan.n_features, plan.projected_rows
    return CentredSpace(aligned(d, rows), aligned(d, rows), aligned(d, d), _block(plan))


def _block(plan: TilePlan) -> Array:
    return aligned(plan.n_components, plan.projected_rows)


@dataclass(frozen=True)
class _Centred(OneForm, Assigning):
    """What both forms have in common."""

    centres: Array
    factors: Array
    constants: Array

    @property
    @abstractmethod
    def _kernel(self) -> Callable[..., float]:
        """The kernel that takes the steps."""

    @property
    def summed_about(self) -> Array:
        """The centres."""
        return self.centres

    def add_constants(self, log_weights: Array) -> Self:
        return replace(self, constants=self.constants + log_weights)

    def score(self, tile: Tile, space: Any) -> None:
        self._run_kernel(SCORE, tile, space)

    def normalise(self, tile: Tile, space: Any) -> float:
        return self._run_kernel(SCORE + self._assign, tile, space)

    def zeros(self) -> Sums:
        return (
            np.zeros(self.constants.shape),
            np.zeros(self.centres.shape),
            np.zeros(self.factors.shape),
        )

    def accumulate(self, tile: Tile, space: Any, sums: Sums) -> None:
        self._run_kernel(SUM, tile, space, sums)

    def expect(self, tile: Tile, space: Any, sums: Sums) -> float:
        return self._run_kernel(SCORE + self._assign + SUM, tile, space, sums)

    def _run_kernel(self, steps: int, tile: Tile, space: Any, sums: Sums | None = None) -> float:
        model = CentredModel(self.centres, self.factors, self.constants)
        # Without the step SUM nothing is added to the last arguments.
        added_to = sums or self.zeros()
        return float(self._kernel(steps, tile.lines, tile.n_rows, model, space, *added_to))


@dataclass(frozen=True)
class CentredScorer(_Centred):
    """Gaussians scored and summed about their own means.

    Sums: weight (K,), first (K, D) and second (K, D, D) moments about `centres`.

    Parameters
    ----------
    centres : ndarray of shape (n_components, n_features)
    factors : ndarray of shape (n_components, n_features, n_features)
        ``factor.T @ factor`` is a component's precision.
    constants : ndarray of shape (n_components,)
    """

    space = staticmethod(_space)

    @property
    def _kernel(self) -> Callable[..., float]:
        kernel: Callable[..., float] = kernels.centred.centred_steps
        return kernel


@dataclass(frozen=True)
class CentredDiagonalScorer(_Centred):
    """Gaussians with diagonal precisions, scored and summed about their own means.

    Sums: weight (K,), first (K, D) and squared (K, D) moments about `centres`.

    Parameters
    ----------
    centres : ndarray of shape (n_components, n_features)
    factors : ndarray of shape (n_components, n_features)
        The precisions.
    constants : ndarray of shape (n_components,)
    """

    space = staticmethod(_block)

    @property
    def _kernel(self) -> Callable[..., float]:
        kernel: Callable[..., float] = kernels.centred.centred_diagonal_steps
        return kernel
