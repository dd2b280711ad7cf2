"""One step of stepwise EM: a weighted mean of statistics, in a form that loses no digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cases, gaussian

from skem.inference import blend

families = pytest.mark.parametrize("kind", gaussian.KINDS)
K, D = 3, 2


def statistics(kind, rng, n_rows=25):
    family = cases.make_family(kind)
    X = cases.blobs(n_rows, D, rng)
    resp = rng.dirichlet(np.ones(K), n_rows) / n_rows
    return X, resp, cases.statistics_of(family, family.summer(K, D), X, resp)


@pytest.mark.core
@families
@settings(max_examples=15, deadline=None)
@given(rate=st.floats(0.0, 1.0), seed=st.integers(0, 10**6))
def test_blend_is_the_statistics_of_rows_weighted_by_the_rate(kind, rate, seed):
    rng = np.random.default_rng(seed)
    X, resp, old = statistics(kind, rng)
    Y, more, new = statistics(kind, rng)
    got = blend(cases.make_family(kind), old, new, rate)
    both = np.vstack([(1 - rate) * resp, rate * more])
    wanted = gaussian.statistics(kind, np.vstack([X, Y]), both)
    for part, reference in zip(got, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-10, atol=1e-12)
    assert got.weight.sum() == pytest.approx(1.0, rel=1e-12)


@families
def test_rates_zero_and_one(kind):
    rng = np.random.default_rng(0)
    family = cases.make_family(kind)
    _, _, old = statistics(kind, rng)
    _, _, new = statistics(kind, rng)
    for rate, wanted in ((0.0, old), (1.0, new)):
        for part, reference in zip(blend(family, old, new, rate), wanted, strict=True):
            np.testing.assert_allclose(part, reference, rtol=1e-13, atol=1e-15)


@families
def test_sufficient_moments_are_blended_linearly(kind):
    # Cappé & Moulines' own form: raw sums of [1, x, x x'].
    rng = np.random.default_rng(1)
    family = cases.make_family(kind)
    _, _, old = statistics(kind, rng)
    _, _, new = statistics(kind, rng)

    def raw(stats):
        around = family.scatter_of(stats.mean, stats.weight)
        return stats.weight, stats.weight[:, None] * stats.mean, stats.scatter + around

    got = raw(blend(family, old, new, 0.3))
    for part, a, b in zip(got, raw(old), raw(new), strict=True):
        np.testing.assert_allclose(part, 0.7 * a + 0.3 * b, rtol=1e-12, atol=1e-14)


@families
def test_a_component_that_new_rows_leave_empty_fades(kind):
    family, rng = cases.make_family(kind), np.random.default_rng(2)
    _, _, old = statistics(kind, rng)
    scorer = family.summer(K, D)
    none = family.statistics(scorer, scorer.zeros())
    got = blend(family, old, none, 0.25)
    np.testing.assert_allclose(got.weight, 0.75 * old.weight, rtol=1e-15)
    np.testing.assert_array_equal(got.mean, old.mean)
    np.testing.assert_allclose(got.scatter, 0.75 * old.scatter, rtol=1e-15)
