"""Scores by Student's t densities. Sums of statistics belong to the E-step of other scorers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from skem import kernels
from skem.engine import Tile, TilePlan
from skem.scoring.scorer import Array, Scorer, no_space, normalise

__all__ = ["FeatureStudentScorer", "StudentScorer", "log_t_height"]


def log_t_height(freedom: Array, dimension: int | NDArray[np.intp]) -> Array:
    """Log density of a t distribution of unit width at its centre (Bishop 2006, B.68)."""
    # By the beta function: a difference of log gammas would lose all digits of large freedoms.
    result: Array = gammaln(0.5 * dimension) - betaln(0.5 * freedom, 0.5 * dimension)
    return result - 0.5 * dimension * np.log(freedom * np.pi)


@dataclass(frozen=True)
class StudentScorer:
    """Multivariate Student's t: ``constant - power log(1 + rate |distance|^2 / 2)``.

    Parameters
    ----------
    distances : Scorer
        Scores minus half the squared distances from the centres.
    constants, powers, rates : ndarray of shape (n_components,)
    """

    distances: Scorer
    constants: Array
    powers: Array
    rates: Array

    @classmethod
    def make(
        cls, distances: Scorer, stretch: Array, freedom: Array, constants: Array, dimension: int
    ) -> StudentScorer:
        """Make it for squared distances that are ``stretch`` times the density's own."""
        return cls(
            distances,
            constants + log_t_height(freedom, dimension),
            0.5 * (freedom + dimension),
            2.0 / (stretch * freedom),
        )

    @property
    def space(self) -> Callable[[TilePlan], Any]:
        """That of the distances."""
        return self.distances.space

    def score(self, tile: Tile, space: Any) -> None:
        self.distances.score(tile, space)
        kernels.student.student_scores(
            tile.n_rows, self.constants, self.powers, self.rates, tile.scores
        )

    def normalise(self, tile: Tile, space: Any) -> float:
        return normalise(self, tile, space)


@dataclass(frozen=True)
class FeatureStudentScorer:
    """Products over features of univariate Student's t.

    Parameters
    ----------
    centres, rates : ndarray of shape (n_components, n_features)
    constants, powers : ndarray of shape (n_components,)
    """

    centres: Array
    rates: Array
    constants: Array
    powers: Array

    space = staticmethod(no_space)

    @classmethod
    def make(
        cls, centres: Array, precisions: Array, freedom: Array, constants: Array
    ) -> FeatureStudentScorer:
        """Make it for given squared inverse widths, (n_components, n_features)."""
        return cls(
            np.ascontiguousarray(centres),
            precisions / freedom[:, None],
            constants + centres.shape[1] * log_t_height(freedom, 1),
            0.5 * (freedom + 1.0),
        )

    def score(self, tile: Tile, space: Any) -> None:
        kernels.student.feature_student_scores(
            tile.values,
            tile.n_rows,
            self.centres,
            self.rates,
            self.constants,
            self.powers,
            tile.scores,
        )

    def normalise(self, tile: Tile, space: Any) -> float:
        return normalise(self, tile, space)
