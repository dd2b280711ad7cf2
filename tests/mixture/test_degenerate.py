"""Degenerate tables: each has a documented result, and never a NaN."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from mixture.tables import (
    assert_sound,
    blobs,
    dense_covariances,
    every_type,
    fit,
    meant_overflows,
    one_hot,
)
from skem import EMGaussianMixture

RIDGE = 1e-6


def fit_and_listen(X, n_components=1, **parameters):
    """Fit; return the mixture and the messages of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture = EMGaussianMixture(n_components, random_state=0, **parameters).fit(X)
    assert all(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return mixture, " / ".join(str(warning.message) for warning in caught)


@every_type
@pytest.mark.parametrize("value", [0.0, 3.5, -1e300, 1e-300])
def test_identical_rows(covariance_type, value):
    X = np.full((8, 2), value)
    mixture, said = fit_and_listen(X, covariance_type=covariance_type)
    assert_sound(mixture, X)
    # Constant columns count as if their variance were 1.
    np.testing.assert_allclose(dense_covariances(mixture), [RIDGE * np.eye(2)], rtol=1e-9)
    np.testing.assert_array_equal(mixture.means_, X[:1])
    assert mixture.lower_bound_ == pytest.approx(-np.log(2 * np.pi * RIDGE))
    assert "[0, 1]" in said
    assert "constant" in said


@every_type
@pytest.mark.parametrize(
    "init_params", ["kmeans", "k-means++", "hierarchical", "random", "random_from_data"]
)
def test_identical_rows_and_several_components(covariance_type, init_params):
    X = np.full((8, 2), 3.5)
    mixture, said = fit_and_listen(X, 3, covariance_type=covariance_type, init_params=init_params)
    assert_sound(mixture, X)
    np.testing.assert_array_equal(mixture.means_[mixture.weights_ > 0], 3.5)
    assert mixture.score(X) == pytest.approx(-np.log(2 * np.pi * RIDGE))
    assert "constant" in said


@every_type
def test_a_constant_column(covariance_type):
    X, labels = blobs()
    wide = np.c_[X, np.full(len(X), 7.0)]
    common = {"covariance_type": covariance_type, "init_params": one_hot(labels, 3)}
    mixture, said = fit_and_listen(wide, 3, **common)
    assert_sound(mixture, wide)
    # One variance for all features is no singular one.
    assert ("[3] of X are constant" in said) == (covariance_type != "spherical")
    np.testing.assert_array_equal(mixture.means_[:, 3], 7.0)
    if covariance_type != "spherical":
        plain = fit(X, **common)
        np.testing.assert_allclose(mixture.predict_proba(wide), plain.predict_proba(X), atol=1e-6)
        np.testing.assert_allclose(
            mixture.score_samples(wide) + 0.5 * np.log(2 * np.pi * RIDGE),
            plain.score_samples(X),
            atol=1e-6,
        )
        np.testing.assert_allclose(dense_covariances(mixture)[:, 3, 3], RIDGE, rtol=1e-9)


@every_type
@pytest.mark.parametrize("value", [0.1, -1e8, 1e150, 1e300])
def test_a_constant_column_of_any_value(covariance_type, value):
    X, _ = blobs()
    wide = np.c_[X, np.full(len(X), value)]
    mixture, _ = fit_and_listen(wide, 3, covariance_type=covariance_type)
    assert_sound(mixture, wide)
    zero, _ = fit_and_listen(np.c_[X, np.zeros(len(X))], 3, covariance_type=covariance_type)
    np.testing.assert_allclose(
        mixture.score_samples(wide), zero.score_samples(np.c_[X, 0 * X[:, 0]])
    )
    assert mixture.lower_bound_ == pytest.approx(mixture.score(wide))


@every_type
@pytest.mark.parametrize("init_params", ["kmeans", "hierarchical", "random"])
def test_one_row(covariance_type, init_params):
    X = np.array([[1.0, -2.0, 5.0]])
    mixture, _ = fit_and_listen(X, covariance_type=covariance_type, init_params=init_params)
    assert_sound(mixture, X)
    np.testing.assert_array_equal(mixture.means_, X)
    np.testing.assert_allclose(dense_covariances(mixture), [RIDGE * np.eye(3)], rtol=1e-9)
    with pytest.raises(ValueError, match="n_components = 2, n_samples = 1"):
        EMGaussianMixture(2, covariance_type=covariance_type).fit(X)


@every_type
@pytest.mark.parametrize(
    "init_params", ["kmeans", "k-means++", "hierarchical", "random", "random_from_data"]
)
def test_as_many_components_as_rows(covariance_type, init_params):
    X, _ = blobs(n=6, d=2)
    mixture, said = fit_and_listen(X, 6, covariance_type=covariance_type, init_params=init_params)
    assert_sound(mixture, X)
    if init_params != "random":
        assert sorted(mixture.predict(X)) == list(range(6))
        np.testing.assert_allclose(mixture.weights_, 1 / 6)
        for k in range(6):
            assert str(k) in said
        assert "collapsed" in said


@every_type
@pytest.mark.parametrize(
    "init_params", ["kmeans", "k-means++", "hierarchical", "random", "random_from_data"]
)
def test_more_components_than_distinct_rows(covariance_type, init_params):
    distinct = 5 * np.eye(3)
    X = np.repeat(distinct, 10, axis=0)
    mixture, said = fit_and_listen(X, 5, covariance_type=covariance_type, init_params=init_params)
    assert_sound(mixture, X)
    if init_params in ("kmeans", "hierarchical"):
        empty = np.flatnonzero(mixture.weights_ == 0)
        assert len(empty) == 2
        assert f"Component(s) {empty.tolist()} emptied" in said
        assert len(set(mixture.predict(distinct))) == 3
        assert "held at the width that the recording" in said


@every_type
def test_duplicates_are_weights(covariance_type):
    X, labels = blobs(n=20, k=2)
    count = np.random.default_rng(0).integers(1, 40, size=20)
    start = one_hot(labels, 2)
    common = {"covariance_type": covariance_type}
    repeated = fit(
        np.repeat(X, count, axis=0), 2, init_params=np.repeat(start, count, axis=0), **common
    )
    weighted = fit(X, 2, init_params=start, sample_weight=count, **common)
    assert_sound(repeated, X)
    np.testing.assert_allclose(repeated.covariances_, weighted.covariances_, rtol=1e-7, atol=1e-9)


@every_type
def test_weights_of_zero_for_most_rows(covariance_type):
    X, _ = blobs(n=300)
    weight = np.zeros(300)
    weight[[5, 100, 200, 299]] = [1.0, 2.0, 1.0, 0.5]
    mixture = fit(X, 2, covariance_type=covariance_type, random_state=0, sample_weight=weight)
    assert_sound(mixture, X)
    kept = weight > 0
    alone = fit(
        X[kept], 2, covariance_type=covariance_type, random_state=0, sample_weight=weight[kept]
    )
    np.testing.assert_allclose(mixture.means_, alone.means_, rtol=1e-9)


@every_type
@pytest.mark.parametrize("value", [1e300, -1e300, 1.7e308])
def test_a_value_of_1e300(covariance_type, value):
    X, _ = blobs(n=30)
    X[7, 1] = value
    with pytest.raises(ValueError, match=r"^Column 1 of X has a standard deviation of .*1e\+153"):
        EMGaussianMixture(2, covariance_type=covariance_type).fit(X)


@every_type
def test_a_column_of_1e_minus_300(covariance_type):
    X, _ = blobs(n=30)
    X[:, 2] *= 1e-300
    with pytest.raises(ValueError, match=r"^Column 2 of X has a standard deviation of .*1e-153"):
        EMGaussianMixture(2, covariance_type=covariance_type).fit(X)


@every_type
def test_values_of_1e_minus_300_among_others(covariance_type):
    X, _ = blobs(n=40)
    small = X.copy()
    small[::3, 1] = 1e-300
    X[::3, 1] = 0.0
    common = {"covariance_type": covariance_type, "random_state": 0}
    mixture = fit(small, 2, **common)
    assert_sound(mixture, small)
    np.testing.assert_allclose(mixture.means_, fit(X, 2, **common).means_, rtol=1e-12)


@every_type
@pytest.mark.parametrize("spread", [1e16, 1e-16])
def test_float32_spreads_out_of_range(covariance_type, spread):
    X = (spread * blobs(n=30)[0]).astype(np.float32)
    with pytest.raises(ValueError, match=r"standard deviation of .*float32"):
        EMGaussianMixture(2, covariance_type=covariance_type).fit(X)
    assert_sound(fit(X.astype(np.float64), 2, covariance_type=covariance_type), X)


@every_type
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_one_column(covariance_type, n_components):
    X, _ = blobs(n=60, d=1, apart=6.0)
    common = {"covariance_type": covariance_type, "random_state": 0}
    mixture = fit(X, n_components, **common)
    assert_sound(mixture, X)
    if covariance_type != "tied":
        full = fit(X, n_components, random_state=0)
        np.testing.assert_allclose(mixture.score_samples(X), full.score_samples(X), rtol=1e-9)


@pytest.mark.parametrize(
    ("covariance_type", "who"),
    [
        ("full", "component 1"),
        ("tied", "shared covariance"),
        ("diag", "component 1"),
        ("spherical", "component 1"),
    ],
)
def test_a_singular_covariance_without_a_ridge_is_named(covariance_type, who):
    X, _ = blobs(n=40, d=2, k=1)
    X[20:] = [50.0, 60.0]
    if covariance_type == "tied":
        X[:20, 1] = 0.0
        X[20:, 1] = 1.0
    start = one_hot(np.repeat([0, 1], 20), 2)
    with pytest.raises(ValueError, match=f"{who}.* singular.*reg_covar"):
        EMGaussianMixture(
            2, covariance_type=covariance_type, reg_covar=0.0, init_params=start, resolution=None
        ).fit(X)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_linearly_dependent_columns_without_a_ridge(covariance_type):
    X, _ = blobs(n=60, d=2)
    with pytest.raises(ValueError, match="singular"):
        EMGaussianMixture(1, covariance_type=covariance_type, reg_covar=0.0).fit(np.c_[X, X[:, 0]])


@meant_overflows
@every_type
@pytest.mark.parametrize(
    "far", [1e10, 1e100, 1e200, pytest.param(1e300, marks=pytest.mark.core), 1e307]
)
def test_rows_far_away_at_predict_time(covariance_type, far):
    X, _ = blobs()
    mixture = fit(X, covariance_type=covariance_type, random_state=0)
    rows = np.vstack([far * np.eye(3), -far * np.eye(3), np.full((1, 3), far), X[:3]])
    said = {name: getattr(mixture, name)(rows) for name in ("score_samples", "predict_proba")}
    assert np.isfinite(said["score_samples"]).all()
    assert (said["score_samples"][:7] < -1e15).all()
    np.testing.assert_allclose(said["predict_proba"].sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(mixture.predict(rows), said["predict_proba"].argmax(axis=1))
    np.testing.assert_array_equal(said["score_samples"][7:], mixture.score_samples(X[:3]))
    assert np.isfinite([mixture.score(rows), mixture.bic(rows), mixture.icl(rows)]).all()


@meant_overflows
@every_type
def test_far_rows_go_to_the_widest_component(covariance_type):
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=(50, 2)), 10 + 3 * rng.normal(size=(50, 2))]
    mixture = fit(
        X, 2, covariance_type=covariance_type, init_params=one_hot(np.arange(100) // 50, 2)
    )
    wide = 0 if covariance_type == "tied" else 1
    # Of equal width, the nearer one wins however far out; else the wider one.
    for far in (1e6, 1e60, 1e160, 1e300):
        np.testing.assert_array_equal(mixture.predict([[-far, -far]]), [wide])


@every_type
def test_float32_rows_far_away(covariance_type):
    X = blobs()[0].astype(np.float32)
    mixture = fit(X, covariance_type=covariance_type, random_state=0)
    rows = np.full((2, 3), 3e38, dtype=np.float32)
    assert not np.isnan(mixture.score_samples(rows)).any()
    np.testing.assert_allclose(mixture.predict_proba(rows).sum(axis=1), 1.0, rtol=1e-6)


@pytest.mark.core
@every_type
def test_an_emptied_component_is_named_and_keeps_its_place(covariance_type):
    X, labels = blobs(n=90, k=2)
    precisions = {
        "full": np.tile(np.eye(3), (3, 1, 1)),
        "tied": np.eye(3),
        "diag": np.ones((3, 3)),
        "spherical": np.ones(3),
    }[covariance_type]
    centres = [X[labels == 0].mean(axis=0), [1e4, 1e4, 1e4], X[labels == 1].mean(axis=0)]
    mixture, said = fit_and_listen(
        X,
        3,
        covariance_type=covariance_type,
        weights_init=[0.4, 0.2, 0.4],
        means_init=centres,
        precisions_init=precisions,
    )
    assert_sound(mixture, X)
    assert "Component(s) [1] emptied" in said
    assert mixture.weights_[1] == 0
    np.testing.assert_allclose(mixture.means_[1], 1e4, rtol=1e-9)
    if covariance_type != "tied":
        np.testing.assert_allclose(dense_covariances(mixture)[1], np.eye(3), atol=1e-9)
    assert (mixture.predict_proba(X)[:, 1] == 0).all()
    assert 1 not in mixture.sample(200)[1]
    rest = fit(X, 2, covariance_type=covariance_type, init_params=one_hot(labels, 2), tol=1e-9)
    tight = fit(
        X, 3, covariance_type=covariance_type, init_params=mixture.predict_proba(X), tol=1e-9
    )
    assert tight.score(X) == pytest.approx(rest.score(X), abs=1e-6)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_a_collapsed_component_is_named_and_held_up(covariance_type):
    X, _ = blobs(n=60, k=1)
    X[40:] = [30.0, 30.0, 30.0]
    mixture, said = fit_and_listen(
        X, 2, covariance_type=covariance_type, init_params=one_hot(np.arange(60) // 40, 2)
    )
    assert_sound(mixture, X)
    assert "Component(s) [1] collapsed" in said
    assert "1e-06" in said
    floor = RIDGE * X.var(axis=0)
    if covariance_type == "spherical":
        floor[:] = floor.mean()
    np.testing.assert_allclose(dense_covariances(mixture)[1], np.diag(floor), rtol=1e-6, atol=1e-12)


@every_type
def test_sound_components_are_not_named(covariance_type):
    X, _ = blobs(apart=6.0)
    _, said = fit_and_listen(X, 3, covariance_type=covariance_type)
    assert said == ""


@every_type
def test_nearly_dependent_columns(covariance_type):
    X, _ = blobs(n=100, d=2)
    rng = np.random.default_rng(0)
    rows = np.c_[X, X[:, 0] + 1e-7 * rng.normal(size=100)]
    mixture = fit(rows, 2, covariance_type=covariance_type, random_state=0, reg_covar=1e-9)
    assert_sound(mixture, rows)
    assert mixture.lower_bound_ == pytest.approx(mixture.score(rows), abs=1e-5)
