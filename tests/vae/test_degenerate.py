"""Tables that an autoencoder can't like: a clear error, or a sound result."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skem import VAE
from vae.tables import SMALL, assert_sound, bits, curve, fit

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NOISES = ("shared", "per_feature", "network", 0.5)
every_noise = pytest.mark.parametrize("noise_variance", NOISES)


@pytest.mark.parametrize("bad", [-0.1, 1.5])
def test_bernoulli_refuses_what_is_no_probability(bad):
    X = bits()
    vae = fit(X, likelihood="bernoulli")
    X[3, 2] = bad
    message = rf"needs values in \[0, 1\], but X has {bad} in row 3, column 2"
    with pytest.raises(ValueError, match=message):
        fit(X, likelihood="bernoulli")
    for method in ("transform", "score_samples", "elbo", "partial_fit"):
        with pytest.raises(ValueError, match=message):
            getattr(vae, method)(X)


def test_auto_looks_at_the_values():
    assert fit(bits()).likelihood_ == "bernoulli"
    assert fit(curve()).likelihood_ == "gaussian"
    assert fit(bits() * 0.5).likelihood_ == "gaussian"
    assert fit(bits() * 0.5, likelihood="bernoulli").likelihood_ == "bernoulli"
    assert fit(bits(), likelihood="gaussian").likelihood_ == "gaussian"


@pytest.mark.parametrize("value", [2.0, 0.5, -1.0])
def test_auto_looks_at_rows_of_positive_weight_alone(value):
    X, weights = bits(), np.ones(60)
    X[3, 2], weights[3] = value, 0.0
    assert fit(X, sample_weight=weights).likelihood_ == "bernoulli"
    assert fit(X).likelihood_ == "gaussian"


def test_rows_of_no_weight_are_not_checked():
    X, weights = bits(), np.ones(60)
    X[3, 2], weights[3] = 2.0, 0.0
    vae = fit(X, likelihood="bernoulli", sample_weight=weights)
    kept = np.delete(X, 3, axis=0)
    other = fit(kept, likelihood="bernoulli")
    np.testing.assert_allclose(vae.transform(kept), other.transform(kept), rtol=0.3, atol=0.3)
    vae.partial_fit(X, sample_weight=weights)
    X[5, 1] = 3.0
    with pytest.raises(ValueError, match=r"X has 3\.0 in row 5, column 1"):
        vae.partial_fit(X, sample_weight=weights)


def test_a_choice_by_auto_is_named_with_the_value_against_it():
    vae = fit(bits())
    X = bits()
    X[4, 1] = 2.0
    message = (
        r"^likelihood='auto' chose 'bernoulli' in fit, where all values were 0 or 1, and "
        r"'bernoulli' needs values in \[0, 1\], but X has 2.0 in row 4, column 1\..*"
        r"likelihood='gaussian'$"
    )
    for method in ("score_samples", "transform", "partial_fit"):
        with pytest.raises(ValueError, match=message):
            getattr(vae, method)(X)


def test_auto_is_decided_once():
    vae = fit(curve()).partial_fit(np.ones((3, 5)))
    assert vae.likelihood_ == "gaussian"


@every_noise
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_row(noise_variance, dtype):
    X = curve(1, dtype=dtype)
    vae = fit(X, noise_variance=noise_variance)
    assert_sound(vae, X)
    assert_sound(vae, curve(5, dtype=dtype))


@every_noise
def test_constant_columns(noise_variance):
    X = curve()
    X[:, [0, 2]] = [3.0, -1e6]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vae = VAE(noise_variance=noise_variance, random_state=0, **SMALL).fit(X)
    named = any("Column(s) [0, 2] of X are constant" in str(w.message) for w in caught)
    assert named == (noise_variance in ("per_feature", "network"))
    assert_sound(vae, X)
    np.testing.assert_allclose(vae.reconstruct(X)[:, 2], -1e6, rtol=1e-5)


@every_noise
def test_all_columns_constant(noise_variance):
    X = np.full((9, 3), 7.0)
    with pytest.warns(ConvergenceWarning):
        vae = VAE(noise_variance=noise_variance, **SMALL).fit(X)
    assert_sound(vae, X)


@every_noise
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_1e300(noise_variance):
    if noise_variance == 0.5:
        with pytest.raises(ValueError, match=r"noise_variance=0.5 is .* Rescale X"):
            fit(curve() * 1e300, noise_variance=0.5)
        return
    X = curve() * 1e300
    vae = fit(X, noise_variance=noise_variance)
    assert_sound(vae, X)
    assert vae.loss_curve_[-1] > 5 * 600  # log(1e300) = 691 for each feature


@every_noise
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_one_value_of_1e300(noise_variance):
    X = curve()
    vae = fit(X, noise_variance=noise_variance)
    X[3, 1] = 1e300
    assert_sound(vae, X)
    assert vae.score_samples(X)[3] < -1e6
    if noise_variance != 0.5:
        assert_sound(fit(X, noise_variance=noise_variance), X)


@every_noise
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_codes_far_out_are_decoded(noise_variance, dtype):
    X = curve(dtype=dtype)
    Z = np.array([[1e300, -1e300], [1e10, -1e10], [-np.finfo(float).max, 0.0]])
    rows = fit(X, noise_variance=noise_variance).inverse_transform(Z)
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal(rows[0], rows[1])


def test_columns_of_extremely_unequal_units():
    X = curve() * [1e-200, 1e-5, 1, 1e5, 1e200]
    vae = fit(X, noise_variance="per_feature")
    assert_sound(vae, X)
    plain = fit(curve(), noise_variance="per_feature")
    np.testing.assert_allclose(vae.noise_variance_[2], plain.noise_variance_[2], rtol=0.1)


def test_too_wide_a_spread_is_an_error():
    X = curve()
    X[0, 0], X[1, 0] = 1.7e308, -1.7e308
    with pytest.raises(ValueError, match=r"Column\(s\) \[0\] of X spread too widely"):
        fit(X)


def test_a_batch_larger_than_the_table_is_the_table():
    X = curve()
    large, exact = fit(X, batch_size=10**9), fit(X, batch_size=len(X))
    np.testing.assert_array_equal(large.transform(X), exact.transform(X))
    assert large.n_steps_ == large.n_iter_


def test_holding_out_needs_rows_to_train_on():
    with pytest.raises(
        ValueError, match=r"validation_fraction=0.1 leaves no rows .* n_samples = 1"
    ):
        fit(curve(1), early_stopping=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(bad):
    X = curve()
    X[2, 1] = bad
    with pytest.raises(ValueError, match="Input X contains"):
        fit(X)


@pytest.mark.parametrize("weights", [np.zeros(60), -np.ones(60), np.ones(59), np.full(60, np.nan)])
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="sample_weight"):
        fit(curve(), sample_weight=weights)


def test_rows_of_weight_zero_are_absent():
    X = curve()
    wild = np.concatenate([X, np.full((5, 5), 1e9)])
    weights = np.r_[np.ones(60), np.zeros(5)]
    vae, expected = fit(wild, sample_weight=weights), fit(X)
    np.testing.assert_allclose(vae.transform(X), expected.transform(X), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("order", ["C", "F", "strided", "read-only", "integer"])
def test_layouts(order):
    X = np.round(3 * curve())
    variant = {
        "C": lambda: X.copy(),
        "F": lambda: np.asfortranarray(X),
        "strided": lambda: np.repeat(X, 2, axis=0)[::2],
        "read-only": lambda: X.copy(),
        "integer": lambda: X.astype(int),
    }[order]()
    variant.flags.writeable = order != "read-only"
    before = variant.copy()
    vae = fit(variant)
    np.testing.assert_array_equal(vae.transform(variant), fit(X).transform(X))
    np.testing.assert_array_equal(variant, before)
