"""Packed and centred scorers against scipy.stats, and against each other."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cases, gaussian

families = pytest.mark.parametrize("kind", gaussian.KINDS)
forms = pytest.mark.parametrize("form", ["packed_scorer", "centred_scorer"])
LOG_2PI = np.log(2 * np.pi)


def constants(family, parameters, log_weights):
    n_features = parameters.means.shape[1]
    log_det = family.log_det_factors(parameters.factors, n_features)
    return log_weights + log_det - 0.5 * n_features * LOG_2PI


def make(kind, form, theta):
    family = cases.make_family(kind)
    with np.errstate(divide="ignore"):
        level = constants(family, theta.components, np.log(theta.weights))
    return getattr(family, form)(theta.components, level)


def score(kind, scorer, X, n_components):
    n_pairs = cases.make_family(kind).n_products(X.shape[1])
    return cases.scores_of(scorer, X, n_components, n_pairs)


@pytest.mark.core
@families
@forms
@settings(max_examples=12, deadline=None)
@given(
    n_components=st.integers(1, 4),
    n_features=st.integers(1, 4),
    width=st.sampled_from([1e-2, 1.0, 1e2]),
    seed=st.integers(0, 10**6),
)
def test_scores_are_log_joint_densities(kind, form, n_components, n_features, width, seed):
    rng = np.random.default_rng(seed)
    theta = cases.random_theta(kind, n_components, n_features, rng, width=width, spread=width)
    X = 2 * width * rng.standard_normal((9, n_features))
    got = score(kind, make(kind, form, theta), X, n_components)
    wanted = gaussian.log_joint(
        kind, X, theta.weights, theta.components.means, theta.components.covariances
    )
    np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.core
@families
@forms
def test_a_component_of_no_weight_scores_minus_infinity(kind, form):
    rng = np.random.default_rng(0)
    theta = cases.random_theta(kind, 3, 2, rng)
    theta = theta._replace(weights=np.array([0.4, 0.0, 0.6]))
    got = score(kind, make(kind, form, theta), rng.standard_normal((9, 2)), 3)
    assert (got[:, 1] == -np.inf).all()
    assert np.isfinite(got[:, [0, 2]]).all()


@families
@forms
def test_add_constants(kind, form):
    rng = np.random.default_rng(1)
    theta = cases.random_theta(kind, 3, 2, rng)
    X, more = rng.standard_normal((9, 2)), np.array([0.5, -2.0, 7.0])
    scorer = make(kind, form, theta)
    before = score(kind, scorer, X, 3)
    np.testing.assert_allclose(
        score(kind, scorer.add_constants(more), X, 3), before + more, rtol=1e-13, atol=1e-13
    )
    np.testing.assert_array_equal(score(kind, scorer, X, 3), before)


@pytest.mark.core
@families
@forms
def test_sums_become_the_same_statistics(kind, form):
    rng = np.random.default_rng(2)
    theta = cases.random_theta(kind, 3, 2, rng)
    X, resp = cases.blobs(40, 2, rng), cases.random_resp(40, 3, rng)
    got = cases.statistics_of(cases.make_family(kind), make(kind, form, theta), X, resp)
    for part, wanted in zip(got, gaussian.statistics(kind, X, resp), strict=True):
        np.testing.assert_allclose(part, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.core
@families
@forms
def test_pickle(kind, form):
    rng = np.random.default_rng(3)
    scorer = make(kind, form, cases.random_theta(kind, 3, 2, rng))
    X = rng.standard_normal((9, 2))
    again = pickle.loads(pickle.dumps(scorer))
    np.testing.assert_array_equal(score(kind, again, X, 3), score(kind, scorer, X, 3))


@families
def test_pickle_of_a_family(kind):
    family = cases.make_family(kind, 1e-3)
    again = pickle.loads(pickle.dumps(family))
    assert again == family
    assert again.reg_covar == 1e-3


@families
def test_summer_sums_about_the_origin(kind):
    family = cases.make_family(kind)
    rng = np.random.default_rng(4)
    X, resp = cases.blobs(40, 2, rng), cases.random_resp(40, 3, rng)
    n_pairs = family.n_products(2)
    sums = cases.sums_of(family.summer(3, 2), X, resp, n_pairs)
    weight, first, second = family.unpack(sums)
    np.testing.assert_allclose(weight, resp.sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(first, resp.T @ X, rtol=1e-12, atol=1e-13)
    squares = [
        sum(r * np.outer(x, x) for r, x in zip(resp[:, k], X, strict=True)) for k in range(3)
    ]
    if kind == "tied":
        wanted = np.sum(squares, axis=0)
    else:
        wanted = np.array([gaussian.from_matrix(kind, one) for one in squares])
    np.testing.assert_allclose(second, wanted, rtol=1e-12, atol=1e-13)


@families
@forms
def test_pieces_of_uneven_size(kind, form):
    # Tiles of 7 rows, products for 3 rows and 2 pairs at a time.
    rng = np.random.default_rng(5)
    theta = cases.random_theta(kind, 2, 3, rng)
    family, scorer = cases.make_family(kind), make(kind, form, theta)
    X, n_pairs = rng.standard_normal((7, 3)), family.n_products(3)
    workplace = cases.filled_workplace(X, 2, n_pairs, (7, 1, (3, 2)))
    scorer.score(workplace.tile, workplace.space(scorer.space))
    wanted = gaussian.log_joint(
        kind, X, theta.weights, theta.components.means, theta.components.covariances
    )
    np.testing.assert_allclose(workplace.tile.scores[:, :7].T, wanted, rtol=1e-12)
