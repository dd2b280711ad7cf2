"""Degenerate tables: a posterior has its prior to fall back on, and never a NaN."""

import warnings

import numpy as np
import pytest
from oracles import elbo, gaussian
from sklearn.exceptions import ConvergenceWarning

from mixture.tables import (
    assert_sound,
    blobs,
    component_prior,
    core,
    every_type,
    every_weight_prior,
    meant_overflows,
    one_hot,
    soft_start,
    variational,
)
from skem import VariationalGaussianMixture

METHODS = ("kmeans", "k-means++", "random", "random_from_data")


def fit_and_listen(X, n_components=1, *, weight_prior="dirichlet_process", **parameters):
    """Fit; return the mixture and the messages of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture = VariationalGaussianMixture(
            n_components,
            weight_concentration_prior_type=weight_prior,
            random_state=0,
            **parameters,
        ).fit(X)
    assert all(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return mixture, " / ".join(str(warning.message) for warning in caught)


def assert_sound_posterior(mixture, X, sample_weight=None):
    """Check what any mixture promises, and that the bound is the one of loops."""
    assert_sound(mixture, X)
    weights = mixture.weight_concentration_
    parts = weights if isinstance(weights, tuple) else (weights,)
    for value in (*parts, mixture.mean_precision_, mixture.degrees_of_freedom_):
        assert np.isfinite(value).all()
        assert (np.asarray(value) >= 0).all()
    assert np.isfinite(mixture.elbo_terms()).all()
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    terms = elbo.elbo_terms(elbo.prior_of(mixture), elbo.posterior_of(mixture), X, weight)
    assert mixture.lower_bound_ == pytest.approx(sum(terms), rel=1e-8, abs=1e-8)
    assert 1 <= mixture.effective_n_components_ <= mixture.n_components
    assert mixture.prune().predict(X).max() < mixture.effective_n_components_


@core
@every_type
@every_weight_prior
@pytest.mark.parametrize("value", [0.0, 3.5, -1e300, 1e-300])
def test_identical_rows(covariance_type, weight_prior, value):
    X = np.full((8, 2), value)
    for k in (1, 3):
        mixture, said = fit_and_listen(
            X, k, covariance_type=covariance_type, weight_prior=weight_prior
        )
        np.testing.assert_array_equal(mixture.means_, X[:k])
        assert "[0, 1] of X are constant" in said
        if abs(value) < 1e100:
            assert_sound_posterior(mixture, X)
        else:
            assert_sound(mixture, X)


@every_type
@pytest.mark.parametrize("value", [7.0, -1e8, 1e150, 1e300])
def test_a_constant_column(covariance_type, value):
    X, labels = blobs()
    common = {"covariance_type": covariance_type, "init_params": one_hot(labels, 3)}
    wide = np.c_[X, np.full(len(X), value)]
    mixture, said = fit_and_listen(wide, 3, **common)
    assert_sound(mixture, wide)
    assert ("[3] of X are constant" in said) == (covariance_type != "spherical")
    np.testing.assert_array_equal(mixture.means_[:, 3], value)
    zero, _ = fit_and_listen(np.c_[X, np.zeros(len(X))], 3, **common)
    np.testing.assert_allclose(mixture.lower_bounds_, zero.lower_bounds_, rtol=1e-9)


@core
@every_type
@every_weight_prior
@pytest.mark.parametrize("init_params", METHODS)
def test_as_many_components_as_rows(covariance_type, weight_prior, init_params):
    X, _ = blobs(n=6, d=2)
    common = {"covariance_type": covariance_type, "weight_prior": weight_prior}
    mixture, said = fit_and_listen(X, 6, init_params=init_params, **common)
    assert_sound_posterior(mixture, X)
    assert "collapsed" not in said
    with pytest.raises(ValueError, match="n_components = 7, n_samples = 6"):
        fit_and_listen(X, 7, **common)


@every_type
@every_weight_prior
@pytest.mark.parametrize("init_params", METHODS)
def test_more_components_than_distinct_rows(covariance_type, weight_prior, init_params):
    X = np.repeat(5 * np.eye(3), 10, axis=0)
    mixture, _ = fit_and_listen(
        X, 5, covariance_type=covariance_type, weight_prior=weight_prior, init_params=init_params
    )
    assert_sound_posterior(mixture, X)
    assert mixture.effective_n_components_ <= 5


@every_type
@every_weight_prior
def test_one_row(covariance_type, weight_prior):
    X = np.array([[1.0, -2.0, 5.0]])
    mixture, said = fit_and_listen(X, covariance_type=covariance_type, weight_prior=weight_prior)
    assert_sound_posterior(mixture, X)
    assert "constant" in said
    prior = component_prior(covariance_type, 3)
    mixture, _ = fit_and_listen(
        X, covariance_type=covariance_type, weight_prior=weight_prior, **prior
    )
    assert_sound_posterior(mixture, X)
    np.testing.assert_allclose(mixture.means_[0], (X[0] + 0.6 * prior["mean_prior"]) / 1.6)


@every_type
@every_weight_prior
@pytest.mark.parametrize("scale", [1e-3, 1e-10, 1e-100, 1e6])
def test_weights_of_any_sum(covariance_type, weight_prior, scale):
    X, _ = blobs(n=40)
    weight = scale * np.random.default_rng(0).uniform(0.5, 2, size=40)
    mixture = variational(
        X,
        3,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        sample_weight=weight,
        random_state=0,
        max_iter=30,
    )
    assert_sound_posterior(mixture, X, weight)


@every_type
def test_weights_of_zero_for_most_rows(covariance_type):
    X, _ = blobs(n=300)
    weight = np.zeros(300)
    weight[[5, 100, 200, 299]] = [1.0, 2.0, 1.0, 0.5]
    mixture = variational(
        X, 2, covariance_type=covariance_type, random_state=0, sample_weight=weight
    )
    assert_sound_posterior(mixture, X, weight)
    with pytest.raises(ValueError, match="n_components = 5, n_samples = 4"):
        variational(X, 5, covariance_type=covariance_type, sample_weight=weight)


@every_type
@pytest.mark.parametrize(
    ("factor", "words"), [(1e300, r"1e\+153"), (1e-300, "1e-153")], ids=["large", "small"]
)
def test_spreads_whose_squares_are_no_numbers(covariance_type, factor, words):
    X, _ = blobs(n=30)
    X[:, 1] *= factor
    with pytest.raises(ValueError, match=rf"^Column 1 of X has a standard deviation of .*{words}"):
        variational(X, 2, covariance_type=covariance_type)


@core
@every_type
@every_weight_prior
def test_one_column_is_one_model(covariance_type, weight_prior):
    # Of one feature, a Wishart is a gamma distribution: all but "tied" agree.
    X, _ = blobs(n=60, d=1, apart=6.0)
    common = {"weight_prior": weight_prior, "init_params": soft_start(60, 3)}
    mixture = variational(X, 3, covariance_type=covariance_type, **common)
    assert_sound_posterior(mixture, X)
    if covariance_type != "tied":
        full = variational(X, 3, **common)
        assert mixture.lower_bound_ == pytest.approx(full.lower_bound_, rel=1e-10)
        np.testing.assert_allclose(mixture.score_samples(X), full.score_samples(X), rtol=1e-9)


@core
@every_type
@every_weight_prior
@pytest.mark.parametrize("gamma", [1e-300, 1e-10, 1.0, 1e6])
def test_concentrations_of_any_size(covariance_type, weight_prior, gamma):
    X, _ = blobs(n=40, d=2)
    mixture = variational(
        X,
        4,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        weight_concentration_prior=gamma,
        random_state=0,
    )
    assert_sound(mixture, X)
    assert np.isfinite(mixture.elbo_terms()).all()
    if gamma > 1e-100:
        assert_sound_posterior(mixture, X)


PEAKED = {
    "means known": {"mean_precision_prior": 1e8},
    "means free": {"mean_precision_prior": 1e-12},
    "precisions known": {"degrees_of_freedom_prior": 1e3},
    "precisions free": {"degrees_of_freedom_prior": 2.0 - 1 + 1e-6},
}


@every_type
@every_weight_prior
@pytest.mark.parametrize("name", PEAKED)
def test_peaked_and_wide_priors(covariance_type, weight_prior, name):
    X, _ = blobs(n=40, d=2)
    mixture = variational(
        X,
        3,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        random_state=0,
        **PEAKED[name],
    )
    assert_sound_posterior(mixture, X)
    if name == "means known":
        np.testing.assert_allclose(mixture.means_, [mixture.mean_prior_] * 3, atol=1e-4)
    if name == "precisions known":
        # Psi / nu: the prior's scale counts for so many rows.
        prior = elbo.prior_of(mixture).psi / 1e3
        for dense in gaussian.matrices(covariance_type, mixture.covariances_, 3, 2):
            assert np.trace(dense) < 100 * np.trace(prior)


@meant_overflows
@every_type
@pytest.mark.parametrize("far", [1e10, 1e100, 1e300])
def test_rows_far_away_at_predict_time(covariance_type, far):
    X, _ = blobs()
    mixture = variational(X, covariance_type=covariance_type, random_state=0)
    rows = np.vstack([far * np.eye(3), -far * np.eye(3), np.full((1, 3), far), X[:3]])
    density, resp = mixture.score_samples(rows), mixture.predict_proba(rows)
    assert np.isfinite(density).all()
    # Tails are those of Student's t: of the logarithm, not of the square.
    assert (density[:7] < -20).all()
    assert (density[:7] > -1e6).all()
    np.testing.assert_allclose(resp.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(mixture.predict(rows), resp.argmax(axis=1))
    np.testing.assert_array_equal(density[7:], mixture.score_samples(X[:3]))


@every_type
@pytest.mark.parametrize("columns", ["dependent", "constant"])
def test_a_singular_default_prior_is_named(covariance_type, columns):
    X, _ = blobs(n=60, d=2)
    if columns == "dependent":
        wide = np.c_[X, X[:, 0]]
        singular = covariance_type in ("full", "tied")
    else:
        wide = np.c_[X, np.ones(60)]
        singular = covariance_type != "spherical"
    common = {"covariance_type": covariance_type, "reg_covar": 0.0}
    if singular:
        with pytest.raises(ValueError, match=r"singular.*covariance_prior.*reg_covar"):
            variational(wide, 2, **common)
    else:
        assert_sound(variational(wide, 2, **common), wide)
    # A prior that is given holds covariances up.
    prior = component_prior(covariance_type, 3)
    assert_sound_posterior(variational(wide, 2, **common, **prior), wide)


@every_type
def test_float32_spreads_out_of_range(covariance_type):
    X = (1e16 * blobs(n=30)[0]).astype(np.float32)
    with pytest.raises(ValueError, match=r"standard deviation of .*float32"):
        variational(X, 2, covariance_type=covariance_type)
