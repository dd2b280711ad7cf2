"""Random numbers that are a function of a row, a seed and a step."""

import numpy as np
import pytest
from scipy import stats

from skem.kernels import noise


def _keys(X, seed=0):
    keys = np.empty(len(X), np.uint64)
    noise.row_keys(X, np.array([seed], np.uint64), keys)
    return keys


def _normals(keys, step=1, n_samples=1, n_latent=5):
    out = np.empty((n_samples * len(keys), n_latent))
    noise.normals(keys, np.array([step], np.uint64), out)
    return out


X = np.random.default_rng(0).normal(size=(4000, 3)).round(3)


def test_a_key_depends_on_the_row_alone():
    keys = _keys(X)
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_array_equal(_keys(X[order]), keys[order])
    np.testing.assert_array_equal(_keys(X[5:6]), keys[5:6])
    assert len(np.unique(keys)) == len(np.unique(X, axis=0))


def test_keys_of_other_seeds_places_and_values():
    assert not np.intersect1d(_keys(X), _keys(X, seed=1)).size
    turned = X[X[:, 0] != X[:, 2]]
    assert not np.intersect1d(_keys(turned), _keys(turned[:, ::-1].copy())).size
    assert not np.intersect1d(_keys(X), _keys(np.nextafter(X, 9))).size


def test_equal_values_have_equal_keys():
    single = X.astype(np.float32)
    np.testing.assert_array_equal(_keys(single), _keys(single.astype(np.float64)))
    zeros = np.zeros((1, 3))
    np.testing.assert_array_equal(_keys(zeros), _keys(-zeros))


@pytest.mark.parametrize("n_latent", [1, 2, 5])
def test_numbers_are_standard_normal_and_independent(n_latent):
    keys = _keys(X)
    draws = [_normals(keys, step, 2, n_latent) for step in (1, 2, 2**62)]
    columns = np.concatenate([draw.reshape(2, len(X), n_latent) for draw in draws])
    columns = columns.transpose(1, 0, 2).reshape(len(X), -1)
    for column in columns.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 5 / np.sqrt(len(X))
    # Independent in their squares as well: pairs of one radius would not be.
    squares = np.corrcoef(np.square(columns).T) - np.eye(columns.shape[1])
    assert np.abs(squares).max() < 5 / np.sqrt(len(X))


def test_samples_come_in_order_whatever_their_number():
    keys = _keys(X[:7])
    many = _normals(keys, n_samples=4).reshape(4, 7, 5)
    few = _normals(keys, n_samples=2).reshape(2, 7, 5)
    np.testing.assert_array_equal(many[:2], few)
    np.testing.assert_array_equal(_normals(keys[2:3], n_samples=4), many[:, 2])


def test_the_extremes_are_finite():
    bits = np.array([0, 2**64 - 1, 2**32 - 1, 2**63], np.uint64)
    first, second = np.empty(4), np.empty(4)
    noise.box_muller(bits, first, second)
    radius = np.hypot(first, second)
    u = ((bits >> np.uint64(32)).astype(float) + 0.5) / 2**32
    np.testing.assert_allclose(radius, np.sqrt(-2 * np.log(u)), rtol=1e-6, atol=1e-9)
