"""Where components are cut in two."""

import numpy as np
from scipy.stats import kurtosis, ortho_group

from skem.families.cutting import cut_between_modes


def test_a_cut_between_modes_finds_the_short_axis_between_clusters():
    rng = np.random.default_rng(0)
    side = rng.choice([-1.0, 1.0], size=2000)
    for seed in range(5):
        long_axes = np.exp(rng.normal(2.0, 1.0, size=5))
        X = rng.standard_normal((2000, 5)) * long_axes
        X[:, 3] = side + 0.2 * rng.standard_normal(2000)
        X = 1e3 + X @ ortho_group.rvs(5, random_state=seed)
        odds = cut_between_modes(X, np.ones((1, 2000)))[0]
        assert abs(np.mean(np.sign(odds) * side)) > 0.99
        # Two points have a kurtosis of 1, and these clusters one that is known.
        assert abs(kurtosis(odds, fisher=False) - (1 + 6 * 0.04 + 3 * 0.0016) / 1.04**2) < 0.1


def test_weights_are_shares_of_rows():
    rng = np.random.default_rng(1)
    X, times = rng.standard_normal((40, 3)), rng.integers(0, 4, size=(2, 40))
    odds = cut_between_modes(X, times.astype(float))
    for k in range(2):
        repeated = cut_between_modes(np.repeat(X, times[k], axis=0), np.ones((1, times[k].sum())))
        one = np.repeat(odds[k], times[k])
        np.testing.assert_allclose(one, repeated[0] * np.sign(one[0] * repeated[0, 0]), atol=1e-9)


def test_what_does_not_vary_is_not_cut():
    X = np.repeat([[1.0, 2.0, 0.1]], 9, axis=0)
    np.testing.assert_array_equal(cut_between_modes(X, np.ones((1, 9))), 0.0)
    np.testing.assert_array_equal(cut_between_modes(X, np.zeros((1, 9))), 0.0)
    X = np.column_stack([np.full(9, 0.1), np.arange(9.0)])
    odds = cut_between_modes(X, np.ones((1, 9)))
    np.testing.assert_array_equal(np.sign(odds[0, 5:] * odds[0, 0]), -1.0)
