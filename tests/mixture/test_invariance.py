"""Shifting and rescaling columns changes neither labels nor, up to the Jacobian, densities."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from mixture.tables import blobs, every_type, fit

# The k-means starts included: their units are the columns' spreads.
STARTS = pytest.mark.parametrize(
    "init_params",
    [
        pytest.param("kmeans", marks=pytest.mark.core),
        "k-means++",
        "hierarchical",
        "random",
        "auto",
    ],
)


def on_a_grid(X):
    """Round so that adding 1e8 to a value loses nothing."""
    return np.round(X * 2.0**20) / 2.0**20


def factors_for(covariance_type, d=3):
    """Return factors of the columns; spherical covariances allow only a common one."""
    factors = np.resize([1e-3, 1e6, 7.0], d)
    return np.full(d, 1e-3) if covariance_type == "spherical" else factors


@every_type
@STARTS
def test_shift(covariance_type, init_params):
    X = on_a_grid(blobs(seed=3)[0])
    far = X + np.array([1e8, -1e8, 1e8])
    common = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 0}
    near, moved = fit(X, **common), fit(far, **common)
    np.testing.assert_array_equal(moved.predict(far), near.predict(X))
    assert moved.n_iter_ == near.n_iter_
    np.testing.assert_allclose(moved.lower_bounds_, near.lower_bounds_, rtol=1e-9)
    np.testing.assert_allclose(moved.covariances_, near.covariances_, rtol=1e-7, atol=1e-9)
    # Means near 1e8 are known to 1.5e-8.
    np.testing.assert_allclose(moved.means_ - [1e8, -1e8, 1e8], near.means_, atol=3e-8)
    np.testing.assert_allclose(moved.score_samples(far), near.score_samples(X), atol=1e-6)
    np.testing.assert_allclose(moved.predict_proba(far), near.predict_proba(X), atol=1e-6)


@every_type
@STARTS
def test_rescaled_columns(covariance_type, init_params):
    X, _ = blobs(seed=3, apart=2.0)
    factors = factors_for(covariance_type)
    common = {
        "covariance_type": covariance_type,
        "init_params": init_params,
        "random_state": 0,
        "reg_covar": 0.02,  # large enough to show in the answer if it were absolute
    }
    one, other = fit(X, **common), fit(X * factors, **common)
    np.testing.assert_array_equal(other.predict(X * factors), one.predict(X))
    np.testing.assert_allclose(other.means_, one.means_ * factors, rtol=1e-9)
    np.testing.assert_allclose(
        other.score_samples(X * factors) + np.log(factors).sum(), one.score_samples(X), atol=1e-8
    )
    np.testing.assert_allclose(other.predict_proba(X * factors), one.predict_proba(X), atol=1e-8)
    np.testing.assert_allclose(
        np.add(other.lower_bounds_, np.log(factors).sum()), one.lower_bounds_, rtol=1e-9
    )


@every_type
def test_rescaled_and_shifted_prior(covariance_type):
    # Priors are in the units of the rows: they move and stretch with them.
    X, _ = blobs(seed=3, apart=2.0)
    factors, shift = factors_for(covariance_type), 100.0
    square = {
        "full": np.outer(factors, factors),
        "tied": np.outer(factors, factors),
        "diag": factors**2,
        "spherical": factors[0] ** 2,
    }[covariance_type]
    base = {
        "full": np.eye(3),
        "tied": np.eye(3),
        "diag": np.array([1.0, 2.0, 3.0]),
        "spherical": np.asarray(1.5),
    }[covariance_type]
    m0 = np.array([1.0, -1.0, 0.0])
    common = {"covariance_type": covariance_type, "random_state": 0, "mean_precision_prior": 5.0}
    one = fit(X, mean_prior=m0, covariance_prior=base, **common)
    moved = X * factors + shift * factors
    other = fit(moved, mean_prior=(m0 + shift) * factors, covariance_prior=base * square, **common)
    np.testing.assert_allclose(other.means_ / factors - shift, one.means_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(other.predict_proba(moved), one.predict_proba(X), atol=1e-8)


@every_type
def test_given_parameters_move_with_the_rows(covariance_type):
    X, labels = blobs(seed=3)
    factors, shift = factors_for(covariance_type), 1e4
    start = fit(X, covariance_type=covariance_type, init_params=np.eye(3)[labels], max_iter=0)
    square = {
        "full": np.outer(factors, factors),
        "tied": np.outer(factors, factors),
        "diag": factors**2,
        "spherical": factors[0] ** 2,
    }[covariance_type]
    common = {"covariance_type": covariance_type, "weights_init": start.weights_}
    one = fit(X, means_init=start.means_, precisions_init=start.precisions_, **common)
    moved = (X + shift) * factors
    other = fit(
        moved,
        means_init=(start.means_ + shift) * factors,
        precisions_init=start.precisions_ / square,
        **common,
    )
    assert other.n_iter_ == one.n_iter_
    np.testing.assert_allclose(other.predict_proba(moved), one.predict_proba(X), atol=1e-7)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag"])
@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "hierarchical"])
def test_an_irrelevant_wide_feature_does_not_rule_the_start(covariance_type, init_params):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    centres = np.array([[0.0, 0.0], [7.0, 0.0], [0.0, 7.0]])
    X = np.c_[centres[labels] + rng.normal(size=(300, 2)), 50 * rng.normal(size=300)]
    scores = [
        adjusted_rand_score(
            labels,
            fit(
                X, 3, covariance_type=covariance_type, init_params=init_params, random_state=seed
            ).predict(X),
        )
        for seed in range(5)
    ]
    assert np.median(scores) > 0.95


@every_type
def test_units_of_a_feature_do_not_rule_the_start(covariance_type):
    X, labels = blobs(n=200, d=2, k=3, apart=8.0, seed=6)
    factors = np.full(2, 1e5) if covariance_type == "spherical" else np.array([1e5, 1e-5])
    plain = fit(X, covariance_type=covariance_type, random_state=0)
    mixture = fit(X * factors, covariance_type=covariance_type, random_state=0)
    np.testing.assert_array_equal(plain.predict(X), mixture.predict(X * factors))
    if covariance_type == "full":
        assert adjusted_rand_score(labels, mixture.predict(X * factors)) > 0.9


@every_type
def test_float32_rows_shifted_by_3000(covariance_type):
    X, labels = blobs(n=200, d=3, k=3, apart=10.0, seed=2)
    near = X.astype(np.float32)
    far = near + np.float32(3000)
    mixture = fit(far, covariance_type=covariance_type, random_state=0)
    wide = fit(far.astype(np.float64), covariance_type=covariance_type, random_state=0)
    assert mixture.means_.dtype == np.float32
    assert adjusted_rand_score(labels, mixture.predict(far)) > 0.99
    np.testing.assert_array_equal(mixture.predict(far), wide.predict(far.astype(np.float64)))
    np.testing.assert_allclose(mixture.covariances_, wide.covariances_, rtol=1e-5, atol=1e-5)
    # Against rows that had more digits before they were shifted.
    original = fit(X, covariance_type=covariance_type, random_state=0)
    np.testing.assert_allclose(mixture.covariances_, original.covariances_, rtol=1e-2, atol=1e-2)
    assert mixture.lower_bound_ == pytest.approx(original.lower_bound_, abs=1e-3)
    # The returned means are float32: known to 1.2e-4 at 3000.
    assert mixture.score(far) == pytest.approx(mixture.lower_bound_, abs=1e-3)


@every_type
@pytest.mark.parametrize("exponent", [-150, -100, 100, 150])
def test_extreme_common_scales(covariance_type, exponent):
    X, _ = blobs(seed=3)
    factor = 2.0 ** round(exponent * np.log2(10))
    common = {"covariance_type": covariance_type, "random_state": 0}
    one, other = fit(X, **common), fit(X * factor, **common)
    # A power of two costs no bit of the rows.
    np.testing.assert_array_equal(other.predict(X * factor), one.predict(X))
    np.testing.assert_allclose(other.means_ / factor, one.means_, rtol=1e-12)
    np.testing.assert_allclose(
        other.score_samples(X * factor) + 3 * np.log(factor), one.score_samples(X), atol=1e-9
    )
    rows, _ = other.sample(50, random_state=0)
    np.testing.assert_allclose(rows / factor, one.sample(50, random_state=0)[0], rtol=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag"])
def test_extreme_scales_side_by_side(covariance_type):
    X, _ = blobs(seed=3)
    factors = 2.0 ** np.array([498, -498, 0])
    common = {"covariance_type": covariance_type, "random_state": 0}
    one, other = fit(X, **common), fit(X * factors, **common)
    np.testing.assert_allclose(other.predict_proba(X * factors), one.predict_proba(X), atol=1e-9)
    np.testing.assert_allclose(other.score_samples(X * factors), one.score_samples(X), atol=1e-9)


@every_type
def test_order_of_rows_and_columns(covariance_type):
    X, labels = blobs(seed=3, apart=2.0)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(len(X)), rng.permutation(3)
    start = np.eye(3)[labels]
    common = {"covariance_type": covariance_type, "max_iter": 10, "tol": 0.0}
    one = fit(X, init_params=start, **common)
    other = fit(X[rows][:, columns], init_params=start[rows], **common)
    np.testing.assert_allclose(other.means_, one.means_[:, columns], rtol=1e-9)
    np.testing.assert_allclose(
        other.score_samples(X[rows][:, columns]), one.score_samples(X)[rows], rtol=1e-9
    )
