"""Predictive densities of Gaussian components whose parameters have a posterior: Student's t.

Their scorers only score. Sums of statistics belong to the E-step, which reads expected log
densities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from skem import kernels
from skem.engine import Tile
from skem.families.gaussian import GaussianFamily
from skem.families.parameters import GaussianParameters, GaussianPosterior
from skem.families.scorers import Scorer, normalise

__all__ = ["FeatureStudentScorer", "StudentScorer", "predictive_scorer", "sample_predictive"]

Array: TypeAlias = NDArray[np.float64]


def _log_t_height(freedom: Array, dimension: int) -> Array:
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
            constants + _log_t_height(freedom, dimension),
            0.5 * (freedom + dimension),
            2.0 / (stretch * freedom),
        )

    def score(self, tile: Tile) -> None:
        """Fill ``tile.scores``, in nats."""
        self.distances.score(tile)
        kernels.student.student_scores(
            tile.n_rows, self.constants, self.powers, self.rates, tile.scores
        )

    def normalise(self, tile: Tile) -> float:
        """Score, and normalise the scores; return the tile's weighted log normalisers."""
        return normalise(self, tile)


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

    @classmethod
    def make(
        cls, centres: Array, precisions: Array, freedom: Array, constants: Array
    ) -> FeatureStudentScorer:
        """Make it for given squared inverse widths, (n_components, n_features)."""
        return cls(
            np.ascontiguousarray(centres),
            precisions / freedom[:, None],
            constants + centres.shape[1] * _log_t_height(freedom, 1),
            0.5 * (freedom + 1.0),
        )

    def score(self, tile: Tile) -> None:
        """Fill ``tile.scores``, in nats."""
        kernels.student.feature_student_scores(
            tile.values,
            tile.n_rows,
            self.centres,
            self.rates,
            self.constants,
            self.powers,
            tile.scores,
        )

    def normalise(self, tile: Tile) -> float:
        """Score, and normalise the scores; return the tile's weighted log normalisers."""
        return normalise(self, tile)


def _tails(family: GaussianFamily, posterior: GaussianPosterior) -> tuple[Array, Array]:
    """Degrees of freedom, and what multiplies the inverses of expected precisions: both (K,).

    Bishop 2006, 10.81 and 10.82; for one gamma distribution a feature the same with D = 1.
    """
    beta = posterior.mean_precision
    nu = np.broadcast_to(posterior.degrees_of_freedom, beta.shape)
    freedom = nu + 1.0 - family.dimension(posterior.mean.shape[1])
    return freedom, (nu / freedom) * ((1.0 + beta) / beta)


def predictive_scorer(
    family: GaussianFamily,
    posterior: GaussianPosterior,
    parameters: GaussianParameters,
    log_weights: Array,
) -> StudentScorer | FeatureStudentScorer:
    """Make the scorer of log predictive density plus log weight.

    Parameters
    ----------
    family : GaussianFamily
    posterior : GaussianPosterior
    parameters : GaussianParameters
        Its `expected_parameters`.
    log_weights : ndarray of shape (K,)
    """
    means, _, factors = parameters
    n_features = means.shape[1]
    freedom, stretch = _tails(family, posterior)
    log_width = 0.5 * n_features * np.log(stretch)
    constants = log_weights + family.log_det_factors(factors, n_features) - log_width
    if family.tail_of_each_feature:
        precisions = np.broadcast_to(family.precision_diagonal(factors, n_features), means.shape)
        precisions = precisions / stretch[:, None]
        return FeatureStudentScorer.make(means, precisions, freedom, constants)
    distances = family.distance_scorer(parameters)
    return StudentScorer.make(distances, stretch, freedom, constants, n_features)


def sample_predictive(
    family: GaussianFamily,
    posterior: GaussianPosterior,
    parameters: GaussianParameters,
    labels: NDArray[np.int64],
    rng: np.random.RandomState,
) -> Array:
    """Draw one row of each labelled component's predictive density, (len(labels), D)."""
    n_rows, n_features = len(labels), parameters.means.shape[1]
    freedom, stretch = (values[labels, None] for values in _tails(family, posterior))
    shape = (n_rows, n_features if family.tail_of_each_feature else 1)
    noise = family.colour(rng.standard_normal((n_rows, n_features)), parameters.factors, labels)
    # Of next to no degrees of freedom, it may be drawn below the smallest number.
    drawn = np.maximum(rng.chisquare(np.broadcast_to(freedom, shape)), np.finfo(np.float64).tiny)
    wide = np.sqrt(stretch * freedom / drawn)
    return parameters.means[labels] + wide * noise
