"""How the components of a family meet the rows of a tile.

A scorer holds the arrays that log densities are computed from, writes the scores of a tile, and
adds up the tile's statistics in the form that suits it. Families make scorers; whoever runs over
rows needs to know nothing else about them.

Every scorer has

- ``add_constants(log_weights)``: the same scorer with something added to each score;
- ``hardened()``: the same scorer, whose responsibilities are 0 and 1: each row is wholly the
  component's of its highest score, the first of equals, and that score is its log normaliser;
- ``score(tile)``: fill ``tile.scores`` with log densities plus constants, in nats;
- ``normalise(tile)``: score a tile and turn scores into responsibilities times
  ``1 / tile.factor``; return the tile's sum of weighted log normalisers, in nats;
- ``zeros()``: a tuple of arrays, the sums of no rows;
- ``accumulate(tile, sums)``: add a tile's rows, weighted by ``tile.resp``, to the sums;
- ``expect(tile, sums)``: score a tile, turn scores into responsibilities, and accumulate; return
  what ``normalise`` returns. What it leaves in the tile is of no use.

Sums of disjoint rows by one scorer add up array by array.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import Tile
from skem.kernels.steps import HARDEN, NORMALISE, SCORE, SUM

__all__ = [
    "CentredDiagonalScorer",
    "CentredScorer",
    "LinearScorer",
    "ProjectedScorer",
    "Scorer",
    "Scores",
    "Sums",
    "expect_in_steps",
    "normalise",
]

Array: TypeAlias = NDArray[np.float64]
Index: TypeAlias = NDArray[np.int64]
Sums: TypeAlias = tuple[Array, ...]


class Scores(Protocol):
    """What can score the rows of a tile."""

    def score(self, tile: Tile) -> None: ...
    def normalise(self, tile: Tile) -> float: ...


class Scorer(Scores, Protocol):
    """What every scorer can do; see the module's docstring."""

    def add_constants(self, log_weights: Array) -> Scorer: ...
    def hardened(self) -> Scorer: ...
    def zeros(self) -> Sums: ...
    def accumulate(self, tile: Tile, sums: Sums) -> None: ...
    def expect(self, tile: Tile, sums: Sums) -> float: ...


def normalise(scorer: Scores, tile: Tile, *, hard: bool = False) -> float:
    """Score and normalise a tile by a scorer that can but score; returns what its method does."""
    scorer.score(tile)
    return float(
        kernels.normalise.log_normalise(
            tile.scores,
            tile.n_rows,
            tile.weights,
            tile.power,
            tile.power_bits,
            tile.log_normaliser,
            tile.factor,
            hard,
        )
    )


def expect_in_steps(scorer: Scorer, summer: Scorer, tile: Tile, sums: Sums) -> float:
    """Make a tile's E-step with one scorer for the scores and one for the sums."""
    total = scorer.normalise(tile)
    kernels.normalise.responsibilities(tile.scores, tile.n_rows, tile.factor, tile.resp)
    summer.accumulate(tile, sums)
    return total


@dataclass(frozen=True)
class _Assigning:
    """How a scorer's rows are assigned to components: in shares, or wholly."""

    hard: bool = field(default=False, kw_only=True)

    def hardened(self) -> Self:
        return replace(self, hard=True)

    @property
    def _assign(self) -> int:
        return NORMALISE + HARDEN if self.hard else NORMALISE


@dataclass(frozen=True)
class LinearScorer(_Assigning):
    """Scores linear in products of two lines of a tile ``[z_1 .. z_D, 1, |z|^2]``.

    Sums: one array of shape (n_pairs, n_components).

    Parameters
    ----------
    left, right : ndarray of shape (n_pairs,), int64
    coefficients : ndarray of shape (n_components, n_pairs)
    constants : ndarray of shape (n_components,)
    """

    left: Index
    right: Index
    coefficients: Array
    constants: Array

    def add_constants(self, log_weights: Array) -> LinearScorer:
        return replace(self, constants=self.constants + log_weights)

    def score(self, tile: Tile) -> None:
        self._take(SCORE, tile)

    def normalise(self, tile: Tile) -> float:
        return self._take(SCORE + self._assign, tile)

    def zeros(self) -> Sums:
        return (np.zeros(self.coefficients.shape[::-1]),)

    def accumulate(self, tile: Tile, sums: Sums) -> None:
        self._take(SUM, tile, sums)

    def expect(self, tile: Tile, sums: Sums) -> float:
        return self._take(SCORE + self._assign + SUM, tile, sums)

    @cached_property
    def _by_pairs(self) -> Array:
        return np.ascontiguousarray(self.coefficients.T)

    def _take(self, steps: int, tile: Tile, sums: Sums | None = None) -> float:
        coefficients = self._by_pairs
        return float(
            kernels.linear.linear_steps(
                steps,
                tile.values,
                tile.n_rows,
                tile.weights,
                self.left,
                self.right,
                coefficients,
                self.constants,
                tile.products,
                tile.block,
                tile.block_part,
                tile.sums_part,
                tile.power,
                tile.power_bits,
                tile.scores,
                tile.log_normaliser,
                tile.factor,
                tile.resp,
                *(sums or (coefficients,)),  # without the step SUM nothing is added to it
            )
        )


@dataclass(frozen=True)
class ProjectedScorer(_Assigning):
    """Gaussians that share a covariance: ``constants + centres . y - |y|^2 / 2``, y = A z.

    Sums: ``sum r [z, 1]`` of shape (n_features + 1, n_components) and
    ``sum (sum_k r_k) z z'`` of shape (n_features, n_features).

    Parameters
    ----------
    projection : ndarray of shape (n_features, n_features)
        A, with ``A.T @ A`` the precision.
    centres : ndarray of shape (n_components, n_features)
        A times the means.
    constants : ndarray of shape (n_components,)
    """

    projection: Array
    centres: Array
    constants: Array

    def add_constants(self, log_weights: Array) -> ProjectedScorer:
        return replace(self, constants=self.constants + log_weights)

    def score(self, tile: Tile) -> None:
        self._take(SCORE, tile)

    def normalise(self, tile: Tile) -> float:
        return self._take(SCORE + self._assign, tile)

    def zeros(self) -> Sums:
        n_components, n_features = self.centres.shape
        return np.zeros((n_features + 1, n_components)), np.zeros((n_features, n_features))

    def accumulate(self, tile: Tile, sums: Sums) -> None:
        self._take(SUM, tile, sums)

    def expect(self, tile: Tile, sums: Sums) -> float:
        return self._take(SCORE + self._assign + SUM, tile, sums)

    def _take(self, steps: int, tile: Tile, sums: Sums | None = None) -> float:
        return float(
            kernels.projected.projected_steps(
                steps,
                tile.values,
                tile.n_rows,
                tile.weights,
                self.projection,
                self.centres,
                self.constants,
                tile.lines,
                tile.projected,
                tile.projected_block,
                tile.first_part,
                tile.second_part,
                tile.power,
                tile.power_bits,
                tile.scores,
                tile.log_normaliser,
                tile.factor,
                tile.resp,
                *(sums or (tile.first_part, tile.second_part)),  # only the step SUM adds
            )
        )


@dataclass(frozen=True)
class CentredScorer(_Assigning):
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

    def add_constants(self, log_weights: Array) -> CentredScorer:
        return replace(self, constants=self.constants + log_weights)

    def score(self, tile: Tile) -> None:
        kernels.centred.centred_scores(
            tile.values,
            tile.n_rows,
            self.centres,
            self.factors,
            self.constants,
            tile.lines[:-1],
            tile.projected,
            tile.scores,
        )

    def normalise(self, tile: Tile) -> float:
        return normalise(self, tile, hard=self.hard)

    def zeros(self) -> Sums:
        return (
            np.zeros_like(self.constants),
            np.zeros_like(self.centres),
            np.zeros_like(self.factors),
        )

    def accumulate(self, tile: Tile, sums: Sums) -> None:
        kernels.centred.centred_sums(
            tile.values,
            tile.n_rows,
            self.centres,
            tile.resp,
            tile.share,
            tile.lines[:-1],
            tile.projected,
            tile.second_part,
            *sums,
        )

    def expect(self, tile: Tile, sums: Sums) -> float:
        return expect_in_steps(self, self, tile, sums)


@dataclass(frozen=True)
class CentredDiagonalScorer(_Assigning):
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

    def add_constants(self, log_weights: Array) -> CentredDiagonalScorer:
        return replace(self, constants=self.constants + log_weights)

    def score(self, tile: Tile) -> None:
        kernels.centred.centred_diagonal_scores(
            tile.values, tile.n_rows, self.centres, self.precisions, self.constants, tile.scores
        )

    def normalise(self, tile: Tile) -> float:
        return normalise(self, tile, hard=self.hard)

    def zeros(self) -> Sums:
        return (
            np.zeros_like(self.constants),
            np.zeros_like(self.centres),
            np.zeros_like(self.precisions),
        )

    def accumulate(self, tile: Tile, sums: Sums) -> None:
        kernels.centred.centred_diagonal_sums(
            tile.values, tile.n_rows, self.centres, tile.resp, tile.share, *sums
        )

    def expect(self, tile: Tile, sums: Sums) -> float:
        return expect_in_steps(self, self, tile, sums)
