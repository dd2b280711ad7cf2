"""Predictive densities of Gaussian components whose parameters have a posterior: Student's t."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wishart

from skem.families.gaussian import GaussianFamily
from skem.families.parameters import TINY, GaussianParameters, GaussianPosterior
from skem.scoring import (
    FeatureStudentScorer,
    GapFeatureStudentScorer,
    GapStudentScorer,
    Scores,
    StudentScorer,
    log_t_height,
)

__all__ = ["draw_components", "predictive_scorer", "sample_predictive"]

Array: TypeAlias = NDArray[np.float64]


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
) -> Scores:
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
        features = FeatureStudentScorer.make(means, precisions, freedom, constants)
        if family.gap_start is None:
            return features
        heights = log_t_height(freedom, 1)[:, None] + 0.5 * np.log(precisions)
        return GapFeatureStudentScorer(features, heights, log_weights)
    distances = replace(family, gap_start=None).distance_scorer(parameters)
    whole = StudentScorer.make(distances, stretch, freedom, constants, n_features)
    if family.gap_start is None:
        return whole
    seen = np.arange(n_features + 1)
    levels = (log_weights + family.log_det_factors(factors, n_features))[:, None]
    levels = levels - 0.5 * seen * np.log(stretch)[:, None]
    levels[:, 1:] += log_t_height(freedom[:, None], seen[1:])
    levels[:, 0] = log_weights
    return GapStudentScorer(whole, family.gap_model(parameters), levels, freedom, whole.rates)


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
    noise = family.correlate(rng.standard_normal((n_rows, n_features)), parameters.factors, labels)
    # Of next to no degrees of freedom, it may be drawn below the smallest number.
    drawn = np.maximum(rng.chisquare(np.broadcast_to(freedom, shape)), TINY)
    wide = np.sqrt(stretch * freedom / drawn)
    return parameters.means[labels] + wide * noise


def draw_components(
    family: GaussianFamily,
    posterior: GaussianPosterior,
    parameters: GaussianParameters,
    rng: np.random.RandomState,
) -> GaussianParameters:
    """Draw means and precisions from their posterior (Bishop 2006, 10.59).

    Parameters
    ----------
    family : GaussianFamily
    posterior : GaussianPosterior
    parameters : GaussianParameters
        Its `expected_parameters`: with ``E[P] = C C'``, ``P = C A C' / nu`` where A has a Wishart
        distribution with nu degrees of freedom and unit scale.
    rng : numpy.random.RandomState
    """
    n_components, n_features = posterior.mean.shape
    factors = parameters.factors
    freedom = np.atleast_1d(posterior.degrees_of_freedom)[: 1 if family.is_shared else None]
    if family.has_matrices:
        unit = np.eye(n_features)
        drawn = [wishart(nu, unit).rvs(random_state=rng) / nu for nu in freedom]
        inner = np.reshape(drawn, factors.shape)
        precisions = factors @ inner @ np.swapaxes(factors, -1, -2)
    else:
        size = (len(freedom), 1 if family.one_variance else n_features)
        ratio = rng.chisquare(np.broadcast_to(freedom[:, None], size)) / freedom[:, None]
        precisions = np.square(factors) * (ratio[:, 0] if factors.ndim == 1 else ratio)
    components = family.from_precisions(precisions)
    noise = rng.standard_normal((n_components, n_features))
    apart = family.correlate(noise, components.factors, np.arange(n_components))
    means = posterior.mean + apart / np.sqrt(posterior.mean_precision)[:, None]
    return components._replace(means=means)
