"""How the components of a family meet the rows of a tile.

A scorer holds the arrays that log densities are computed from, writes the scores of a tile, and
adds up the tile's statistics in the form that suits it. Families make scorers; whoever runs over
rows needs to know nothing else about them.

Every scorer has

- ``add_constants(log_weights)``: the same scorer with something added to each score;
- ``score(tile)``: fill ``tile.scores`` with log densities plus constants, in nats;
- ``zeros()``: a tuple of arrays, the sums of no rows;
- ``accumulate(tile, sums)``: add a tile's rows, weighted by ``tile.resp``, to the sums;
- ``expect(tile, sums)``: score a tile, turn scores into responsibilities, and accumulate; return
  the tile's sum of weighted log normalisers, in nats.

Sums of disjoint rows by one scorer add up array by array.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import Tile

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


class Scorer(Scores, Protocol):
    """What every scorer can do; see the module's docstring."""

    def add_constants(self, log_weights: Array) -> Scorer: ...
    def zeros(self) -> Sums: ...
    def accumulate(self, tile: Tile, sums: Sums) -> None: ...
    def expect(self, tile: Tile, sums: Sums) -> float: ...


def normalise(scorer: Scores, tile: Tile) -> float:
    """Score a tile and turn scores into responsibilities times ``1 / tile.factor``.

    Returns
    -------
    total : float
        The tile's sum of weighted log normalisers, in nats.
    """
    scorer.score(tile)
    return float(
        kernels.normalise.log_normalise(
            tile.scores,
            tile.n_rows,
            tile.weights,
            tile.mantissa,
            tile.exponent,
            tile.log_normaliser,
            tile.factor,
        )
    )


def expect_in_steps(scorer: Scorer, summer: Scorer, tile: Tile, sums: Sums) -> float:
    """Make a tile's E-step with one scorer for the scores and one for the sums."""
    total = normalise(scorer, tile)
    kernels.normalise.responsibilities(tile.scores, tile.n_rows, tile.factor, tile.resp)
    summer.accumulate(tile, sums)
    return total


@dataclass(frozen=True)
class LinearScorer:
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
        kernels.linear.linear_scores(
            tile.values,
            tile.n_rows,
            self.left,
            self.right,
            self.coefficients,
            self.constants,
            tile.chunks,
            tile.scratch,
            tile.scores,
        )

    def zeros(self) -> Sums:
        return (np.zeros(self.coefficients.shape[::-1]),)

    def accumulate(self, tile: Tile, sums: Sums) -> None:
        _add_products(tile, self.left, self.right, sums[0])

    def expect(self, tile: Tile, sums: Sums) -> float:
        rows, chunk = tile.chunks
        if len(self.left) > chunk:
            return expect_in_steps(self, self, tile, sums)
        # All products of some rows fit the cache: they serve twice.
        return float(
            kernels.linear.linear_expectation(
                tile.values,
                tile.n_rows,
                tile.weights,
                self.left,
                self.right,
                self.coefficients,
                self.constants,
                rows,
                tile.mantissa,
                tile.exponent,
                tile.scratch,
                sums[0],
            )
        )


def _add_products(tile: Tile, left: Index, right: Index, sums: Array) -> None:
    kernels.linear.linear_sums(
        tile.values, tile.n_rows, left, right, tile.resp, tile.chunks, tile.scratch, sums
    )


@dataclass(frozen=True)
class ProjectedScorer:
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
        kernels.projected.projected_scores(
            tile.values,
            tile.n_rows,
            self.projection,
            self.centres,
            self.constants,
            tile.projected_rows,
            tile.scratch,
            tile.scores,
        )

    def zeros(self) -> Sums:
        n_components, n_features = self.centres.shape
        return np.zeros((n_features + 1, n_components)), np.zeros((n_features, n_features))

    def accumulate(self, tile: Tile, sums: Sums) -> None:
        first, second = sums
        _add_products(tile, *self._lines(), first)
        kernels.projected.shared_second_moment(
            tile.values, tile.n_rows, tile.resp, tile.projected_rows, tile.scratch, second
        )

    def expect(self, tile: Tile, sums: Sums) -> float:
        return float(
            kernels.projected.projected_expectation(
                tile.values,
                tile.n_rows,
                tile.weights,
                self.projection,
                self.centres,
                self.constants,
                *self._lines(),
                tile.projected_rows,
                tile.chunks,
                tile.mantissa,
                tile.exponent,
                tile.log_normaliser,
                tile.factor,
                tile.scratch,
                tile.scores,
                tile.resp,
                *sums,
            )
        )

    def _lines(self) -> tuple[Index, Index]:
        """Features and the ones, each to be multiplied by the ones."""
        lines = np.arange(self.centres.shape[1] + 1)
        return lines, np.full_like(lines, len(lines) - 1)


@dataclass(frozen=True)
class CentredScorer:
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
            tile.scratch,
            tile.scores,
        )

    def zeros(self) -> Sums:
        return (
            np.zeros_like(self.constants),
            np.zeros_like(self.centres),
            np.zeros_like(self.factors),
        )

    def accumulate(self, tile: Tile, sums: Sums) -> None:
        kernels.centred.centred_sums(
            tile.values, tile.n_rows, self.centres, tile.resp, tile.scratch, *sums
        )

    def expect(self, tile: Tile, sums: Sums) -> float:
        return expect_in_steps(self, self, tile, sums)


@dataclass(frozen=True)
class CentredDiagonalScorer:
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

    def zeros(self) -> Sums:
        return (
            np.zeros_like(self.constants),
            np.zeros_like(self.centres),
            np.zeros_like(self.precisions),
        )

    def accumulate(self, tile: Tile, sums: Sums) -> None:
        kernels.centred.centred_diagonal_sums(
            tile.values, tile.n_rows, self.centres, tile.resp, *sums
        )

    def expect(self, tile: Tile, sums: Sums) -> float:
        return expect_in_steps(self, self, tile, sums)
