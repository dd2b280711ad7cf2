"""What was made of small arrays is made once, and only for those that hold the same."""

import numpy as np

from skem.engine.remembered import Remembered
from skem.engine.resolution import recording_units
from skem.inference import grow_tree


def counting():
    made = []

    def make():
        made.append(len(made))
        return made[-1]

    return make


def test_the_same_values_are_made_once():
    remembered, make = Remembered(), counting()
    X = np.arange(6.0).reshape(3, 2)
    first = remembered.of(make, X, None)
    assert remembered.of(make, np.asfortranarray(X), None) == first
    others = [
        (X + 1.0, None),
        (X.T, None),
        (X.reshape(2, 3), None),
        (X.astype(np.float32), None),
        (X, np.ones(3)),
        (X.view(np.int64), None),
    ]
    found = {remembered.of(make, *arrays) for arrays in others}
    assert len(found | {first}) == 1 + len(others)


def test_a_changed_array_is_another():
    remembered, make = Remembered(), counting()
    X = np.zeros(3)
    first = remembered.of(make, X)
    X[1] = 1.0
    assert remembered.of(make, X) != first


def test_the_latest_are_kept_and_large_ones_are_not():
    remembered, make = Remembered(), counting()
    first = remembered.of(make, np.zeros(1))
    for i in range(1, 40):
        remembered.of(make, np.full(1, float(i)))
    assert remembered.of(make, np.full(1, 39.0)) == 39
    assert remembered.of(make, np.zeros(1)) != first
    large = np.zeros(100_000)
    assert remembered.of(make, large) != remembered.of(make, large)


def test_answers_are_the_callers_own():
    rng = np.random.default_rng(0)
    X = np.round(rng.standard_normal((40, 2)), 1)
    tree, units = grow_tree(X), recording_units(X, None, X.std(axis=0))
    merges, steps = tree.merges.copy(), units.units.copy()
    tree.merges[:], units.units[:] = 0, -1.0
    np.testing.assert_array_equal(grow_tree(X).merges, merges)
    np.testing.assert_array_equal(recording_units(X, None, X.std(axis=0)).units, steps)
