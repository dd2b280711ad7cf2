"""Cuts at thresholds of single columns: each is the best one, and the search starts from them."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from skem import EMGaussianMixture
from skem.inference.thresholds import cut_at_thresholds

# Enrique Ruspini's 75 points (Ruspini 1970, "Numerical methods for fuzzy clustering", table 1).
RUSPINI = np.fromstring(
    """
    4 53 5 63 10 59 9 77 13 49 13 69 12 88 15 75 18 61 19 65 22 74 27 72 28 76 24 58 27 55 28 60
    30 52 31 60 32 61 36 72 28 147 32 149 35 153 33 154 38 151 41 150 38 145 38 143 32 143 34
    141 44 156 44 149 44 143 46 142 47 149 49 152 50 142 53 144 52 152 55 155 54 124 60 136 63
    139 86 132 85 115 85 96 78 94 74 96 97 122 98 116 98 124 99 119 99 128 101 115 108 111 110
    111 108 116 111 126 115 117 117 115 70 4 77 12 83 21 61 15 69 15 78 16 66 18 58 13 64 20 69
    21 66 23 61 25 76 27 72 31 64 30
    """,
    sep=" ",
).reshape(-1, 2)


def log_likelihood(X, weights, labels):
    """Of rows and their labels, with independent normal columns in each part."""
    total = 0.0
    for label in np.unique(labels):
        rows, weight = X[labels == label], weights[labels == label]
        mean = np.average(rows, axis=0, weights=weight)
        variance = np.average((rows - mean) ** 2, axis=0, weights=weight) + 1e-3
        total += weight.sum() * (np.log(weight.sum()) - 0.5 * np.log(variance).sum())
    return total


def every_cut(X, labels):
    """Yield the labels after each cut of one part at one threshold of one column."""
    for part in np.unique(labels):
        inside = labels == part
        for column in X.T:
            for threshold in np.unique(column[inside])[:-1]:
                yield np.where(inside & (column > threshold), labels.max() + 1, labels)


def standardised(seed, n=30):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.standard_normal(n), rng.integers(0, 3, n), rng.exponential(size=n)])
    return (X - X.mean(axis=0)) / X.std(axis=0), rng.integers(1, 4, n).astype(float)


@pytest.mark.parametrize("seed", range(4))
def test_each_cut_is_the_best_of_all(seed):
    X, weights = standardised(seed)
    labels = np.zeros(len(X), int)
    for n_parts in (2, 3):
        cuts = list(every_cut(X, labels))
        best = max(log_likelihood(X, weights, cut) for cut in cuts)
        labels = cut_at_thresholds(X, weights, n_parts, 0.0)
        np.testing.assert_allclose(log_likelihood(X, weights, labels), best, rtol=1e-12)


def test_weights_count_as_repeated_rows():
    X, weights = standardised(7)
    labels = cut_at_thresholds(X, weights, 4, 3.0)
    times = weights.astype(int)
    repeated = cut_at_thresholds(np.repeat(X, times, axis=0), np.ones(times.sum()), 4, 3.0)
    np.testing.assert_array_equal(np.repeat(labels, times), repeated)


def test_no_part_is_lighter_than_asked_for():
    X, weights = standardised(3)
    labels = cut_at_thresholds(X, weights, 3, 12.0)
    assert np.bincount(labels, weights).min() >= 12.0
    assert cut_at_thresholds(X, weights, 3, 0.4 * weights.sum()) is None
    assert cut_at_thresholds(np.zeros((9, 2)), np.ones(9), 2, 1.0) is None


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_of_many_thresholds_one_beside_a_heap_is_looked_at(sign):
    """A third of the rows have one of 600 values, and the only good cut is beside it."""
    X = np.random.default_rng(0).random((900, 2))
    X[::3, 0] = 3.0
    X[1:60:3, 0] += 3.1
    X = sign * X / X.std(axis=0)
    found = cut_at_thresholds(X, np.ones(900), 2, 300.0)
    np.testing.assert_array_equal(found == found[0], sign * X[:, 0] >= sign * X[0, 0])


@pytest.mark.parametrize("seed", range(5))
def test_a_tight_group_in_a_wide_one_is_found(seed):
    """One group of twenty in a row of columns beside all others: most restarts miss it."""
    X = (RUSPINI - RUSPINI.mean(axis=0)) / RUSPINI.std(axis=0)
    best = GaussianMixture(
        2,
        covariance_type="spherical",
        init_params="random_from_data",
        n_init=100,
        tol=1e-7,
        max_iter=1000,
        random_state=0,
    ).fit(X)
    found = EMGaussianMixture(2, covariance_type="spherical", random_state=seed).fit(X)
    assert found.score(X) > best.score(X) - 1e-4
