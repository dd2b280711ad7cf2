"""Imputed cells against conditional Gaussians, row by row."""

import numpy as np
import pytest
from oracles import gaps, gaussian
from scipy import stats

from mixture.tables import blobs, core, every_estimator, every_type, fit, soft_start, variational
from skem import EMGaussianMixture, GaussianMixtureIC, VariationalGaussianMixture
from skem.mixture._bayes import VARIATIONAL
from skem.mixture._grid import MODELS
from skem.mixture._reading import make_family

SHAPES = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical"}


def table(n=50, d=4, k=2, share=0.4, seed=0):
    X = gaps.punch(blobs(n, d, k, seed=seed)[0], share, seed)
    X[:2] = np.nan
    return X


def expected_cells(mixture, X):
    """Each component's conditional mean and covariance of each row: {(row, k): (mean, cov)}."""
    kind = SHAPES.get(mixture.covariance_type, mixture.covariance_type)
    k, d = mixture.means_.shape
    return {
        (n, j): gaps.conditional(
            row,
            mixture.means_[j].astype(float),
            gaussian.matrix(kind, mixture.covariances_, j, d),
        )
        for n, row in enumerate(X)
        for j in range(k)
        if np.isnan(row).any()
    }


@core
@pytest.mark.parametrize("model", ["full", "tied", "diag", "spherical", *MODELS])
@pytest.mark.parametrize("method", ["mean", "mode"])
def test_conditional_means(model, method):
    X = table()
    mixture = fit(X, 2, covariance_type=model, init_params=soft_start(50, 2), max_iter=5)
    filled = mixture.impute(X, method)
    cells, resp = expected_cells(mixture, X), mixture.predict_proba(X)
    for n, row in enumerate(X):
        gap = np.isnan(row)
        np.testing.assert_array_equal(filled[n, ~gap], row[~gap])
        if gap.any():
            share = resp[n] if method == "mean" else np.eye(2)[resp[n].argmax()]
            wanted = sum(share[k] * cells[n, k][0] for k in range(2))
            np.testing.assert_allclose(filled[n, gap], wanted, rtol=1e-8, atol=1e-9)


@core
@every_estimator
def test_draws_have_the_conditional_moments(estimator):
    X = table(n=8, d=3)
    mixture = fit(X, 2, estimator=estimator, init_params=soft_start(8, 2), max_iter=3)
    draws = mixture.impute(X, "draw", n_draws=800, random_state=0)
    assert draws.shape == (800, *X.shape)
    cells, resp = expected_cells(mixture, X), mixture.predict_proba(X)
    for n, row in enumerate(X):
        gap = np.isnan(row)
        np.testing.assert_array_equal(draws[:, n, ~gap], np.tile(row[~gap], (800, 1)))
        if not gap.any():
            continue
        middle = sum(resp[n, k] * cells[n, k][0] for k in range(2))
        second = sum(
            resp[n, k] * (cells[n, k][1] + np.outer(cells[n, k][0], cells[n, k][0]))
            for k in range(2)
        )
        spread = second - np.outer(middle, middle)
        error = np.sqrt(np.diag(spread) / 800)
        assert (np.abs(draws[:, n, gap].mean(axis=0) - middle) < 5 * error).all()
        scale = np.sqrt(np.outer(np.diag(spread), np.diag(spread)))
        np.testing.assert_allclose(
            np.atleast_2d(np.cov(draws[:, n, gap].T)) / scale, spread / scale, atol=0.25
        )


def test_a_draw_follows_the_mixture_not_one_gaussian():
    """One cell missing, two components far apart there: Kolmogorov-Smirnov against the mixture."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=400)
    X = np.column_stack([rng.normal(size=400), 8.0 * labels + rng.normal(size=400)])
    mixture = fit(X, 2, random_state=0)
    row = np.array([[0.3, np.nan]])
    drawn = mixture.impute(row, "draw", n_draws=1000, random_state=1)[:, 0, 1]
    cells, resp = expected_cells(mixture, row), mixture.predict_proba(row)[0]

    def cdf(x):
        return sum(
            resp[k] * stats.norm.cdf(x, cells[0, k][0][0], np.sqrt(cells[0, k][1][0, 0]))
            for k in range(2)
        )

    assert stats.kstest(drawn, cdf).pvalue > 0.01


@core
@every_estimator
def test_what_is_seen_keeps_its_bits(estimator):
    X = table().astype(np.float32)
    mixture = fit(X, 2, estimator=estimator, random_state=0)
    for method in ("mean", "mode", "draw"):
        filled = mixture.impute(X, method)
        assert filled.dtype == np.float32
        assert np.isfinite(filled).all()
        np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    whole, _ = blobs(10, 4, 2)
    copy = mixture.impute(whole)
    np.testing.assert_array_equal(copy, whole)
    assert copy is not whole


@core
@every_type
def test_units_of_columns_do_not_matter(covariance_type):
    X = table()
    mixture = fit(X, 2, covariance_type=covariance_type, init_params=soft_start(50, 2))
    scale = np.full(4, 1e6) if covariance_type == "spherical" else 10.0 ** np.array([6, -6, 0, 9])
    other = fit(X * scale, 2, covariance_type=covariance_type, init_params=soft_start(50, 2))
    np.testing.assert_allclose(other.impute(X * scale) / scale, mixture.impute(X), rtol=1e-6)


@core
def test_random_states():
    X = table()
    mixture = fit(X, 2, random_state=0)
    again = fit(X, 2, random_state=0)
    one = mixture.impute(X, "draw", random_state=3)
    np.testing.assert_array_equal(one, mixture.impute(X, "draw", random_state=3))
    first, second = mixture.impute(X, "draw"), mixture.impute(X, "draw")
    assert (first != second)[np.isnan(X)].all()
    np.testing.assert_array_equal(first, again.impute(X, "draw"))


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [(EMGaussianMixture, "bootstrap"), (VariationalGaussianMixture, "posterior")],
)
def test_uncertain_parameters_make_draws_wider(estimator, parameters):
    """Variance between tables: what is missing of the information, not only the residual's."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    X = np.column_stack([x, x + rng.normal(size=60)])
    X[::2, 1] = np.nan
    mixture = fit(X, 1, estimator=estimator, tol=1e-8, max_iter=500)

    def spread(parameters):
        draws = mixture.impute(X, "draw", n_draws=150, parameters=parameters, random_state=0)
        return draws[:, :, 1].mean(axis=1).var()

    # At fixed parameters: 30 residuals of variance about 1, over 60 rows.
    residual = np.linalg.inv(mixture.precisions_[0][1:, 1:])[0, 0]
    np.testing.assert_allclose(spread("fixed"), 30 * residual / 3600, rtol=0.4)
    # And 30 rows determine the line: its level, and its slope between the two halves' means.
    there, gone = x[1::2], x[::2]
    apart = (gone.mean() - there.mean()) ** 2 / np.square(there - there.mean()).sum()
    line = residual * (1 / 30 + apart)
    np.testing.assert_allclose(spread(parameters), 30 * residual / 3600 + line / 4, rtol=0.4)


@core
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical", "EEI", "EII"])
@pytest.mark.parametrize("weight_prior", ["dirichlet_process", "dirichlet_distribution"])
def test_posterior_draws_have_the_posterior_s_moments(covariance_type, weight_prior):
    X, _ = blobs(60, 2, 2)
    mixture = variational(
        X, 2, covariance_type=covariance_type, weight_prior=weight_prior, random_state=0
    )
    family, rng = make_family(mixture), np.random.RandomState(0)
    drawn = [VARIATIONAL.draw_parameters(mixture, family, rng) for _ in range(600)]
    weights = np.array([one.weights for one in drawn])
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights.mean(axis=0), mixture.weights_, atol=0.01)
    means = np.array([one.components.means for one in drawn])
    precisions = np.array([family.precisions(one.components.factors) for one in drawn])
    np.testing.assert_allclose(
        precisions.mean(axis=0),
        mixture.precisions_,
        rtol=0.1,
        atol=0.05 * mixture.precisions_.max(),
    )
    # A precision number's variance is 2 E^2 / nu: a Wishart's diagonal, and a gamma.
    nu = np.atleast_1d(mixture.degrees_of_freedom_)[0]
    first = precisions.reshape(600, -1)[:, 0]
    np.testing.assert_allclose(first.var(), 2 * first.mean() ** 2 / nu, rtol=0.35)
    # Cov of a mean is E[covariance] / beta.
    inverse = np.array([family.dense(one.components.covariances, 2, 2) for one in drawn])
    spread = inverse.mean(axis=0) / mixture.mean_precision_[:, None, None]
    for k in range(2):
        np.testing.assert_allclose(means[:, k].mean(axis=0), mixture.means_[k], atol=0.1)
        np.testing.assert_allclose(
            np.cov(means[:, k].T) / spread[k].max(), spread[k] / spread[k].max(), atol=0.2
        )
    if family.is_shared and not family.has_matrices:
        for one in drawn[:5]:
            assert (one.components.covariances == one.components.covariances[:1]).all()


@core
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "median"}, "'method' parameter of impute"),
        ({"n_draws": 0}, "'n_draws' parameter of impute"),
        ({"parameters": "posterior"}, "'parameters' parameter of impute .*'bootstrap', 'fixed'"),
        ({"random_state": -1}, "'random_state' parameter of impute"),
        ({"n_draws": 2}, "need method='draw'"),
        ({"method": "mode", "parameters": "bootstrap"}, "need method='draw'"),
    ],
)
def test_what_may_not_be(options, words):
    X = table()
    with pytest.raises(ValueError, match=words):
        fit(X, 1).impute(X, **options)


@core
def test_the_chosen_mixture_imputes():
    X = table()
    choice = GaussianMixtureIC((1, 2), covariance_type="VVI").fit(X)
    for options in ({}, {"method": "draw", "n_draws": 2, "parameters": "bootstrap"}):
        np.testing.assert_array_equal(
            choice.impute(X, random_state=0, **options),
            choice.best_estimator_.impute(X, random_state=0, **options),
        )
