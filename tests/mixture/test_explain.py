"""Densities of single cells, against SciPy's normal distributions and their ratios."""

import warnings

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from mixture.tables import blobs
from skem import (
    EMGaussianMixture,
    EMStudentMixture,
    GaussianMixtureIC,
    VariationalGaussianMixture,
)
from skem.mixture._completing import completed_log_density

pd = pytest.importorskip("pandas")
core = pytest.mark.core

WEIGHTS = np.array([0.3, 0.7])
MEANS = np.array([[0.0, 1.0, -2.0], [3.0, 0.0, 500.0]])
COVARIANCES = np.array(
    [
        [[2.0, 0.9, 0.3], [0.9, 1.0, -0.2], [0.3, -0.2, 3.0]],
        [[1.0, -0.5, 4.0], [-0.5, 2.0, 1.0], [4.0, 1.0, 90.0]],
    ]
)
ROWS = np.array([[0.5, 1.5, -1.0], [3.0, -4.0, 505.0], [1.5, 0.5, 200.0], [-9.0, 1.0, 480.0]])


def mixture():
    return EMGaussianMixture.from_parameters(WEIGHTS, MEANS, COVARIANCES)


def log_marginal(x, seen):
    """log p of the seen cells of one row."""
    if not len(seen):
        return 0.0
    return logsumexp(
        [
            np.log(w) + multivariate_normal(m[seen], S[np.ix_(seen, seen)]).logpdf(x[seen])
            for w, m, S in zip(WEIGHTS, MEANS, COVARIANCES, strict=True)
        ]
    )


def expected(x, j, seen):
    """The mean of cell j given the seen ones, in their most probable component."""
    scores, means = [], []
    for w, m, S in zip(WEIGHTS, MEANS, COVARIANCES, strict=True):
        block = S[np.ix_(seen, seen)]
        scores.append(np.log(w) + multivariate_normal(m[seen], block).logpdf(x[seen]))
        means.append(m[j] + S[j, seen] @ np.linalg.solve(block, x[seen] - m[seen]))
    return means[int(np.argmax(scores))]


@core
@pytest.mark.parametrize("hidden", [None, 0, 2])
def test_cells_are_marginals_and_ratios_of_marginals(hidden):
    X = ROWS.copy()
    if hidden is not None:
        X[1:, hidden] = np.nan
    frame = mixture().explain_density(X)
    for i, j in np.ndindex(X.shape):
        there = [c for c in range(3) if not np.isnan(X[i, c])]
        rest = [c for c in there if c != j]
        found = frame["expected"].iloc[i, j]
        assert found == pytest.approx(expected(X[i], j, rest), rel=1e-9)
        alone, given_rest = frame["alone"].iloc[i, j], frame["given_rest"].iloc[i, j]
        if j in there:
            assert alone == pytest.approx(-log_marginal(X[i], [j]), rel=1e-9)
            ratio = log_marginal(X[i], rest) - log_marginal(X[i], there)
            assert given_rest == pytest.approx(ratio, rel=1e-9)
        else:
            assert np.isnan([alone, given_rest]).all()


@core
def test_a_cell_can_be_usual_alone_and_odd_beside_the_others():
    covariance = [[[1.0, 0.99], [0.99, 1.0]]]
    one = EMGaussianMixture.from_parameters([1.0], [[0.0, 0.0]], covariance)
    frame = one.explain_density([[1.5, -1.5]])
    assert frame["alone"].iloc[0, 1] == pytest.approx(-norm.logpdf(-1.5))
    given = norm(0.99 * 1.5, np.sqrt(1 - 0.99**2))
    assert frame["given_rest"].iloc[0, 1] == pytest.approx(-given.logpdf(-1.5))
    assert frame["expected"].iloc[0, 1] == pytest.approx(0.99 * 1.5)


@core
@pytest.mark.parametrize(
    "estimator",
    [
        EMGaussianMixture(2, covariance_type="tied", random_state=0),
        EMGaussianMixture(2, covariance_type="VEI", random_state=0),
        VariationalGaussianMixture(2, random_state=0),
        GaussianMixtureIC((1, 2), random_state=0),
        EMStudentMixture(2, random_state=0),
        EMGaussianMixture(2, noise=True, random_state=0),
    ],
)
def test_every_mixture_explains_and_frames_keep_names_and_rows(estimator):
    names = ["a", "b", "c"]
    X = pd.DataFrame(blobs(80, 3, 2)[0], columns=names, index=np.arange(80) + 100)
    fitted = estimator.fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = fitted.explain_density(X)
    assert frame.index.equals(X.index)
    assert list(frame.columns) == [
        (what, name) for what in ("alone", "given_rest", "expected") for name in names
    ]
    # The chain rule: log p(x) = log p(x_j | rest) + log p(rest).
    rest = X.copy()
    rest["b"] = np.nan
    chain = -frame["given_rest"]["b"] + fitted.score_samples(rest)
    np.testing.assert_allclose(chain, fitted.score_samples(X), rtol=1e-10)


def test_float32_rows_are_explained_in_float64():
    X = ROWS.astype(np.float32)
    frame = mixture().explain_density(X)
    assert (frame.dtypes == np.float64).all()
    pd.testing.assert_frame_equal(frame, mixture().explain_density(X.astype(np.float64)))


@core
def test_a_completed_gaussian_row_has_the_expected_density_of_its_completions():
    one = EMGaussianMixture.from_parameters([1.0], MEANS[1:], COVARIANCES[1:])
    X = ROWS.copy()
    X[1, 0] = X[2, 1] = X[2, 2] = X[3] = np.nan
    draws = np.stack([one.impute(X, "draw", random_state=seed) for seed in range(800)])
    drawn = np.stack([one.score_samples(table) for table in draws])
    error = drawn.std(axis=0) / np.sqrt(len(draws))
    off = np.abs(completed_log_density(one, X) - drawn.mean(axis=0))
    assert (off <= 4 * error + 1e-9).all()


@core
def test_a_completed_row_does_not_depend_on_units():
    """Less a constant that all rows share, complete ones included."""
    X, unit = ROWS.copy(), np.array([1e-3, 1.0, 1e4])
    X[0, 0] = X[2, 2] = np.nan
    scaled = EMGaussianMixture.from_parameters(
        WEIGHTS, MEANS * unit, COVARIANCES * unit[:, None] * unit
    )
    shift = completed_log_density(scaled, X * unit) - completed_log_density(mixture(), X)
    np.testing.assert_allclose(shift, -np.log(unit).sum(), rtol=1e-9)
