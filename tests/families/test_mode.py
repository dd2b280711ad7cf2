"""The mode maximises the expected log joint, with every combination of priors."""

import numpy as np
import pytest
from oracles import cases, gaussian

from skem.families import CategoricalWeights

families = pytest.mark.parametrize("kind", gaussian.CONJUGATE)
K, D = 2, 2
# Steps along a direction: small ones for the slope, large ones for a maximum, not a saddle.
STEPS = [1e-4, 1e-2, 0.3]


def case(kind, which, seed=0):
    rng = np.random.default_rng(seed)
    X, resp = cases.blobs(25, D, rng), cases.random_resp(25, K, rng)
    family = cases.make_family(kind)
    prior = cases.random_prior(kind, which, D, rng)
    stats = cases.statistics_of(family, family.summer(K, D), X, resp)
    return rng, family, prior, X, resp, stats


def update(family, prior, stats):
    blank = cases.random_parameters(kind_of(family), *stats.mean.shape, np.random.default_rng(9))
    return family.mode(stats, prior, blank)


def kind_of(family):
    return next(
        kind for kind in gaussian.CONJUGATE if type(cases.make_family(kind)) is type(family)
    )


def moved(kind, means, covariances, rng):
    """A curve of valid parameters through the given ones: t -> (means, covariances)."""
    towards = rng.standard_normal(means.shape)
    if kind in ("full", "tied"):
        roots = np.linalg.cholesky(covariances)
        turn = np.tril(rng.standard_normal(roots.shape))

        def at(t):
            root = roots + t * turn
            return means + t * towards, root @ np.swapaxes(root, -1, -2)
    else:
        turn = cases.alike(kind, rng.standard_normal(covariances.shape))

        def at(t):
            return means + t * towards, covariances * np.exp(t * turn)

    return at


@pytest.mark.core
@families
@pytest.mark.parametrize("which", cases.PRIORS)
def test_mode_is_a_maximum_of_the_expected_log_joint(kind, which):
    rng, family, prior, X, resp, stats = case(kind, which)
    means, covariances, _ = update(family, prior, stats)
    best = gaussian.expected_log_joint(kind, X, resp, means, covariances, prior)
    for _ in range(6):
        at = moved(kind, means, covariances, rng)
        for step in STEPS:
            there, back = (
                gaussian.expected_log_joint(kind, X, resp, *at(t), prior) for t in (step, -step)
            )
            assert there < best
            assert back < best
            if step == STEPS[0]:
                # At a maximum the slope is small beside the curvature's effect.
                slope = (there - back) / (2 * step)
                curvature = (2 * best - there - back) / step**2
                assert abs(slope) < 1e-4 * curvature


@families
@pytest.mark.parametrize("which", cases.PRIORS)
def test_mode_plus_reg_covar(kind, which):
    _, family, prior, _, _, stats = case(kind, which)
    plain = update(family, prior, stats)
    ridged = update(cases.make_family(kind, 0.125), prior, stats)
    np.testing.assert_array_equal(ridged.means, plain.means)
    for k in range(K):
        np.testing.assert_allclose(
            gaussian.matrix(kind, ridged.covariances, k, D),
            gaussian.matrix(kind, plain.covariances, k, D) + 0.125 * np.eye(D),
            rtol=1e-14,
        )


@pytest.mark.core
@families
@pytest.mark.parametrize("which", cases.PRIORS)
def test_factors_belong_to_the_covariances(kind, which):
    _, family, prior, _, _, stats = case(kind, which)
    parameters = update(family, prior, stats)
    precisions = family.precisions(parameters.factors)
    for k in range(K):
        product = gaussian.matrix(kind, parameters.covariances, k, D) @ gaussian.matrix(
            kind, precisions, k, D
        )
        np.testing.assert_allclose(product, np.eye(D), atol=1e-12)


@pytest.mark.core
@families
def test_flat_prior_gives_the_textbook_maximum_likelihood(kind):
    _, family, prior, X, resp, stats = case(kind, "ml")
    means, covariances, _ = update(family, prior, stats)
    _, wanted_means, wanted = gaussian.maximum_likelihood(
        kind, *gaussian.statistics(kind, X, resp), D
    )
    np.testing.assert_allclose(means, wanted_means, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(covariances, wanted, rtol=1e-11, atol=1e-13)


def test_full_mode_is_that_of_fraley_and_raftery():
    _, family, prior, X, resp, stats = case("full", "both")
    _, covariances, _ = update(family, prior, stats)
    weight, mean, scatter = gaussian.statistics("full", X, resp)
    kappa, nu = prior.mean_precision, prior.degrees_of_freedom
    for k in range(K):
        d = mean[k] - prior.mean
        shrunk = kappa * weight[k] / (kappa + weight[k]) * np.outer(d, d)
        wanted = (prior.covariance[0] + scatter[k] + shrunk) / (weight[k] + nu + D + 2)
        np.testing.assert_allclose(covariances[k], wanted, rtol=1e-12)


def with_an_empty_component(kind, which):
    rng, family, prior, X, resp, _ = case(kind, which)
    resp[:, 1] = 0.0
    stats = cases.statistics_of(family, family.summer(K, D), X, resp)
    previous = cases.random_parameters(kind, K, D, rng)
    return previous, prior, family.mode(stats, prior, previous)


@pytest.mark.core
@families
def test_an_empty_component_keeps_its_parameters(kind):
    previous, _, new = with_an_empty_component(kind, "ml")
    np.testing.assert_array_equal(new.means[1], previous.means[1])
    if kind not in gaussian.SHARED:
        np.testing.assert_array_equal(new.covariances[1], previous.covariances[1])
        assert not np.array_equal(new.covariances[0], previous.covariances[0])
    assert not np.array_equal(new.means[0], previous.means[0])


@families
def test_an_empty_component_takes_the_prior_mode(kind):
    _, prior, new = with_an_empty_component(kind, "both")
    np.testing.assert_allclose(new.means[1], prior.mean, rtol=1e-12)
    if kind not in gaussian.SHARED:
        nu, one = prior.degrees_of_freedom, prior.covariance[0]
        count = {"full": nu + D + 2, "diag": nu + 3, "spherical": nu + 2 + D}[kind]
        np.testing.assert_allclose(new.covariances[1], one / count, rtol=1e-12)


@families
def test_an_empty_component_with_a_prior_on_covariances_alone(kind):
    previous, prior, new = with_an_empty_component(kind, "cov")
    np.testing.assert_array_equal(new.means[1], previous.means[1])
    if kind not in gaussian.SHARED:
        nu, one = prior.degrees_of_freedom, prior.covariance[0]
        count = {"full": nu + D + 1, "diag": nu + 2, "spherical": nu + 2}[kind]
        np.testing.assert_allclose(new.covariances[1], one / count, rtol=1e-12)


@families
@pytest.mark.parametrize("factor", [1e-100, 1e-6, 1e6, 1e100])
def test_the_unit_of_the_weights_does_not_matter(kind, factor):
    _, family, prior, _, _, stats = case(kind, "ml")
    plain, scaled = update(family, prior, stats), update(family, prior, family.scale(stats, factor))
    np.testing.assert_allclose(scaled.means, plain.means, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(scaled.covariances, plain.covariances, rtol=1e-12, atol=1e-14)


@families
def test_expected_statistics_lead_back_to_the_parameters(kind):
    for reg_covar in (0.0, 0.01):
        family = cases.make_family(kind, reg_covar)
        rng = np.random.default_rng(0)
        theta = cases.random_theta(kind, 3, D, rng)
        stats = family.expected(theta.weights, theta.components)
        np.testing.assert_array_equal(stats.weight, theta.weights)
        got = update(family, family.flat_prior(D), stats)
        np.testing.assert_allclose(got.means, theta.components.means, rtol=1e-13)
        np.testing.assert_allclose(
            got.covariances, theta.components.covariances, rtol=1e-12, atol=1e-14
        )


def test_a_flat_concentration_gives_shares():
    weights = CategoricalWeights().mode(np.array([2.0, 6.0, 0.0]))
    np.testing.assert_allclose(weights, [0.25, 0.75, 0.0], rtol=1e-15)
