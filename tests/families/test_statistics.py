"""Statistics form a monoid: they add up, scale, and don't care how rows are cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cases, gaussian

from skem.families import GaussianStatistics

families = pytest.mark.parametrize("kind", gaussian.KINDS)
seeds = st.integers(0, 10**6)
K, D = 3, 2


def statistics(kind, X, resp):
    """Statistics summed about the origin."""
    family = cases.make_family(kind)
    return cases.statistics_of(family, family.summer(resp.shape[1], X.shape[1]), X, resp)


def assert_equal(a, b, rtol=1e-11):
    for name, left, right in zip(GaussianStatistics._fields, a, b, strict=True):
        size = np.abs(right).max()
        np.testing.assert_allclose(left, right, rtol=rtol, atol=rtol * size, err_msg=name)


def parts(kind, seed, n_parts=3, n_rows=14):
    rng = np.random.default_rng(seed)
    X = [cases.blobs(n_rows, D, rng) for _ in range(n_parts)]
    resp = [cases.random_resp(n_rows, K, rng) for _ in range(n_parts)]
    return X, resp, [statistics(kind, *one) for one in zip(X, resp, strict=True)]


@pytest.mark.core
@families
@pytest.mark.parametrize(("n_components", "n_features"), [(1, 1), (3, 2), (2, 4)])
def test_against_explicit_loops(kind, n_components, n_features):
    rng = np.random.default_rng(0)
    X = cases.blobs(33, n_features, rng)
    resp = cases.random_resp(33, n_components, rng)
    got = statistics(kind, X, resp)
    assert got.scatter.shape == cases.make_family(kind).identity(n_components, n_features).shape
    assert_equal(got, gaussian.statistics(kind, X, resp))


@pytest.mark.core
@families
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_addition_is_associative_and_commutative(kind, seed):
    add = cases.make_family(kind).add
    _, _, (a, b, c) = parts(kind, seed)
    assert_equal(add(add(a, b), c), add(a, add(b, c)))
    assert_equal(add(a, b), add(b, a))


@pytest.mark.core
@families
def test_statistics_of_no_rows_are_the_identity(kind):
    family = cases.make_family(kind)
    _, _, (a, *_) = parts(kind, 0)
    scorer = family.summer(K, D)
    none = family.statistics(scorer, scorer.zeros())
    for both in (family.add(a, none), family.add(none, a)):
        for left, right in zip(both, a, strict=True):
            np.testing.assert_array_equal(left, right)
    nothing = family.add(none, none)
    assert all(np.isfinite(part).all() for part in nothing)
    assert not nothing.weight.any()
    assert not nothing.scatter.any()


@families
def test_a_component_without_rows_in_one_part(kind):
    family = cases.make_family(kind)
    rng = np.random.default_rng(1)
    X, resp = cases.blobs(20, D, rng), cases.random_resp(20, K, rng)
    resp[:10, 1] = 0.0
    whole = statistics(kind, X, resp)
    a, b = (statistics(kind, X[rows], resp[rows]) for rows in (slice(10), slice(10, 20)))
    assert_equal(family.add(a, b), whole)
    assert_equal(family.add(b, a), whole)


@pytest.mark.core
@families
@settings(max_examples=10, deadline=None)
@given(seed=seeds, cut=st.lists(st.integers(0, 42), max_size=4))
def test_split_blocks_are_the_whole(kind, seed, cut):
    family = cases.make_family(kind)
    X, resp, _ = parts(kind, seed)
    X, resp = np.vstack(X), np.vstack(resp)
    scorer = family.summer(K, D)
    total = family.statistics(scorer, scorer.zeros())
    edges = sorted({0, *cut, len(X)})
    for a, b in pairwise(edges):
        total = family.add(total, statistics(kind, X[a:b], resp[a:b]))
    assert_equal(total, gaussian.statistics(kind, X, resp))


@families
def test_sums_of_one_scorer_add_up_array_by_array(kind):
    family = cases.make_family(kind)
    X, resp, _ = parts(kind, 5, n_parts=2)
    n_pairs = family.n_products(D)
    parameters = cases.random_parameters(kind, K, D, np.random.default_rng(0))
    for make in (family.packed_scorer, family.centred_scorer):
        scorer = make(parameters, np.zeros(K))
        one, two = (cases.sums_of(scorer, X[i], resp[i], n_pairs) for i in range(2))
        both = tuple(a + b for a, b in zip(one, two, strict=True))
        wanted = gaussian.statistics(kind, np.vstack(X), np.vstack(resp))
        assert_equal(family.statistics(scorer, both), wanted)


@pytest.mark.core
@families
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_integer_weights_are_repeated_rows(kind, seed):
    rng = np.random.default_rng(seed)
    X, resp = cases.blobs(20, D, rng), rng.dirichlet(np.ones(K), 20)
    counts = rng.integers(0, 4, 20)
    counts[0] = 1
    weighted = statistics(kind, X, counts[:, None] * resp)
    repeated = statistics(kind, np.repeat(X, counts, axis=0), np.repeat(resp, counts, axis=0))
    assert_equal(weighted, repeated)


@pytest.mark.core
@families
@pytest.mark.parametrize("factor", [0.0, 0.25, 3.0])
def test_scale_counts_rows_that_often(kind, factor):
    family = cases.make_family(kind)
    X, resp, (stats, *_) = parts(kind, 3)
    scaled = family.scale(stats, factor)
    if factor:
        assert_equal(scaled, statistics(kind, X[0], factor * resp[0]))
    else:
        assert_equal(family.add(stats, scaled), stats)
    # Scaling distributes over addition.
    _, _, (a, b, _) = parts(kind, 4)
    left = family.scale(family.add(a, b), 0.7)
    assert_equal(left, family.add(family.scale(a, 0.7), family.scale(b, 0.7)))


@families
@settings(max_examples=10, deadline=None)
@given(seed=seeds, shift=st.sampled_from([1e4, 1e8]))
def test_addition_loses_no_digits_far_from_the_origin(kind, seed, shift):
    # The parts' own statistics are exact; only their addition is on trial.
    family = cases.make_family(kind)
    _, _, (a, b, _) = parts(kind, seed)
    far = family.add(a._replace(mean=a.mean + shift), b._replace(mean=b.mean + shift))
    near = family.add(a, b)
    np.testing.assert_allclose(far.mean - shift, near.mean, atol=8 * np.spacing(shift))
    apart = np.abs(near.mean).max() + np.abs(near.scatter).max()
    np.testing.assert_allclose(
        far.scatter, near.scatter, rtol=1e-11, atol=64 * np.spacing(shift) * apart
    )


@families
def test_scatter_is_never_negative_for_equal_rows(kind):
    X = np.full((30, D), 0.3)
    resp = cases.random_resp(30, K, np.random.default_rng(0))
    family = cases.make_family(kind)
    parameters = cases.random_parameters(kind, K, D, np.random.default_rng(0))
    centred = family.centred_scorer(parameters._replace(means=np.full((K, D), 0.3)), np.zeros(K))
    stats = cases.statistics_of(family, centred, X, resp)
    np.testing.assert_array_equal(stats.scatter, 0.0)
    np.testing.assert_array_equal(stats.mean, 0.3)


@families
@pytest.mark.parametrize(("a", "b"), [(0, 2), (2, 0), (1, 2)])
def test_a_merged_component_has_the_rows_of_both(kind, a, b):
    rng = np.random.default_rng(0)
    X, resp = cases.blobs(40, D, rng), cases.random_resp(40, K, rng)
    stats = statistics(kind, X, resp)
    before = [values.copy() for values in stats]
    merged = cases.make_family(kind).merge(stats, a, b)
    for values, copy in zip(stats, before, strict=True):
        np.testing.assert_array_equal(values, copy)
    together = resp.copy()
    together[:, a] += resp[:, b]
    together[:, b] = 0.0
    weight, mean, scatter = gaussian.statistics(kind, X, together)
    np.testing.assert_allclose(merged.weight, weight, rtol=1e-12)
    np.testing.assert_allclose(np.delete(merged.mean, b, 0), np.delete(mean, b, 0), rtol=1e-11)
    np.testing.assert_allclose(merged.scatter, scatter, rtol=1e-10, atol=1e-11)


@families
def test_a_component_without_rows_merges_with_any(kind):
    rng = np.random.default_rng(0)
    X, resp = cases.blobs(40, D, rng), cases.random_resp(40, K, rng)
    resp[:, 1:] = 0.0
    stats = statistics(kind, X, resp)
    for a, b in ((0, 1), (1, 2), (1, 0)):
        merged = cases.make_family(kind).merge(stats, a, b)
        moved = resp[:, [1, 0, 2]] if (a, b) == (1, 0) else resp
        weight, mean, scatter = gaussian.statistics(kind, X, moved)
        np.testing.assert_allclose(merged.weight, weight, rtol=1e-12)
        some = weight > 0
        np.testing.assert_allclose(merged.mean[some], mean[some], rtol=1e-11)
        np.testing.assert_allclose(merged.scatter, scatter, rtol=1e-10, atol=1e-11)
