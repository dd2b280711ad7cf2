"""Stochastic variational inference: the steps are Hoffman's, and lead to what a fit finds."""

import pickle

import numpy as np
import pytest
from oracles import elbo

from mixture.tables import (
    assert_close,
    assert_same_bits,
    blobs,
    component_prior,
    core,
    every_type,
    every_weight_prior,
    many_rows,
    soft_start,
    variational,
)
from skem import VariationalGaussianMixture
from skem.datasets import load_faithful

K, D = 3, 2

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make(covariance_type, weight_prior, **parameters):
    return VariationalGaussianMixture(
        K,
        covariance_type=covariance_type,
        weight_concentration_prior_type=weight_prior,
        **parameters,
    )


class Oracle:
    """Steps on natural parameters less the prior's: counts, first and second moments."""

    def __init__(self, decay, offset, population, prior=None):
        self.decay, self.offset, self.population, self.prior = decay, offset, population, prior
        self.steps, self.natural, self.posterior = 0, None, None

    def moments(self, X, resp, weight):
        """The population's, if it were batches like this one."""
        share = self.population / weight.sum()
        counts, first, second = np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))
        for row, r, w in zip(X, resp, weight, strict=True):
            away = row - self.prior.mean
            for k in range(K):
                counts[k] += share * w * r[k]
                first[k] += share * w * r[k] * away
                second[k] += share * w * r[k] * np.outer(away, away)
        return counts, first, second

    def start(self, X, resp, weight):
        self.posterior = elbo.update(self.prior, X, weight[:, None] * resp)

    def partial_fit(self, X, weight):
        self.steps += 1
        new = self.moments(X, elbo.responsibilities(self.prior, self.posterior, X), weight)
        if self.natural is not None:
            rate = (self.offset + self.steps) ** -self.decay
            new = [(1 - rate) * a + rate * b for a, b in zip(self.natural, new, strict=True)]
        else:
            # The first batch decides the order of the components.
            order = np.argsort(-new[0])
            new = [part[order] for part in new]
        self.natural = new
        self.posterior = elbo.update_by_moments(self.prior, *new)


def batches(n=40, count=4):
    X, _ = blobs(n=n * count, d=D, k=K, apart=2.0, seed=1)
    weight = np.random.default_rng(0).uniform(0.2, 2, size=n * count)
    return [(X[i : i + n], weight[i : i + n]) for i in range(0, n * count, n)]


@every_type
@every_weight_prior
@pytest.mark.parametrize(("decay", "offset"), [pytest.param(0.7, 10.0, marks=core), (1.0, 0.0)])
def test_steps_are_natural_gradients_by_hand(covariance_type, weight_prior, decay, offset):
    start = soft_start(40, K)
    mixture = make(
        covariance_type,
        weight_prior,
        init_params=start,
        learning_decay=decay,
        learning_offset=offset,
        **component_prior(covariance_type, D),
    )
    oracle = Oracle(decay, offset, 500.0)
    for number, (X, weight) in enumerate(batches(), start=1):
        mixture.partial_fit(X, sample_weight=weight, total_weight=500.0)
        if number == 1:
            oracle.prior = elbo.prior_of(mixture)
            oracle.start(X, start, weight)
        oracle.partial_fit(X, weight)
        elbo.assert_posterior(mixture, oracle.posterior, rtol=1e-8)
        # The population's bound, as this batch has it.
        weight = weight * 500 / weight.sum()
        terms = elbo.elbo_terms(oracle.prior, oracle.posterior, X, weight)
        np.testing.assert_allclose(mixture.elbo_terms(), terms, rtol=1e-8)
        assert mixture.lower_bound_ == pytest.approx(sum(terms), rel=1e-9)
        assert mixture.n_iter_ == len(mixture.lower_bounds_) == number


@core
@every_type
@every_weight_prior
def test_without_a_total_the_posterior_has_seen_the_batches(covariance_type, weight_prior):
    mixture = make(covariance_type, weight_prior, random_state=0)
    seen = 0.0
    for X, weight in batches():
        mixture.partial_fit(X, sample_weight=weight)
        seen += weight.sum()
        assert np.sum(mixture.mean_precision_ - 1) == pytest.approx(seen, rel=1e-10)
        assert mixture.expected_counts_.sum() == pytest.approx(seen, rel=1e-10)
    mixture.partial_fit(X, total_weight=1e4)
    assert np.sum(mixture.mean_precision_ - 1) == pytest.approx(1e4, rel=1e-10)


@every_type
@every_weight_prior
def test_steps_after_a_fit_go_on_from_it(covariance_type, weight_prior):
    (X, weight), (more, _), *_ = batches()
    mixture = variational(
        X,
        K,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        init_params=soft_start(40, K),
        sample_weight=weight,
        max_iter=4,
    )
    oracle = Oracle(0.7, 10.0, 300.0, elbo.prior_of(mixture))
    oracle.posterior = elbo.posterior_of(mixture)
    # What the fitted posterior expects of its own rows is where steps go on.
    resp = elbo.responsibilities(oracle.prior, oracle.posterior, X)
    oracle.natural = oracle.moments(X, resp, weight)
    for rows in (more, X):
        oracle.partial_fit(rows, np.ones(40))
        mixture.partial_fit(rows, total_weight=300.0)
        elbo.assert_posterior(mixture, oracle.posterior, rtol=1e-8)
    assert mixture.n_iter_ == 2


@every_type
@every_weight_prior
def test_the_whole_table_as_one_batch_is_an_iteration(covariance_type, weight_prior):
    X, _ = blobs(n=100, d=D)
    # In the order of the components that a fit would give them.
    start = np.sort(soft_start(100, K))[:, ::-1]
    step = make(covariance_type, weight_prior, init_params=start).partial_fit(X)
    whole = variational(
        X,
        K,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        init_params=start,
        max_iter=1,
    )
    assert_close(step, whole)
    assert step.lower_bound_ == pytest.approx(whole.lower_bound_, rel=1e-11)
    np.testing.assert_allclose(step.expected_counts_, whole.expected_counts_, rtol=1e-10)


def one_pass(mixture, X, size, seed):
    order = np.random.default_rng(seed).permutation(len(X))
    for i in range(0, len(X) - size + 1, size):
        mixture.partial_fit(X[order[i : i + size]], total_weight=float(len(X)))
    return mixture


def lost_by_one_pass(X, held, k, size, seed, covariance_type, weight_prior, rates=({},)):
    """What one pass scores below a fit on other rows, in nats per row, from a start of one kind.

    One number for each of the rates.
    """
    common = {"covariance_type": covariance_type, "random_state": seed, "init_params": "kmeans"}
    batch = variational(X, k, weight_prior=weight_prior, max_iter=500, **common)
    common["weight_concentration_prior_type"] = weight_prior
    passes = [
        one_pass(VariationalGaussianMixture(k, **common, **rate), X, size, seed) for rate in rates
    ]
    return [batch.score(held) - steps.score(held) for steps in passes]


@every_type
@every_weight_prior
def test_one_pass_over_faithful_in_twenty_orders(covariance_type, weight_prior):
    X, lost = load_faithful().data, []
    # By default later batches count for more than the first ones, so that fewer rows count in all.
    rates = [{}, {"learning_decay": 1.0, "learning_offset": 0.0}]
    for seed in range(20):
        order = np.random.default_rng(100 + seed).permutation(len(X))
        train, held = X[order[:200]], X[order[200:]]
        lost.append(
            lost_by_one_pass(train, held, 2, 25, seed, covariance_type, weight_prior, rates)
        )
    np.testing.assert_array_less(np.mean(lost, axis=0), [0.02, 0.01])


@core
@many_rows
@every_type
def test_one_pass_over_a_long_table(covariance_type):
    X, _ = blobs(n=101_000, d=3, k=4, apart=3.0, seed=2)
    (lost,) = lost_by_one_pass(
        X[:100_000], X[100_000:], 4, 1000, 0, covariance_type, "dirichlet_process"
    )
    assert lost < 0.02


@every_type
@every_weight_prior
def test_the_same_rows_again_and_again_stay_at_the_fit(covariance_type, weight_prior):
    X, _ = blobs(n=80, d=D, apart=4.0)
    mixture = variational(
        X,
        K,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        random_state=0,
        tol=1e-12,
        max_iter=2000,
    )
    before, bound = elbo.posterior_of(mixture), mixture.lower_bound_
    for _ in range(5):
        mixture.partial_fit(X, total_weight=80.0)
    elbo.assert_posterior(mixture, before, rtol=1e-5)
    assert mixture.lower_bound_ == pytest.approx(bound, rel=1e-9)


@core
@every_type
@every_weight_prior
def test_a_pickle_goes_on_with_the_same_bits(covariance_type, weight_prior):
    (first, weight), (second, _), (third, _), _ = batches()
    mixture = make(covariance_type, weight_prior, random_state=0)
    mixture.partial_fit(first, sample_weight=weight).partial_fit(second)
    copy = pickle.loads(pickle.dumps(mixture))
    assert_same_bits(copy.partial_fit(third), mixture.partial_fit(third), third)
    assert copy.elbo_terms() == mixture.elbo_terms()


@every_type
@every_weight_prior
def test_integer_weights_are_repeated_rows(covariance_type, weight_prior):
    count = np.random.default_rng(0).integers(0, 4, size=40)
    start = soft_start(40, K)
    weighted = make(covariance_type, weight_prior, init_params=start)
    repeated = make(covariance_type, weight_prior, init_params=np.repeat(start, count, axis=0))
    for X, _ in batches():
        weighted.partial_fit(X, sample_weight=count)
        repeated.partial_fit(np.repeat(X, count, axis=0))
        assert_close(weighted, repeated, rtol=1e-9)
        assert weighted.lower_bound_ == pytest.approx(repeated.lower_bound_, rel=1e-10)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, "all", True])
def test_a_bad_total_is_named(bad):
    X, _ = blobs()
    with pytest.raises(ValueError, match=r"'total_weight' parameter of .* must be .* Got"):
        VariationalGaussianMixture(2).partial_fit(X, total_weight=bad)


def test_a_single_row_and_other_widths():
    X, _ = blobs()
    mixture = VariationalGaussianMixture(3, random_state=0).partial_fit(X)
    mixture.partial_fit(X[:1])
    assert np.isfinite(mixture.score_samples(X)).all()
    with pytest.raises(ValueError, match=r"X has 2 features, .* expecting 3 features"):
        mixture.partial_fit(X[:, :2])
    with pytest.raises(ValueError, match="n_components"):
        mixture.set_params(n_components=5).partial_fit(X)
