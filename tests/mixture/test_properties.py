"""Properties of fits over drawn shapes, scales from 1e-150 to 1e150, shifts and weights."""

import numpy as np
import pytest

from mixture.tables import TYPES, assert_sound, fit, soft_start

pytest.importorskip("hypothesis")
from hypothesis import assume, given, settings
from hypothesis import strategies as st


@st.composite
def tables(draw):
    """Draw rows, some of them repeated, and their weights."""
    d = draw(st.integers(1, 4))
    k = draw(st.integers(1, 4))
    n = draw(st.integers(max(2 * k, 5), 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n, d)) + 4 * rng.integers(k, size=n)[:, None]
    if draw(st.booleans()):
        X = X[rng.integers(max(k, n // 2), size=n)]
    X = np.round(X * 2.0**20) / 2.0**20
    assume((X[0] != X).any(axis=0).all())  # a constant column has no scale
    weight = draw(
        st.one_of(
            st.none(),
            st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0, 1e-3]), min_size=n, max_size=n).map(
                np.array
            ),
        )
    )
    return X, k, weight


# Powers of two change no digit of the rows, so answers can be compared closely.
exponents = st.integers(-498, 498)
covariance_types = st.sampled_from(TYPES)
priors = st.sampled_from(
    [{}, {"degrees_of_freedom_prior": 6.0}, {"mean_precision_prior": 0.1}, {"reg_covar": 0.05}]
)


@given(tables(), covariance_types, st.lists(exponents, min_size=4, max_size=4), priors)
def test_any_scale(table, covariance_type, powers, parameters):
    X, k, weight = table
    d = X.shape[1]
    if covariance_type == "spherical":
        powers = powers[:1] * 4
    factors = 2.0 ** np.array(powers[:d], dtype=float)
    common = {
        "covariance_type": covariance_type,
        "init_params": soft_start(len(X), k),
        "sample_weight": weight,
        "max_iter": 8,
        **parameters,
    }
    one, other = fit(X, k, **common), fit(X * factors, k, **common)
    assert_sound(other, X * factors)
    jacobian = np.log(factors).sum()
    assert other.n_iter_ == one.n_iter_
    np.testing.assert_allclose(other.predict_proba(X * factors), one.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(
        other.score_samples(X * factors) + jacobian, one.score_samples(X), rtol=1e-7, atol=1e-7
    )


@given(tables(), covariance_types, st.sampled_from([-1e8, -3.0, 1e5, 1e8]), exponents)
def test_any_shift_and_scale(table, covariance_type, shift, power):
    X, k, weight = table
    factor = 2.0**power
    far = (X + shift) * factor
    common = {
        "covariance_type": covariance_type,
        "init_params": soft_start(len(X), k),
        "sample_weight": weight,
        "reg_covar": 1e-3,
        "max_iter": 8,
    }
    one, other = fit(X, k, **common), fit(far, k, **common)
    assert_sound(other, far)
    jacobian = X.shape[1] * np.log(factor)
    np.testing.assert_allclose(
        np.add(other.lower_bounds_, jacobian), one.lower_bounds_, rtol=1e-7, atol=1e-9
    )
    np.testing.assert_allclose(other.predict_proba(far), one.predict_proba(X), atol=1e-5)


@given(tables(), covariance_types, st.sampled_from(["kmeans", "k-means++", "random"]), exponents)
def test_every_start_is_sound_and_the_bound_is_the_score(table, covariance_type, method, power):
    X, k, weight = table
    rows = X * 2.0**power
    mixture = fit(
        rows,
        k,
        covariance_type=covariance_type,
        init_params=method,
        random_state=0,
        sample_weight=weight,
    )
    assert_sound(mixture, rows)
    score = mixture.score(rows, sample_weight=weight)
    assert mixture.lower_bound_ == pytest.approx(score, rel=1e-8, abs=1e-8)


@given(tables(), covariance_types, st.integers(-300, 300))
def test_any_scale_of_weights(table, covariance_type, power):
    X, k, weight = table
    weight = np.ones(len(X)) if weight is None else weight
    common = {"covariance_type": covariance_type, "random_state": 0, "max_iter": 5}
    one = fit(X, k, sample_weight=weight, **common)
    other = fit(X, k, sample_weight=weight * 2.0**power, **common)
    np.testing.assert_allclose(other.predict_proba(X), one.predict_proba(X), atol=1e-9)
    assert other.lower_bound_ == pytest.approx(one.lower_bound_, rel=1e-10)


@given(tables(), covariance_types, st.data())
def test_split_weights(table, covariance_type, data):
    # A row of weight w is two rows of weights that sum to w.
    X, k, weight = table
    weight = np.ones(len(X)) if weight is None else weight
    share = data.draw(st.floats(0.01, 0.99))
    start = soft_start(len(X), k)
    common = {"covariance_type": covariance_type, "max_iter": 5, "reg_covar": 1e-3}
    one = fit(X, k, sample_weight=weight, init_params=start, **common)
    two = fit(
        np.r_[X, X],
        k,
        sample_weight=np.r_[share * weight, (1 - share) * weight],
        init_params=np.r_[start, start],
        **common,
    )
    np.testing.assert_allclose(two.lower_bounds_, one.lower_bounds_, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(two.predict_proba(X), one.predict_proba(X), atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@settings(max_examples=15)
@given(tables(), covariance_types, exponents)
def test_steps_at_any_scale(table, covariance_type, power):
    X, k, weight = table
    factor = 2.0**power
    start = soft_start(len(X), k)
    mixtures = [
        fit(rows, k, covariance_type=covariance_type, init_params=start, sample_weight=weight)
        for rows in (X, X * factor)
    ]
    for mixture, rows in zip(mixtures, (X, X * factor), strict=True):
        mixture.partial_fit(rows, sample_weight=weight)
    np.testing.assert_allclose(
        mixtures[1].predict_proba(X * factor), mixtures[0].predict_proba(X), atol=1e-6
    )
