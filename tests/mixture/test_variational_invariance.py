"""Shifts, units, the order of rows and their weights change nothing that they should not."""

import numpy as np
import pytest

from mixture.tables import (
    blobs,
    component_prior,
    core,
    every_type,
    every_weight_prior,
    soft_start,
    variational,
)

N, D, K = 90, 3, 4
given_prior = pytest.mark.parametrize("given", [False, True], ids=["default", "given"])


def on_a_grid(X):
    """Round so that adding 1e8 to a value loses nothing."""
    return np.round(X * 2.0**20) / 2.0**20


def case(covariance_type, weight_prior, given):
    X = on_a_grid(blobs(n=N, d=D, k=3, apart=1.5, seed=3)[0])
    prior = component_prior(covariance_type, D) if given else {}
    common = {
        "covariance_type": covariance_type,
        "weight_prior": weight_prior,
        "init_params": soft_start(N, K, seed=2),
        "max_iter": 40,
        "tol": 0.0,
    }
    return X, prior, common


def assert_same_model(one, X, other, Y, log_jacobian=0.0, tolerance=1e-9):
    """Compare all that does not depend on units; densities and bounds have a Jacobian."""
    np.testing.assert_allclose(
        np.add(other.lower_bounds_, len(X) * log_jacobian), one.lower_bounds_, rtol=tolerance
    )
    np.testing.assert_allclose(
        other.score_samples(Y) + log_jacobian, one.score_samples(X), rtol=tolerance, atol=1e-8
    )
    np.testing.assert_allclose(other.predict_proba(Y), one.predict_proba(X), atol=1e-8)
    np.testing.assert_array_equal(other.predict(Y), one.predict(X))
    for name in ("weights_", "mean_precision_", "degrees_of_freedom_", "expected_counts_"):
        np.testing.assert_allclose(
            getattr(other, name), getattr(one, name), rtol=1e-8, atol=1e-9, err_msg=name
        )
    moved = [np.sum(m.elbo_terms()[1:]) for m in (one, other)]
    assert moved[1] == pytest.approx(moved[0], rel=tolerance)
    assert other.n_iter_ == one.n_iter_


@core
@every_type
@every_weight_prior
@given_prior
def test_shift(covariance_type, weight_prior, given):
    X, prior, common = case(covariance_type, weight_prior, given)
    shift = np.array([2.0**20, -(2.0**21), 2.0**10])
    one = variational(X, K, **common, **prior)
    if given:
        prior["mean_prior"] = prior["mean_prior"] + shift
    other = variational(X + shift, K, **common, **prior)
    assert_same_model(one, X, other, X + shift)
    np.testing.assert_allclose(other.means_ - shift, one.means_, atol=1e-8)
    np.testing.assert_allclose(other.covariances_, one.covariances_, rtol=1e-8, atol=1e-10)


@core
@every_type
@every_weight_prior
@given_prior
def test_units(covariance_type, weight_prior, given):
    X, prior, common = case(covariance_type, weight_prior, given)
    common["reg_covar"] = 0.02  # large enough to show if it were absolute
    factors = np.full(D, 1e-3) if covariance_type == "spherical" else np.array([1e-3, 1e6, 7.0])
    one = variational(X, K, **common, **prior)
    squares = np.outer(factors, factors)
    squares = {"diag": factors**2, "spherical": factors[0] ** 2}.get(covariance_type, squares)
    if given:
        prior["mean_prior"] = prior["mean_prior"] * factors
        prior["covariance_prior"] = prior["covariance_prior"] * squares
    other = variational(X * factors, K, **common, **prior)
    assert_same_model(one, X, other, X * factors, np.log(factors).sum())
    np.testing.assert_allclose(other.means_, one.means_ * factors, rtol=1e-8)
    np.testing.assert_allclose(other.covariance_prior_, one.covariance_prior_ * squares, rtol=1e-9)


@core
@every_type
@every_weight_prior
def test_order_of_rows_and_columns(covariance_type, weight_prior):
    X, _, common = case(covariance_type, weight_prior, False)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(N), rng.permutation(D)
    one = variational(X, K, **common)
    common["init_params"] = common["init_params"][rows]
    other = variational(X[rows][:, columns], K, **common)
    assert_same_model(one, X[rows], other, X[rows][:, columns])
    np.testing.assert_allclose(other.means_, one.means_[:, columns], rtol=1e-8, atol=1e-9)


@core
@every_type
@every_weight_prior
@given_prior
def test_integer_weights_are_repeated_rows(covariance_type, weight_prior, given):
    X, prior, common = case(covariance_type, weight_prior, given)
    count = np.random.default_rng(0).integers(0, 4, size=N)
    weighted = variational(X, K, sample_weight=count, **common, **prior)
    common["init_params"] = np.repeat(common["init_params"], count, axis=0)
    repeated = variational(np.repeat(X, count, axis=0), K, **common, **prior)
    np.testing.assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=1e-11)
    np.testing.assert_allclose(weighted.elbo_terms(), repeated.elbo_terms(), rtol=1e-9)
    for name in ("weights_", "means_", "covariances_", "mean_precision_", "covariance_prior_"):
        np.testing.assert_allclose(
            getattr(weighted, name), getattr(repeated, name), rtol=1e-9, atol=1e-10, err_msg=name
        )


@every_type
def test_rows_of_no_weight_are_not_there(covariance_type):
    X, _, common = case(covariance_type, "dirichlet_process", False)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=N) * (np.arange(N) % 3 > 0)
    kept, wild = weight > 0, X.copy()
    wild[~kept] = 1e300
    start = common.pop("init_params")
    weighted = variational(wild, K, sample_weight=weight, init_params=start, **common)
    alone = variational(X[kept], K, sample_weight=weight[kept], init_params=start[kept], **common)
    np.testing.assert_allclose(weighted.lower_bounds_, alone.lower_bounds_, rtol=1e-12)
    np.testing.assert_allclose(weighted.means_, alone.means_, rtol=1e-10)
    assert weighted.effective_n_components_ == alone.effective_n_components_


@every_type
def test_the_sum_of_weights_counts(covariance_type):
    # Unlike a point estimate, a posterior knows how many rows it has seen.
    X, prior, common = case(covariance_type, "dirichlet_distribution", True)
    light, heavy = (
        variational(X, K, sample_weight=np.full(N, weight), **common, **prior)
        for weight in (0.01, 100.0)
    )
    near, far = (np.abs(m.means_ - prior["mean_prior"]).max() for m in (light, heavy))
    assert near < far
    assert light.expected_counts_.sum() == pytest.approx(0.01 * N, rel=1e-12)
    assert heavy.expected_counts_.sum() == pytest.approx(100 * N, rel=1e-12)


@every_type
@pytest.mark.parametrize("exponent", [-498, 498])
def test_extreme_common_scales(covariance_type, exponent):
    X, _, common = case(covariance_type, "dirichlet_process", False)
    factor = 2.0**exponent
    one, other = variational(X, K, **common), variational(X * factor, K, **common)
    assert_same_model(one, X, other, X * factor, D * np.log(factor))
