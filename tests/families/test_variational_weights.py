"""Posteriors of mixing weights: against draws, quadrature and every order of the components."""

from itertools import permutations

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import betaln

from skem.families import CategoricalWeights, StickBreakingWeights, Sticks

COUNTS = np.array([5.5, 0.3, 12.0, 0.0])


def drawn_weights(posterior, rng, n):
    """Draw weights (n, K), sticks by sticks where there are sticks."""
    if not isinstance(posterior, Sticks):
        return rng.dirichlet(posterior, size=n)
    a, b = posterior
    shares = np.array([rng.beta(a[k], b[k], size=n) for k in range(len(a) - 1)] + [np.ones(n)])
    weights, left = [], np.ones(n)
    for share in shares:
        weights.append(left * share)
        left = left * (1 - share)
    return np.array(weights).T


every_kind = pytest.mark.parametrize("kind", [CategoricalWeights, StickBreakingWeights])


@pytest.mark.core
@every_kind
@pytest.mark.parametrize("concentration", [0.4, 1.0, 6.0])
def test_expectations_are_those_of_draws(kind, concentration):
    weights = kind(concentration)
    posterior = weights.posterior(COUNTS)
    draws = drawn_weights(posterior, np.random.default_rng(0), 40_000)
    for values, expected in (
        (draws, weights.expected(posterior)),
        (np.log(np.maximum(draws, 1e-300)), weights.expected_log(posterior)),
    ):
        error = values.std(axis=0) / np.sqrt(len(draws))
        np.testing.assert_array_less(np.abs(values.mean(axis=0) - expected), 5 * error + 1e-12)
    np.testing.assert_allclose(weights.counts(posterior), COUNTS, atol=1e-12)


@pytest.mark.parametrize("concentration", [0.4, 1.0, 6.0])
def test_sticks_posterior_is_that_of_blei_and_jordan(concentration):
    a, b = StickBreakingWeights(concentration).posterior(COUNTS)
    np.testing.assert_allclose(a, [6.5, 1.3, 13.0, 1.0])
    np.testing.assert_allclose(b[:3], concentration + np.array([12.3, 12.0, 0.0]))
    # The last takes all that is left, for certain.
    assert b[3] == 0


def beta_divergence(a, b, c, d):
    """KL(Beta(a, b) || Beta(c, d)) by quadrature over the logit, without endpoints."""

    def integrand(x):
        share, rest = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x))
        q = (a - 1) * np.log(share) + (b - 1) * np.log(rest) - betaln(a, b)
        p = (c - 1) * np.log(share) + (d - 1) * np.log(rest) - betaln(c, d)
        return np.exp(q) * (q - p) * share * rest

    return integrate.quad(integrand, -60, 60, epsabs=1e-11, epsrel=1e-11, limit=500)[0]


@pytest.mark.core
@pytest.mark.parametrize("concentration", [0.7, 1.0, 6.0])
def test_divergence_by_quadrature(concentration):
    # Of two components the Dirichlet is a Beta distribution.
    flat = CategoricalWeights(concentration)
    posterior = flat.posterior(COUNTS[:2])
    expected = beta_divergence(*posterior, concentration, concentration)
    assert flat.divergence(posterior) == pytest.approx(expected, rel=1e-8)
    sticks = StickBreakingWeights(concentration)
    a, b = sticks.posterior(COUNTS)
    expected = sum(beta_divergence(a[k], b[k], 1.0, concentration) for k in range(3))
    assert sticks.divergence(Sticks(a, b)) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("concentration", [0.7, 6.0])
def test_divergence_of_many_weights_by_draws(concentration):
    weights = CategoricalWeights(concentration)
    posterior = weights.posterior(COUNTS)
    draws = np.random.default_rng(0).dirichlet(posterior, size=40_000)
    draws = np.maximum(draws, 1e-300) / np.maximum(draws, 1e-300).sum(axis=1, keepdims=True)
    ratio = stats.dirichlet(posterior).logpdf(draws.T)
    ratio -= stats.dirichlet(np.full(4, concentration)).logpdf(draws.T)
    error = ratio.std() / np.sqrt(len(ratio))
    assert weights.divergence(posterior) == pytest.approx(ratio.mean(), abs=5 * error)


@every_kind
@pytest.mark.parametrize("concentration", [1e-10, 0.5, 1.0, 1e6])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_no_rows_no_divergence(kind, concentration, n):
    weights = kind(concentration)
    posterior = weights.posterior(np.zeros(n))
    assert weights.divergence(posterior) == pytest.approx(0.0, abs=1e-8)
    assert np.isfinite(weights.expected(posterior)).all()
    np.testing.assert_allclose(weights.expected(posterior).sum(), 1.0)


def log_probability(counts, concentration):
    """ln p(counts) of a truncated process but for a constant: products of Beta integrals."""
    total = 0.0
    for k in range(len(counts) - 1):
        total += betaln(1 + counts[k], concentration + sum(counts[k + 1 :]))
        total -= betaln(1, concentration)
    return total


@pytest.mark.core
@pytest.mark.parametrize("concentration", [1e-6, 0.3, 1.0, 1.5, 4.0, 40.0])
def test_no_order_of_components_is_more_probable(concentration):
    weights = StickBreakingWeights(concentration)
    rng = np.random.default_rng(0)
    moved = 0
    for k in (1, 2, 3, 4, 5):
        for _ in range(12):
            counts = rng.gamma(0.5, 30.0, size=k) * rng.integers(0, 2, size=k)
            order = weights.order(weights.posterior(counts))
            assert sorted(order) == list(range(k))
            best = max(
                log_probability(counts[list(p)], concentration) for p in permutations(range(k))
            )
            chosen = log_probability(counts[order], concentration)
            assert chosen == pytest.approx(best, rel=1e-12, abs=1e-10)
            moved += not (np.diff(counts[order]) <= 0).all()
    # Above 1 a truncated process may prefer a larger last component; below never.
    assert (moved > 0) == (concentration > 1)


def test_the_order_of_a_dirichlet_is_by_count():
    weights = CategoricalWeights(0.5)
    order = weights.order(weights.posterior(COUNTS))
    assert order.tolist() == [2, 0, 1, 3]


@every_kind
def test_some_of_the_components(kind):
    # What is left of the weights is shared in the old proportions.
    weights = kind(0.8)
    posterior = weights.posterior(COUNTS[[2, 0, 1, 3]])
    kept = weights.take(posterior, np.array([0, 1]))
    before = weights.expected(posterior)[:2]
    np.testing.assert_allclose(weights.expected(kept), before / before.sum(), rtol=1e-12)
    logs = weights.expected_log(posterior)[:2]
    np.testing.assert_allclose(
        np.diff(weights.expected_log(kept)), np.diff(logs), rtol=1e-12, atol=1e-12
    )
