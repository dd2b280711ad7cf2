"""Gaps of blocks without covariances are lines that say which cells are seen."""

import numpy as np
import pytest
from scipy.stats import norm

from skem import EMMixture
from skem.families.diag import DiagGaussian
from skem.families.parameters import GaussianParameters
from skem.scoring import GapScorer, LinearGapScorer
from skem.scoring.seen import linear_in_seen, sums_of_seen

N, K, D = 60, 3, 4


@pytest.fixture
def setting():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D))
    X[rng.random(X.shape) < 0.3] = np.nan
    X[5] = np.nan
    means, variances = rng.standard_normal((K, D)), rng.uniform(0.5, 2.0, (K, D))
    parameters = GaussianParameters(means, variances, 1.0 / np.sqrt(variances))
    family = DiagGaussian(1e-6).for_rows(X, gappy=True)
    scorer = family.scorer(parameters, np.log([0.2, 0.3, 0.5]))
    seen = ~np.isnan(X)
    z = np.where(seen, X, 0.0)
    return X, parameters, scorer, np.hstack([z * z, z, seen])


@pytest.mark.core
def test_scores_are_those_of_the_seen_cells(setting):
    X, (means, variances, _), scorer, lines = setting
    coefficients, constants = linear_in_seen(scorer)
    cells = norm.logpdf(X[:, None], means, np.sqrt(variances))
    expected = np.log([0.2, 0.3, 0.5]) + np.nansum(cells, axis=2)
    np.testing.assert_allclose(constants + lines @ coefficients, expected, rtol=1e-12)
    np.testing.assert_array_equal(constants, np.log([0.2, 0.3, 0.5]))


@pytest.mark.core
def test_moments_are_those_of_completed_rows(setting):
    X, (means, variances, _), scorer, lines = setting
    resp = np.random.default_rng(1).dirichlet(np.ones(K), N)
    sums = sums_of_seen(scorer, resp.sum(axis=0), lines.T @ resp)
    weight, mean, scatter = DiagGaussian(1e-6).statistics(scorer, sums)
    np.testing.assert_allclose(weight, resp.sum(axis=0), rtol=1e-12)
    for k in range(K):
        missing = np.isnan(X)
        completed = np.where(missing, means[k], X)
        expected = resp[:, k] @ completed / weight[k]
        np.testing.assert_allclose(mean[k], expected, rtol=1e-11, atol=1e-12)
        squares = (completed - expected) ** 2 + np.where(missing, variances[k], 0.0)
        np.testing.assert_allclose(scatter[k], resp[:, k] @ squares, rtol=1e-11)


def test_narrow_components_are_scored_about_their_means(setting):
    _, parameters, scorer, _ = setting
    assert isinstance(scorer, LinearGapScorer)
    narrow = GaussianParameters(1e3 + parameters.means, parameters.covariances, parameters.factors)
    family = DiagGaussian(1e-6).for_rows(setting[0], gappy=True)
    assert isinstance(family.scorer(narrow, np.zeros(K)), GapScorer)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weighted", [False, True])
def test_fits_with_lines_are_those_by_patterns(weighted, monkeypatch):
    rng = np.random.default_rng(2)
    z = rng.integers(2, size=400)
    X = np.column_stack([rng.standard_normal((400, 3)) + 2 * z[:, None], rng.poisson(1 + 4 * z)])
    X[rng.random(X.shape) < 0.2] = np.nan
    weights = rng.uniform(0.0, 2.0, 400) if weighted else None
    resp = rng.dirichlet([1.0, 1.0], 400)

    def fit(kind):
        columns = [(kind, [0, 1, 2]), ("poisson", [3])]
        mixture = EMMixture(2, columns=columns, init_params=resp, tol=0.0, max_iter=6)
        return mixture.fit(X, sample_weight=weights)

    for kind in ("diag", "VII", "EEI", "VEI"):
        lines = fit(kind)
        with monkeypatch.context() as patch:
            patch.setattr("skem.families.blocks.needs_seen_lines", lambda family: False)
            patterns = fit(kind)
        np.testing.assert_allclose(lines.lower_bounds_, patterns.lower_bounds_, rtol=1e-12)
        for name, values in lines.parameters_[0].items():
            if name != "kind":
                np.testing.assert_allclose(values, patterns.parameters_[0][name], rtol=1e-9)
        found = lines.predict_proba(X), patterns.predict_proba(X)
        np.testing.assert_allclose(*found, rtol=1e-8, atol=1e-12)
