"""What a posterior says of rows: densities, assignments, draws."""

import numpy as np
import pytest
from oracles import elbo, gaussian
from scipy import stats

from mixture.tables import (
    blobs,
    component_prior,
    core,
    every_conjugate_type,
    every_type,
    every_weight_prior,
    soft_start,
    variational,
)

N, D = 12, 2


def small(covariance_type, weight_prior, d=D, n=N, k=3, **parameters):
    X, _ = blobs(n=n, d=d, apart=2.0, seed=6)
    parameters = {"random_state": 0, "max_iter": 20} | parameters
    return X, variational(
        X, k, covariance_type=covariance_type, weight_prior=weight_prior, **parameters
    )


@core
@every_conjugate_type
@every_weight_prior
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("given", [False, True], ids=["default", "given"])
def test_density_is_a_mixture_of_students_t(covariance_type, weight_prior, d, given):
    prior = component_prior(covariance_type, d) if given else {}
    X, mixture = small(covariance_type, weight_prior, d=d, **prior)
    rows = np.r_[X, 3 * X[::-1] + 1, [np.full(d, 1e3)]]
    expected = elbo.log_predictive(elbo.prior_of(mixture), elbo.posterior_of(mixture), rows)
    np.testing.assert_allclose(mixture.score_samples(rows), expected, rtol=1e-10, atol=1e-10)
    assert mixture.score(rows) == pytest.approx(expected.mean(), rel=1e-10)
    weight = np.random.default_rng(0).uniform(size=len(rows))
    weighted = np.average(expected, weights=weight)
    assert mixture.score(rows, sample_weight=weight) == pytest.approx(weighted, rel=1e-10)


@core
@every_conjugate_type
def test_density_of_one_component_is_a_ratio_of_evidences(covariance_type):
    X, mixture = small(covariance_type, "dirichlet_process", k=1)
    prior, rows = elbo.prior_of(mixture), 2 * blobs(n=8, d=D, seed=1)[0]
    before = elbo.log_evidence(prior, X, 1)
    ratios = [elbo.log_evidence(prior, np.r_[X, row[None]], 1) - before for row in rows]
    np.testing.assert_allclose(mixture.score_samples(rows), ratios, rtol=1e-9)


def wide_grid(n, widest):
    """Nodes on all numbers for densities with heavy tails: sinh-sinh, and their weights."""
    t, step = np.linspace(-widest, widest, n, retstep=True)
    inner = 0.5 * np.pi * np.sinh(t)
    return np.sinh(inner), step * np.cosh(inner) * 0.5 * np.pi * np.cosh(t)


@core
@every_conjugate_type
@every_weight_prior
def test_density_integrates_to_one(covariance_type, weight_prior):
    X, mixture = small(covariance_type, weight_prior, d=1)
    nodes, weights = wide_grid(2000, 4.0)
    density = np.exp(mixture.score_samples(X.mean() + nodes[:, None]))
    assert weights @ density == pytest.approx(1.0, abs=1e-6)
    X, mixture = small(covariance_type, weight_prior, d=2)
    nodes, weights = wide_grid(200, 3.4)
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(mixture.score_samples(X.mean(axis=0) + grid))
    assert np.outer(weights, weights).ravel() @ density == pytest.approx(1.0, abs=1e-8)


@core
@every_conjugate_type
@every_weight_prior
@pytest.mark.parametrize("gamma", [1e-3, 5.0])
def test_assignments_are_the_variational_responsibilities(covariance_type, weight_prior, gamma):
    X, mixture = small(covariance_type, weight_prior, d=3, n=25, weight_concentration_prior=gamma)
    rows = np.r_[X, 2 * X + 1]
    expected = elbo.responsibilities(elbo.prior_of(mixture), elbo.posterior_of(mixture), rows)
    resp = mixture.predict_proba(rows)
    np.testing.assert_allclose(resp, expected, rtol=1e-8, atol=1e-12)
    np.testing.assert_array_equal(mixture.predict(rows), expected.argmax(axis=1))
    np.testing.assert_array_equal(mixture.transform(rows), resp)
    np.testing.assert_allclose(mixture.expected_counts_, expected[:25].sum(axis=0), rtol=1e-8)


@every_type
@every_weight_prior
def test_attributes_are_expectations(covariance_type, weight_prior):
    _, mixture = small(covariance_type, weight_prior, n=30)
    prior, posterior = elbo.prior_of(mixture), elbo.posterior_of(mixture)
    share = elbo.expected_weights(prior, posterior.weights)
    np.testing.assert_allclose(mixture.weights_, share, rtol=1e-12)
    assert mixture.weights_.sum() == pytest.approx(1.0, rel=1e-12)
    precisions = gaussian.matrices(covariance_type, mixture.precisions_, 3, D)
    factors = gaussian.matrices(covariance_type, mixture.precisions_cholesky_, 3, D)
    for k in range(3):
        expected = stats.wishart(posterior.nu[k], np.linalg.inv(posterior.psi[k])).mean()
        np.testing.assert_allclose(precisions[k], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(factors[k] @ factors[k].T, expected, rtol=1e-9, atol=1e-12)
        assert (np.tril(factors[k], -1) == 0).all()


@pytest.fixture(scope="module")
def drawn():
    """Draws of each type's posterior of few rows, whose tails are heavy."""
    result = {}
    for number, name in enumerate(("full", "tied", "diag", "spherical")):
        _, mixture = small(name, ("dirichlet_process", "dirichlet_distribution")[number % 2])
        result[name] = mixture, *mixture.sample(20_000, random_state=3)
    return result


@core
@every_type
def test_draws_are_of_the_predictive_density(covariance_type, drawn):
    mixture, rows, labels = drawn[covariance_type]
    prior, posterior = elbo.prior_of(mixture), elbo.posterior_of(mixture)
    counts = np.bincount(labels, minlength=3)
    share = elbo.expected_weights(prior, posterior.weights)
    np.testing.assert_array_less(abs(counts - 20_000 * share), 5 * np.sqrt(20_000 * share) + 5)
    freedom, widths = elbo.tails(prior, posterior)
    # Any direction's marginal of a multivariate t is a t; independent ones' only the axes'.
    directions = [[1, 0], [0, 1]] + ([[1, 2], [1, -1]] if covariance_type != "diag" else [])
    for k in range(3):
        own = rows[labels == k]
        if len(own) < 100:
            continue
        for direction in np.array(directions, dtype=float):
            law = stats.t(
                freedom[k],
                loc=direction @ posterior.mean[k],
                scale=np.sqrt(direction @ widths[k] @ direction),
            )
            assert stats.kstest(own @ direction, law.cdf).pvalue > 1e-4


@every_type
def test_tails_of_features_belong_together_where_a_precision_is_shared(covariance_type, drawn):
    mixture, rows, labels = drawn[covariance_type]
    k = int(np.bincount(labels).argmax())
    posterior = elbo.posterior_of(mixture)
    white = np.linalg.solve(
        np.linalg.cholesky(posterior.psi[k]), (rows[labels == k] - posterior.mean[k]).T
    )
    correlation, p_value = stats.spearmanr(*np.abs(white))
    if covariance_type == "diag":
        assert p_value > 1e-4
    else:
        assert correlation > 0
        assert p_value < 1e-4


@every_type
def test_draws_score_as_draws_do(covariance_type, drawn):
    mixture, rows, _ = drawn[covariance_type]
    more, _ = mixture.sample(20_000, random_state=4)
    first, second = (mixture.score_samples(part) for part in (rows, more))
    error = np.hypot(first.std(), second.std()) / np.sqrt(20_000)
    assert abs(first.mean() - second.mean()) < 5 * error
    # A plug-in's draws are narrower than the posterior's width makes them.
    narrow = np.random.default_rng(0).multivariate_normal(
        mixture.means_[0],
        gaussian.matrices(covariance_type, mixture.covariances_, 3, D)[0],
        size=20_000,
    )
    own = rows[drawn[covariance_type][2] == 0]
    reach = [np.quantile(abs(part - mixture.means_[0]), 0.99) for part in (own, narrow)]
    assert reach[0] > 1.1 * reach[1]


@every_type
def test_information_criteria(covariance_type):
    X, mixture = small(covariance_type, "dirichlet_process", n=40)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=40)
    log_likelihood = weight @ mixture.score_samples(X)
    assert mixture.aic(X, weight) == pytest.approx(2 * mixture.n_parameters() - 2 * log_likelihood)
    penalty = mixture.n_parameters() * np.log(weight.sum())
    assert mixture.bic(X, weight) == pytest.approx(penalty - 2 * log_likelihood)
    certainty = weight @ np.log(mixture.predict_proba(X).max(axis=1))
    assert mixture.icl(X, weight) == pytest.approx(mixture.bic(X, weight) - 2 * certainty)


@every_type
@every_weight_prior
def test_a_component_without_rows_has_its_prior(covariance_type, weight_prior):
    X, _ = blobs(n=40, d=2, k=2, apart=8.0)
    prior = component_prior(covariance_type, 2)
    mixture = variational(
        X,
        6,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        weight_concentration_prior=1e-4,
        init_params=soft_start(40, 6),
        max_iter=500,
        **prior,
    )
    empty = mixture.expected_counts_ < 1e-9
    assert empty.sum() >= 3
    np.testing.assert_allclose(mixture.mean_precision_[empty], 0.6, rtol=1e-9)
    np.testing.assert_allclose(mixture.means_[empty], [prior["mean_prior"]] * empty.sum())
    if covariance_type != "tied":
        np.testing.assert_allclose(mixture.degrees_of_freedom_[empty], 3.7, rtol=1e-9)
        scatter = elbo.posterior_of(mixture).psi[empty]
        expected = elbo.prior_of(mixture).psi
        np.testing.assert_allclose(scatter, [expected] * empty.sum(), rtol=1e-9, atol=1e-12)
    if weight_prior == "dirichlet_distribution":
        np.testing.assert_allclose(mixture.weights_[empty], 1e-4 / (40 + 6e-4), rtol=1e-6)
