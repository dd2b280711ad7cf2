"""The mixing weights: a categorical distribution under a symmetric Dirichlet prior."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skem.families import CategoricalWeights

concentrations = pytest.mark.parametrize("concentration", [1.0, 1.5, 4.0, 50.0])


@pytest.mark.core
@concentrations
def test_log_prior_is_the_dirichlet_density(concentration):
    rng = np.random.default_rng(0)
    for n_components in (2, 5):
        weights = rng.dirichlet(np.full(n_components, 3.0))
        got = CategoricalWeights(concentration).log_prior(weights)
        wanted = stats.dirichlet(np.full(n_components, concentration)).logpdf(weights)
        # The flat prior's constant, log (K - 1)!, is left out: it counts as zero.
        assert got == pytest.approx(0.0 if concentration == 1.0 else wanted, rel=1e-12)


@pytest.mark.core
@concentrations
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n_components=st.integers(2, 5))
def test_mode_maximises_the_expected_log_joint(concentration, seed, n_components):
    rng = np.random.default_rng(seed)
    family, weight = CategoricalWeights(concentration), rng.uniform(0.5, 20.0, n_components)
    mode = family.mode(weight)
    assert mode.sum() == pytest.approx(1.0, abs=1e-14)

    def expected_log_joint(weights):
        return weight @ np.log(weights) + family.log_prior(weights)

    best = expected_log_joint(mode)
    for step in (1e-3, 0.1):
        for _ in range(5):
            other = mode * np.exp(step * rng.standard_normal(n_components))
            assert expected_log_joint(other / other.sum()) <= best + 1e-12 * abs(best)


@concentrations
def test_textbook_mode(concentration):
    weight = np.array([1.0, 4.0, 7.0])
    wanted = (weight + concentration - 1) / (12 + 3 * (concentration - 1))
    np.testing.assert_allclose(CategoricalWeights(concentration).mode(weight), wanted, rtol=1e-14)


def test_an_empty_component():
    np.testing.assert_array_equal(CategoricalWeights().mode(np.array([0.0, 3.0])), [0.0, 1.0])
    assert CategoricalWeights().log_prior(np.array([0.0, 1.0])) == 0.0
    assert CategoricalWeights(2.0).log_prior(np.array([0.0, 1.0])) == -np.inf
    assert (CategoricalWeights(2.0).mode(np.array([0.0, 3.0])) > 0).all()


def test_an_infinite_concentration_holds_weights_equal():
    held, weight = CategoricalWeights(np.inf), np.array([1.0, 40.0, 7.0])
    np.testing.assert_array_equal(held.mode(weight), np.full(3, 1 / 3))
    # The limit of what finite ones give.
    np.testing.assert_allclose(CategoricalWeights(1e9).mode(weight), held.mode(weight), rtol=1e-7)
    np.testing.assert_array_equal(held.mode(np.array([2.0, 0.0, 3.0])), [0.5, 0.0, 0.5])
    assert held.log_prior(np.full(3, 1 / 3)) == 0.0


def test_free_weights():
    assert [CategoricalWeights().n_parameters(k) for k in (1, 2, 7)] == [0, 1, 6]
    assert CategoricalWeights(np.inf).n_parameters(7) == 0


def test_pickle():
    family = CategoricalWeights(2.5)
    assert pickle.loads(pickle.dumps(family)) == family
