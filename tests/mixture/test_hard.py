"""Hard assignments: Lloyd's k-means, and what classification EM promises."""

import warnings

import numpy as np
import pytest
from oracles import elbo
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from mixture.tables import (
    assert_same_bits,
    assert_sound,
    blobs,
    core,
    every_conjugate_type,
    every_estimator,
    every_type,
    every_weight_prior,
    fit,
    log_joint,
    one_hot,
    soft_start,
    variational,
)
from skem import EMGaussianMixture
from skem.families.parsimonious import PARSIMONIOUS

EQUAL = {"weight_concentration_prior": float("inf")}
D = 3
LLOYD = {"covariance_type": "EII", "assignment": "hard", "reg_covar": 0.0, "tol": 0.0, **EQUAL}


def kmeans(X, centres, sample_weight=None):
    """Lloyd's algorithm to the end."""
    model = KMeans(len(centres), init=centres, n_init=1, algorithm="lloyd", tol=0.0, max_iter=1000)
    return model.fit(X, sample_weight=sample_weight)


def lloyd(X, centres, sample_weight=None, **parameters):
    return fit(
        X,
        len(centres),
        means_init=centres,
        init_params="random",
        random_state=0,
        sample_weight=sample_weight,
        **(LLOYD | {"max_iter": 1000} | parameters),
    )


def inertia_of(mixture, total_weight):
    """What the shared variance says of the squared distances."""
    return total_weight * mixture.means_.shape[1] * np.float64(mixture.covariances_[0, 0])


@core
@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
@pytest.mark.parametrize("seed", range(8))
def test_it_is_lloyds_k_means(seed, weighted):
    rng = np.random.default_rng(seed)
    n, k = 300, int(rng.integers(2, 8))
    # Clusters that overlap, in columns of very different units.
    X = blobs(n, d=D, k=4, apart=1.0, seed=seed)[0] * [1.0, 3.0, 0.2] + 100.0
    weight = rng.uniform(0.1, 3.0, n) if weighted else None
    centres = X[rng.choice(n, k, replace=False)]
    wanted, mixture = kmeans(X, centres, weight), lloyd(X, centres, weight)
    assert mixture.converged_
    np.testing.assert_array_equal(mixture.predict(X), wanted.labels_)
    np.testing.assert_allclose(mixture.means_, wanted.cluster_centers_, rtol=1e-10)
    total = n if weight is None else weight.sum()
    assert inertia_of(mixture, total) == pytest.approx(wanted.inertia_, rel=1e-10)
    np.testing.assert_array_equal(mixture.weights_, np.full(k, 1 / k))
    assert mixture.n_parameters() == k * D + 1
    # The bound is the inertia by another name.
    variance = wanted.inertia_ / (total * D)
    bound = -np.log(k) - 0.5 * D * (np.log(2 * np.pi * variance) + 1)
    assert mixture.lower_bound_ == pytest.approx(bound, rel=1e-10)


def test_it_is_lloyds_k_means_in_float32_and_on_shifted_rows():
    X = blobs(400, d=D, k=4, apart=1.5)[0]
    for rows in (X.astype(np.float32), X + 1e7):
        centres = rows[:5]
        wanted, mixture = kmeans(np.float64(rows), np.float64(centres)), lloyd(rows, centres)
        np.testing.assert_array_equal(mixture.predict(rows), wanted.labels_)
        assert inertia_of(mixture, len(rows)) == pytest.approx(wanted.inertia_, rel=1e-6)


def test_each_iteration_is_one_of_lloyds():
    X = blobs(200, d=D, k=3, apart=0.8)[0]
    centres = X[:4].copy()
    for max_iter in range(1, 6):
        labels = ((X[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.array([X[labels == k].mean(axis=0) for k in range(4)])
        mixture = lloyd(X, X[:4], max_iter=max_iter)
        np.testing.assert_allclose(mixture.means_, centres, rtol=1e-10)


@core
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical", *PARSIMONIOUS])
@pytest.mark.parametrize("equal", [False, True], ids=["free", "equal"])
def test_the_bound_is_the_classification_likelihood_and_never_falls(covariance_type, equal):
    X, _ = blobs(n=250, d=D, apart=1.2, seed=3)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, size=len(X))
    mixture = fit(
        X,
        3,
        covariance_type=covariance_type,
        assignment="hard",
        init_params=soft_start(len(X), 3, seed=5),
        sample_weight=weight,
        reg_covar=0.0,
        tol=0.0,
        max_iter=500,
        **(EQUAL if equal else {}),
    )
    assert mixture.converged_
    joint = log_joint(mixture, X)
    wanted, labels = np.average(joint.max(axis=1), weights=weight), joint.argmax(axis=1)
    assert mixture.lower_bound_ == pytest.approx(wanted, rel=1e-10)
    np.testing.assert_array_equal(mixture.predict(X), labels)
    bounds = np.asarray(mixture.lower_bounds_)
    assert (np.diff(bounds) >= -1e-13 * np.abs(bounds[1:])).all()
    assert bounds[-1] - bounds[0] > 1e-4
    # The classification likelihood is less than the likelihood, by the entropy at least.
    assert mixture.lower_bound_ < mixture.score(X, sample_weight=weight)
    # No row changes any more: its M-step returns the same parameters.
    again = fit(
        X,
        3,
        covariance_type=covariance_type,
        init_params=one_hot(labels, 3),
        sample_weight=weight,
        reg_covar=0.0,
        max_iter=0,
        **(EQUAL if equal else {}),
    )
    np.testing.assert_allclose(again.means_, mixture.means_, rtol=1e-10)
    np.testing.assert_allclose(again.weights_, mixture.weights_, rtol=1e-12)


@every_type
def test_what_comes_out_is_a_mixture(covariance_type):
    X, _ = blobs(n=120, d=2, apart=1.5, seed=7)
    mixture = fit(
        X, covariance_type=covariance_type, assignment="hard", tol=0.0, random_state=0, max_iter=500
    )
    resp = mixture.predict_proba(X)
    labels = mixture.predict(X)
    np.testing.assert_array_equal(labels, resp.argmax(axis=1))
    np.testing.assert_allclose(mixture.weights_, np.bincount(labels, minlength=3) / len(X))
    assert ((resp > 0.01) & (resp < 0.99)).any()  # the mixture's own, not 0 and 1


def test_rows_between_two_components_are_the_first_ones():
    X = np.array([[-1.0], [0.0], [1.0]])
    for centres, labels in (([[-1.0], [1.0]], [0, 0, 1]), ([[1.0], [-1.0]], [1, 0, 0])):
        mixture = lloyd(X, np.array(centres), max_iter=1)
        expected = [X[np.array(labels) == k].mean() for k in range(2)]
        np.testing.assert_allclose(mixture.means_[:, 0], expected, rtol=1e-14)


@every_estimator
def test_the_best_of_several_starts(estimator):
    X, _ = blobs(n=200, d=2, k=6, apart=2.0, seed=2)
    common = {"estimator": estimator, "assignment": "hard", "init_params": "random_from_data"}
    bounds = [fit(X, 6, n_init=n, random_state=0, **common).lower_bound_ for n in (1, 4, 12)]
    assert bounds[0] < bounds[2]
    assert bounds == sorted(bounds)


@core
@every_estimator
@every_type
def test_threads_and_blocks(estimator, covariance_type):
    X, _ = blobs(n=9000, d=2, k=2, apart=2.0)
    weight = np.random.default_rng(0).integers(0, 3, size=len(X)).astype(float)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "assignment": "hard",
        "init_params": "random_from_data",
        "random_state": 0,
        "max_iter": 2,
        "sample_weight": weight,
    }
    expected = fit(X, 2, n_jobs=1, **common)
    for n_jobs, block_size in ((3, None), (2, 8000)):
        assert_same_bits(fit(X, 2, n_jobs=n_jobs, block_size=block_size, **common), expected)


@every_estimator
@every_type
def test_integer_weights_are_repeated_rows(estimator, covariance_type):
    X, _ = blobs(n=150, d=2, apart=1.5)
    counts = np.random.default_rng(0).integers(0, 4, size=len(X))
    start = soft_start(len(X), 3)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "assignment": "hard",
        "reg_covar": 0.0,
    }
    weighted = fit(X, init_params=start, sample_weight=counts.astype(float), **common)
    repeated = fit(
        np.repeat(X, counts, axis=0), init_params=np.repeat(start, counts, axis=0), **common
    )
    assert weighted.n_iter_ == repeated.n_iter_
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-9)
    assert weighted.lower_bound_ == pytest.approx(repeated.lower_bound_, rel=1e-10)


@pytest.mark.parametrize("equal", [False, True], ids=["free", "equal"])
def test_a_component_without_rows_is_named_and_has_no_weight(equal):
    X = np.repeat([[0.0, 0.0], [5.0, 1.0]], 10, axis=0)
    X += 0.1 * np.random.default_rng(0).normal(size=X.shape)
    mixture = EMGaussianMixture(
        3,
        covariance_type="EII",
        assignment="hard",
        means_init=[[0.0, 0.0], [5.0, 1.0], [100.0, 100.0]],
        init_params="random",
        random_state=0,
        **(EQUAL if equal else {}),
    )
    with pytest.warns(ConvergenceWarning, match=r"\[2\] emptied"):
        mixture.fit(X)
    np.testing.assert_allclose(mixture.weights_, [0.5, 0.5, 0.0])
    np.testing.assert_allclose(mixture.means_[2], 100.0)
    assert np.isfinite(mixture.lower_bound_)
    assert (np.diff(mixture.lower_bounds_) >= 0).all()


@every_estimator
@every_type
def test_more_components_than_distinct_rows(estimator, covariance_type):
    X = np.repeat(blobs(n=3, d=2)[0], 5, axis=0)
    mixture = fit(X, 5, estimator=estimator, covariance_type=covariance_type, assignment="hard")
    assert_sound(mixture, X)


def test_equal_weights_with_soft_assignments():
    X, _ = blobs(n=200, d=2, k=2, apart=1.0, seed=1)
    mixture = fit(X, 2, random_state=0, tol=1e-9, max_iter=1000, reg_covar=0.0, **EQUAL)
    np.testing.assert_array_equal(mixture.weights_, [0.5, 0.5])
    assert mixture.lower_bound_ == pytest.approx(mixture.score(X), rel=1e-12)
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
    free = fit(X, 2, random_state=0, tol=1e-9, max_iter=1000, reg_covar=0.0)
    assert free.lower_bound_ > mixture.lower_bound_
    assert free.n_parameters() == mixture.n_parameters() + 1


def test_a_step_on_a_batch_is_one_of_online_k_means():
    # The batch's rows go to the nearest centre; means and counts are blended at the rate.
    X, _ = blobs(n=300, d=2, k=3, seed=4)
    first, second = X[:150], X[150:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = EMGaussianMixture(
            3,
            means_init=first[:3],
            init_params="random",
            random_state=0,
            learning_decay=0.8,
            learning_offset=2.0,
            **LLOYD,
        )
        mixture.partial_fit(first)
        centres, share, sums = first[:3], 0.0, 0.0
        for step, batch in enumerate((first, second), start=1):
            if step == 2:
                np.testing.assert_allclose(mixture.means_, centres, rtol=1e-10)
                mixture.partial_fit(second)
            labels = ((batch[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
            rate = 1.0 if step == 1 else (2.0 + step) ** -0.8
            resp = one_hot(labels, 3) / len(batch)
            share = (1 - rate) * share + rate * resp.sum(axis=0)
            sums = (1 - rate) * sums + rate * resp.T @ batch
            centres = sums / share[:, None]
    np.testing.assert_allclose(mixture.means_, centres, rtol=1e-10)
    # The bound is that of the batch at the new parameters.
    wanted = log_joint(mixture, second).max(axis=1).mean()
    assert mixture.lower_bound_ == pytest.approx(wanted, rel=1e-10)


@core
@every_conjugate_type
@every_weight_prior
def test_the_variational_bound_without_entropy(covariance_type, weight_prior):
    X, _ = blobs(n=200, d=2, apart=1.2, seed=3)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, size=len(X))
    common = {
        "covariance_type": covariance_type,
        "weight_prior": weight_prior,
        "init_params": soft_start(len(X), 4, seed=5),
        "sample_weight": weight,
        "max_iter": 500,
    }
    hard = variational(X, 4, assignment="hard", tol=0.0, **common)
    assert hard.converged_
    bounds = np.asarray(hard.lower_bounds_)
    assert (np.diff(bounds) >= -1e-12 * np.abs(bounds[1:])).all()
    # The oracle's bound with certain assignments, whose entropy is none.
    prior, posterior = elbo.prior_of(hard), elbo.posterior_of(hard)
    rho = elbo.log_rho(prior, posterior, X)
    weights = elbo.weights_terms(prior, posterior.weights)
    components = elbo.components_terms(prior, posterior)
    expected = (
        weight @ rho.max(axis=1),
        weights[0] - weights[1],
        components[0] - components[1],
        0.0,
    )
    np.testing.assert_allclose(hard.elbo_terms(), expected, rtol=1e-9, atol=1e-8)
    assert hard.lower_bound_ == pytest.approx(sum(expected), rel=1e-10)
    counts = weight @ one_hot(rho.argmax(axis=1), 4)
    np.testing.assert_allclose(hard.expected_counts_, counts, rtol=1e-10, atol=1e-10)
    # Doubt is worth something from there.
    before = hard.lower_bound_
    hard.set_params(assignment="soft", warm_start=True, max_iter=1, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert hard.fit(X, sample_weight=weight).lower_bound_ > before
