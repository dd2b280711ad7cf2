"""How many components: what the prior empties and what the bound chooses."""

import numpy as np
import pytest
from oracles import elbo

from mixture.tables import (
    TYPES,
    blobs,
    core,
    every_type,
    every_weight_prior,
    many_rows,
    one_hot,
    soft_start,
    variational,
)
from skem.datasets import load_faithful


@core
@every_weight_prior
def test_two_components_are_left_on_faithful(weight_prior):
    # Bishop 2006, figure 10.6.
    X = load_faithful().data
    for seed in range(3):
        mixture = variational(
            X, 6, weight_prior=weight_prior, weight_concentration_prior=1e-3, random_state=seed
        )
        assert mixture.converged_
        assert mixture.effective_n_components_ == 2
        np.testing.assert_allclose(mixture.expected_counts_[2:], 0.0, atol=1e-6)
        np.testing.assert_allclose(mixture.expected_counts_[:2], [174.8, 97.2], atol=0.5)


def separated(seed):
    """1 000 rows of two to seven clusters that lie six or more widths apart, and how many."""
    rng = np.random.default_rng(seed)
    d, k = 2 + seed % 4, 2 + (7 * seed) % 6
    centres = np.zeros((k, d))
    while min(np.linalg.norm(a - b) for i, a in enumerate(centres) for b in centres[:i]) < 6:
        centres = rng.uniform(-12, 12, size=(k, d))
    factors = np.eye(d) + 0.25 * rng.normal(size=(k, d, d))
    labels = rng.choice(k, size=1000, p=rng.dirichlet(np.full(k, 10.0)))
    noise = np.einsum("nij,nj->ni", factors[labels], rng.normal(size=(1000, d)))
    return centres[labels] + noise, k


@many_rows
@every_weight_prior
def test_the_bound_chooses_the_number_of_components(weight_prior):
    right = 0
    for seed in range(20):
        X, k = separated(seed)
        bounds = [
            variational(X, j, weight_prior=weight_prior, random_state=0).lower_bound_
            for j in range(1, 11)
        ]
        right += 1 + int(np.argmax(bounds)) == k
    assert right >= 18


@core
@every_type
def test_the_bound_chooses_the_covariance_type(covariance_type):
    rng = np.random.default_rng(3)
    labels = rng.integers(2, size=600)
    shared = np.array([[1.0, 0.9, 0.0], [0.0, 0.6, 0.5], [0.0, 0.0, 1.3]])
    factors = {
        "full": [shared, shared.T[::-1]],
        "tied": [shared, shared],
        "diag": [np.diag([1.0, 3.0, 0.3]), np.diag([2.0, 0.4, 1.0])],
        "spherical": [np.eye(3), 2 * np.eye(3)],
    }[covariance_type]
    noise = np.einsum("nij,nj->ni", np.array(factors)[labels], rng.normal(size=(600, 3)))
    X, bounds = noise + 30 * labels[:, None], {}
    for name in TYPES:
        mixture = variational(
            X,
            2,
            covariance_type=name,
            init_params=one_hot(labels, 2),
            mean_precision_prior=1e-3,
            covariance_prior={"diag": np.ones(3), "spherical": 1.0}.get(name, np.eye(3)),
            degrees_of_freedom_prior=4.0,
        )
        bounds[name] = mixture.lower_bound_
        # So far apart, the bound is the evidence of rows whose labels are known.
        evidence = elbo.log_evidence_given(
            elbo.prior_of(mixture), X, np.ones(600), np.argmax(mixture.predict_proba(X), axis=1), 2
        )
        assert bounds[name] == pytest.approx(evidence, abs=1e-6)
    assert max(bounds, key=bounds.get) == covariance_type


@core
@every_type
@pytest.mark.parametrize("gamma", [0.05, 1.0, 3.0, 50.0])
def test_no_other_order_has_a_higher_bound(covariance_type, gamma):
    X, _ = blobs(n=60, d=2, k=4, apart=3.0, seed=7)
    mixture = variational(
        X,
        4,
        covariance_type=covariance_type,
        weight_concentration_prior=gamma,
        init_params=soft_start(60, 4),
        max_iter=25,
        tol=0.0,
    )
    prior, a = elbo.prior_of(mixture), mixture.weight_concentration_[0]
    counts = a - 1
    best = counts[elbo.best_order(prior, counts)]
    # The last two may be equals: to gamma = 1 their order does not matter.
    assert elbo.log_order(prior, counts) >= elbo.log_order(prior, best) - 1e-12
    np.testing.assert_array_less(-1e-9, -np.diff(counts[:3]))
    # A prior for few components has them by decreasing count altogether.
    if gamma <= 1:
        assert counts[3] <= counts[2]


@every_type
@every_weight_prior
def test_one_partition_has_one_bound(covariance_type, weight_prior):
    # From starts that differ in the components' names alone.
    X, labels = blobs(n=90, d=2, k=4, apart=6.0, seed=2)
    rng = np.random.default_rng(0)
    mixtures = [
        variational(
            X,
            4,
            covariance_type=covariance_type,
            weight_prior=weight_prior,
            init_params=one_hot(rng.permutation(4)[labels], 4),
            tol=1e-10,
            max_iter=1000,
        )
        for _ in range(5)
    ]
    for mixture in mixtures[1:]:
        assert mixture.lower_bound_ == pytest.approx(mixtures[0].lower_bound_, rel=1e-9)
        np.testing.assert_array_equal(mixture.predict(X), mixtures[0].predict(X))


@core
@every_type
@every_weight_prior
def test_effective_components_and_their_counts(covariance_type, weight_prior):
    X, _ = blobs(n=100, d=2, k=2, apart=5.0, seed=3)
    mixture = variational(
        X,
        6,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        weight_concentration_prior=1e-2,
        random_state=0,
        max_iter=500,
    )
    resp = mixture.predict_proba(X)
    counts = np.array([sum(row[k] for row in resp) for k in range(6)])
    np.testing.assert_allclose(mixture.expected_counts_, counts, rtol=1e-8, atol=1e-12)
    assert mixture.effective_n_components_ == int((counts >= 1 / 6).sum()) < 6
    assert (np.diff(counts) <= 1e-6).all()
    assert isinstance(mixture.effective_n_components_, int)
    # Those that are not effective are no row's most probable component.
    assert set(mixture.predict(X)) <= set(np.flatnonzero(counts >= 1 / 6))


def test_the_threshold_follows_the_weights():
    X, _ = blobs(n=100, d=2, k=2, apart=5.0, seed=3)
    common = {"random_state": 0, "weight_concentration_prior": 1e-3, "max_iter": 500}
    light = variational(X, 6, sample_weight=np.full(100, 1e-3), **common)
    used = set(light.predict(X))
    assert light.effective_n_components_ >= len(used)
    weight = np.where(np.arange(100) % 2, 0.5, 0.0)
    half = variational(X, 6, sample_weight=weight, **common)
    assert half.effective_n_components_ == int((half.expected_counts_ >= 0.5 / 6).sum())
