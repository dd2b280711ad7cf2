"""EM on clusters that are narrow and far apart, where packed sums would cancel."""

import numpy as np
import pytest
from oracles import cases, exact, gaussian

from skem.engine import Threads
from skem.families import CategoricalWeights
from skem.inference import MixtureParameters, PointRule, Start, batch_em, find_start

families = pytest.mark.parametrize("kind", gaussian.KINDS)
widths = pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6, 1e-8])
K, D, N = 2, 2, 40
CENTRES = np.array([[1.0, 1.0], [-1.0, -1.0]])


def narrow(kind, width):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], N // 2)
    X = CENTRES[labels] + width * rng.standard_normal((N, D))
    family = cases.make_family(kind)
    rule = PointRule(CategoricalWeights(), family, family.flat_prior(D))
    return cases.make_passes(cases.make_table(X), family, K), rule, labels


def assert_maximum_likelihood(kind, theta, X, labels):
    """What the rows' own clusters have, to 1e-6 of their width."""
    weight, mean, scatter = exact.statistics(X, np.eye(K)[labels])
    if kind == "tied":
        scatter = scatter.sum(axis=0)
    else:
        scatter = np.array([gaussian.from_matrix(kind, one) for one in scatter])
    _, means, wanted = gaussian.maximum_likelihood(kind, weight, mean, scatter, D)
    wanted = wanted.astype(float)
    width = np.sqrt(np.abs(wanted).max())
    np.testing.assert_allclose(theta.weights, 0.5, rtol=1e-12)
    np.testing.assert_allclose(
        theta.components.means, means.astype(float), rtol=0, atol=max(1e-6 * width, 5e-16)
    )
    np.testing.assert_allclose(
        theta.components.covariances, wanted, rtol=1e-6, atol=1e-6 * width**2
    )


def wide_start(kind, offset=0.0):
    family = cases.make_family(kind)
    covariances = 0.04 * family.identity(K, D)
    components = cases.random_parameters(kind, K, D, np.random.default_rng(0))
    return MixtureParameters(
        np.full(K, 0.5),
        components._replace(
            means=CENTRES + offset, covariances=covariances, factors=family.factorise(covariances)
        ),
    )


@families
@widths
@pytest.mark.parametrize("max_iter", [1, 2, 5])
@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_from_a_wide_start(kind, width, max_iter, offset):
    # The scores are safe in packed form, the sums are not: they belong to narrower clusters.
    passes, rule, labels = narrow(kind, width)
    with passes.engine:
        run = batch_em(
            passes,
            rule,
            wide_start(kind, offset),
            max_iter=max_iter,
            tol=1e-3,
            after_iteration=lambda *state: False,
        )
    assert_maximum_likelihood(kind, run.theta, passes.source.X, labels)


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
@widths
@pytest.mark.parametrize("max_iter", [1, 5])
def test_one_component_found_and_the_other_wide_and_off(kind, width, max_iter):
    # Sums are about the components' old means here, and the second one's is far off.
    passes, rule, labels = narrow(kind, width)
    theta = wide_start(kind)
    components = theta.components
    components.means[1] += 0.25
    components.covariances[0] *= (2 * width / 0.2) ** 2
    components = components._replace(factors=rule.family.factorise(components.covariances))
    with passes.engine:
        run = batch_em(
            passes,
            rule,
            theta._replace(components=components),
            max_iter=max_iter,
            tol=1e-3,
            after_iteration=lambda *state: False,
        )
    assert_maximum_likelihood(kind, run.theta, passes.source.X, labels)


@pytest.mark.core
@families
@widths
def test_from_given_responsibilities(kind, width):
    passes, rule, labels = narrow(kind, width)
    rng, table = np.random.RandomState(0), passes.source
    start = Start(np.eye(K)[labels], K, rng, table, np.zeros(D), np.ones(D))
    with Threads(1) as threads:
        passes = cases.make_passes(passes.source, rule.family, K, threads)
        theta = find_start(passes, rule, start)
    assert_maximum_likelihood(kind, theta, passes.source.X, labels)
