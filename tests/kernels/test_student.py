"""Scores by Student's t distributions, of complete rows and of seen cells, against SciPy's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skem.kernels import student
from skem.scoring.student import log_t_height

LOG_2PI = np.log(2 * np.pi)
K, N, D = 2, 30, 3
LOG_WEIGHTS = np.log([0.3, 0.7])
FREEDOM = np.array([1.5, 80.0])
CENTRES = np.array([[0.0, 1.0, -2.0], [3.0, 0.5, 1e3]])
# Rows with cells missing stand together: none, the middle one, the outer ones, all.
MISSING = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1]], bool)
FIRST = np.array([0, 12, 20, 27, N])


@pytest.fixture
def rows():
    return CENTRES[np.arange(N) % K] + 3 * np.random.default_rng(0).standard_t(2, size=(N, D))


@pytest.fixture
def scales():
    factors = np.random.default_rng(1).normal(size=(K, D, D))
    return factors @ factors.transpose(0, 2, 1) + np.eye(D)


def _half_squares(rows, scale, centre, seen):
    deviation = (rows - centre)[:, seen]
    inverse = np.linalg.inv(scale[np.ix_(seen, seen)])
    return -0.5 * np.einsum("ni,ij,nj->n", deviation, inverse, deviation)


def test_scores_of_complete_rows(rows, scales):
    everywhere = np.ones(D, bool)
    rows[0] = CENTRES[0]
    scores = np.array([_half_squares(rows, scales[k], CENTRES[k], everywhere) for k in range(K)])
    scores[0, 0] = 1e-18  # a squared distance below zero by rounding is none
    heights = LOG_WEIGHTS + log_t_height(FREEDOM, D) - 0.5 * np.linalg.slogdet(scales)[1]
    student.student_scores(N, heights, 0.5 * (FREEDOM + D), 2 / FREEDOM, scores)
    for k in range(K):
        density = stats.multivariate_t(CENTRES[k], scales[k], FREEDOM[k])
        assert_allclose(scores[k], LOG_WEIGHTS[k] + density.logpdf(rows), rtol=1e-11)


def test_scores_of_independent_columns(rows):
    widths = np.array([[1.0, 2.0, 0.1], [0.5, 1.0, 30.0]])
    values = np.vstack([rows.T, np.ones((2, N))])
    rates = 1 / (FREEDOM[:, None] * widths**2)
    marginal = log_t_height(FREEDOM, 1)[:, None] - np.log(widths)
    powers = 0.5 * (FREEDOM + 1)
    scores = np.empty((K, N))
    student.feature_student_scores(
        values, N, CENTRES, rates, LOG_WEIGHTS + marginal.sum(1), powers, scores
    )
    densities = stats.t(FREEDOM[:, None, None], CENTRES[:, None], widths[:, None]).logpdf(rows)
    assert_allclose(scores, LOG_WEIGHTS[:, None] + densities.sum(axis=2), rtol=1e-11)

    values[:D][MISSING.repeat(np.diff(FIRST), axis=0).T] = np.nan
    student.feature_student_gap_scores(
        values, FIRST, MISSING, CENTRES, rates, marginal, LOG_WEIGHTS, powers, scores
    )
    seen = ~MISSING.repeat(np.diff(FIRST), axis=0)
    expected = LOG_WEIGHTS[:, None] + (densities * seen).sum(axis=2)
    assert_allclose(scores, expected, rtol=1e-11)


def test_scores_of_seen_cells(rows, scales):
    scores, heights = np.zeros((K, N)), np.zeros((K, len(MISSING)))
    expected = np.empty((K, N))
    counts = np.arange(D + 1)
    constants = LOG_WEIGHTS[:, None] + log_t_height(FREEDOM[:, None], np.maximum(counts, 1))
    constants[:, 0] = LOG_WEIGHTS
    for k in range(K):
        for s, seen in enumerate(~MISSING):
            here = slice(FIRST[s], FIRST[s + 1])
            expected[k, here] = LOG_WEIGHTS[k]
            if seen.any():
                block = scales[k][np.ix_(seen, seen)]
                heights[k, s] = 0.5 * ((~seen).sum() * LOG_2PI - np.linalg.slogdet(block)[1])
                scores[k, here] = _half_squares(rows[here], scales[k], CENTRES[k], seen)
                density = stats.multivariate_t(CENTRES[k, seen], block, FREEDOM[k])
                expected[k, here] += density.logpdf(rows[here][:, seen])
    student.student_gap_scores(FIRST, MISSING, heights, constants, FREEDOM, 2 / FREEDOM, scores)
    assert_allclose(scores, expected, rtol=1e-11)
