"""What a scorer is, and the E-step of a tile.

A scorer holds the arrays that log densities are computed from, writes the scores of a tile, and
adds up the tile's statistics in the form that suits it. Families make scorers; whoever runs over
rows needs to know nothing else about them.

Sums of disjoint rows by one scorer add up array by array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import Tile, TilePlan
from skem.kernels.steps import HARDEN, NORMALISE

__all__ = [
    "Assigning",
    "MomentScorer",
    "OneForm",
    "Scorer",
    "Scores",
    "Sums",
    "expect_tile",
    "no_space",
    "normalise",
    "responsibilities",
]

Array: TypeAlias = NDArray[np.float64]
Sums: TypeAlias = tuple[Array, ...]

# Made once: scorers are asked about which point they sum in each iteration.
_ORIGIN = np.zeros(())
_ORIGIN.setflags(write=False)


class Scores(Protocol):
    """What can score the rows of a tile."""

    @property
    def space(self) -> Callable[[TilePlan], Any]:
        """What makes the scratch arrays that the methods below take, for a plan.

        Where two scorers' scratch is of the same kind, this is the same function.
        """

    def score(self, tile: Tile, space: Any) -> None:
        """Fill ``tile.scores`` with log densities plus constants, in nats."""

    def normalise(self, tile: Tile, space: Any) -> float:
        """Score a tile, and turn scores into responsibilities times ``1 / tile.factor``.

        Returns
        -------
        total : float
            The tile's sum of weighted log normalisers, in nats.
        """


class Scorer(Scores, Protocol):
    """What can score rows and sum their statistics."""

    def add_constants(self, log_weights: Array) -> Self:
        """Return the same scorer with something added to each component's scores."""

    def with_hard_assignments(self) -> Self:
        """Return the same scorer with responsibilities of 0 and 1.

        Each row is wholly the component's of its highest score, the first of equals, and that
        score is its log normaliser.
        """

    def zeros(self) -> Sums:
        """Return the sums of no rows."""

    def accumulate(self, tile: Tile, space: Any, sums: Sums) -> None:
        """Add a tile's rows, weighted by ``tile.resp``, to the sums."""

    def expect(self, tile: Tile, space: Any, sums: Sums) -> float:
        """Score a tile, turn scores into responsibilities, and accumulate.

        Returns what `normalise` returns. What it leaves in the tile is of no use.
        """


class MomentScorer(Scorer, Protocol):
    """What sums moments of rows: Gaussian components, and those that are made of them."""

    @property
    def summed_about(self) -> Array:
        """Points about which moments of complete rows are summed: (K, D), or () for the origin."""

    def by_points(self, sums: Sums) -> tuple[tuple[Array, Sums], ...]:
        """Take sums of moments apart by the points that they are about.

        Returns
        -------
        moments : tuple of (points, sums)
            Points as in `summed_about`. Together they are of all rows.
        """

    def with_summer(self, summer: MomentScorer) -> MomentScorer:
        """Return what sums complete rows as ``summer`` does, and others as before."""


def no_space(plan: TilePlan) -> tuple[()]:
    """Make the scratch of a scorer that needs none."""
    return ()


def normalise(scorer: Scores, tile: Tile, space: Any, *, hard: bool = False) -> float:
    """Score and normalise a tile by a scorer that can but score; returns what its method does."""
    scorer.score(tile, space)
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


def responsibilities(tile: Tile) -> None:
    """Fill ``tile.resp`` from scores that have been normalised."""
    kernels.normalise.responsibilities(tile.scores, tile.n_rows, tile.factor, tile.resp)


def expect_tile(
    scorer: Scorer, summer: Scorer, tile: Tile, spaces: tuple[Any, Any], sums: Sums
) -> float:
    """Make a tile's E-step with one scorer for the scores and one for the sums.

    Parameters
    ----------
    scorer, summer : Scorer
        They may be the same, which is faster.
    tile : Tile
    spaces : tuple
        The scratch of both.
    sums : tuple of ndarray
        The tile's sums are added.

    Returns
    -------
    total : float
        The tile's sum of weighted log normalisers, in nats.
    """
    if summer is scorer:
        return scorer.expect(tile, spaces[0], sums)
    total = scorer.normalise(tile, spaces[0])
    responsibilities(tile)
    summer.accumulate(tile, spaces[1], sums)
    return total


class OneForm:
    """A scorer that sums all rows alike, about the origin if nothing else is said."""

    @property
    def summed_about(self) -> Array:
        return _ORIGIN

    def by_points(self, sums: Sums) -> tuple[tuple[Array, Sums], ...]:
        return ((self.summed_about, sums),)

    def with_summer(self, summer: MomentScorer) -> MomentScorer:
        return summer


@dataclass(frozen=True)
class Assigning:
    """How a scorer's rows are assigned to components: in shares, or wholly."""

    hard: bool = field(default=False, kw_only=True)

    def with_hard_assignments(self) -> Self:
        """Return the same scorer with responsibilities of 0 and 1."""
        return replace(self, hard=True)

    @property
    def _assign(self) -> int:
        return NORMALISE + HARDEN if self.hard else NORMALISE
