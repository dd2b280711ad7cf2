"""Student's t densities of the seen cells of rows.

A marginal of a multivariate t has the same degrees of freedom, and the seen block of the scale
(Kotz & Nadarajah 2004, section 1.10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skem import kernels
from skem.engine import Tile, TilePlan
from skem.scoring.gaps import DenseGaps, DiagonalGaps, MakeRoom, Room
from skem.scoring.scorer import Array, Scores, normalise
from skem.scoring.student import FeatureStudentScorer

__all__ = ["GapFeatureStudentScorer", "GapStudentScorer"]


@dataclass(frozen=True)
class GapStudentScorer:
    """Multivariate Student's t of the seen cells.

    Parameters
    ----------
    complete : Scores
        Of complete rows.
    model : DenseGaps or DiagonalGaps
        Distances that are ``2 / (rate freedom)`` times the density's own.
    constants : ndarray of shape (n_components, n_features + 1)
        By the number of seen cells, in nats.
    freedom, rates : ndarray of shape (n_components,)
    """

    complete: Scores
    model: DenseGaps | DiagonalGaps
    constants: Array
    freedom: Array
    rates: Array

    @property
    def space(self) -> Callable[[TilePlan], Room]:
        """Scratch of both kinds of tiles."""
        return MakeRoom(self.complete.space, self.model.n_matrices)

    def score(self, tile: Tile, space: Room) -> None:
        if tile.gaps is None:
            self.complete.score(tile, space.complete)
            return
        self.model.distances(tile, space)
        kernels.student.student_gap_scores(
            *tile.gaps, space.heights, self.constants, self.freedom, self.rates, tile.scores
        )

    def normalise(self, tile: Tile, space: Room) -> float:
        return normalise(self, tile, space)


@dataclass(frozen=True)
class GapFeatureStudentScorer:
    """Products over the seen cells of univariate Student's t.

    Parameters
    ----------
    complete : FeatureStudentScorer
        Of complete rows.
    heights : ndarray of shape (n_components, n_features)
        Log densities at the centre, feature by feature, in nats.
    log_weights : ndarray of shape (n_components,)
    """

    complete: FeatureStudentScorer
    heights: Array
    log_weights: Array

    @property
    def space(self) -> Callable[[TilePlan], Any]:
        """That of complete rows: none."""
        return self.complete.space

    def score(self, tile: Tile, space: Any) -> None:
        complete = self.complete
        if tile.gaps is None:
            complete.score(tile, space)
            return
        kernels.student.feature_student_gap_scores(
            tile.values,
            *tile.gaps,
            complete.centres,
            complete.rates,
            self.heights,
            self.log_weights,
            complete.powers,
            tile.scores,
        )

    def normalise(self, tile: Tile, space: Any) -> float:
        return normalise(self, tile, space)
