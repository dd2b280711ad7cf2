"""Rows in a network's units."""

import numpy as np
import pytest

from skem.vae._units import Units, measure


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F", "read-only"])
def test_reads_and_writes(dtype, order):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(50, 3)) * [1, 10, 100] + [5, -3, 1e4]).astype(dtype)
    units = measure(X, None, one_scale=False)
    X = np.asarray(X, order="F" if order == "F" else "C")
    X.flags.writeable = order != "read-only"
    inner = units.read(X, np.arange(50), dtype)
    places = np.array([7, 0, 7, 49])
    np.testing.assert_array_equal(units.read(X, places, dtype), inner[places])
    assert inner.dtype == dtype
    np.testing.assert_allclose(inner.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(inner.std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(units.write(inner, dtype), X, rtol=1e-5)


def test_one_scale_is_the_root_mean_variance():
    X = np.random.default_rng(0).normal(size=(50, 3)) * [1, 10, 100]
    units = measure(X, None, one_scale=True)
    np.testing.assert_allclose(units.scale, np.sqrt(X.var(axis=0).mean()))


def test_weights_count_as_repeated_rows():
    X = np.random.default_rng(0).normal(size=(9, 2))
    weights = np.arange(9)
    actual = measure(X, weights.astype(float), one_scale=False)
    expected = measure(X.repeat(weights, axis=0), None, one_scale=False)
    np.testing.assert_allclose(actual.origin, expected.origin, rtol=1e-12)
    np.testing.assert_allclose(actual.scale, expected.scale, rtol=1e-12)


@pytest.mark.parametrize("one_scale", [True, False])
def test_constant_columns(one_scale):
    X = np.column_stack([np.full(6, 3.0), np.arange(6.0)])
    units = measure(X, None, one_scale=one_scale)
    assert units.constant.tolist() == [True, False]
    assert (units.read(X, np.arange(6), np.float64)[:, 0] == 0).all()
    alone = measure(X[:, :1], None, one_scale=one_scale)
    assert alone.scale.tolist() == [1.0]


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_extreme_values_stay_finite():
    units = Units(np.zeros(2), np.array([1.0, 1e-300]), np.zeros(2, dtype=bool))
    X = np.array([[1e300, -1e300], [-np.inf, 0.0]])
    rows = units.read(X, np.arange(2), np.float32)
    np.testing.assert_allclose(rows, [[1e10, -1e10], [-1e10, 0]])


def test_what_the_dtype_cannot_hold_is_its_limit():
    units = Units(np.zeros(1), np.array([1e38]), np.zeros(1, dtype=bool))
    limit = np.finfo(np.float32).max
    assert units.write(np.array([[1e5]]), np.float32)[0, 0] == limit


def test_too_wide_a_spread_names_the_column():
    X = np.array([[1.7e308, 0.0], [-1.7e308, 1.0]])
    with pytest.raises(ValueError, match=r"Column\(s\) \[0\] of X spread too widely for float64"):
        measure(X, None, one_scale=False)
