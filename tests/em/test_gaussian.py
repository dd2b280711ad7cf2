"""The built-in Gaussian mixture, written as a model of one's own."""

import numpy as np
import pytest

from em.models import Gaussians, blobs
from skem import EMGaussianMixture
from skem.em import fit


@pytest.mark.core
@pytest.mark.parametrize("weighted", [False, True])
def test_it_agrees_with_the_built_in_one(weighted):
    X = blobs()
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(X)) if weighted else None
    start = Gaussians(3).start(X, np.random.RandomState(0))
    with pytest.warns(match="did not converge"):
        built_in = EMGaussianMixture(
            3,
            weights_init=start[0],
            means_init=start[1],
            precisions_init=np.linalg.inv(start[2]),
            reg_covar=0.0,
            max_iter=40,
            tol=0.0,
        ).fit(X, sample_weight=weight)
    with pytest.warns(match="did not converge"):
        own = fit(Gaussians(3), X, start, sample_weight=weight, max_iter=40, tol=0.0)
    total = len(X) if weight is None else weight.sum()
    assert len(own.bounds) == 40
    np.testing.assert_allclose(own.bounds, total * np.array(built_in.lower_bounds_), rtol=1e-10)
    np.testing.assert_allclose(own.theta[0], built_in.weights_, rtol=1e-10)
    np.testing.assert_allclose(own.theta[1], built_in.means_, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(own.theta[2], built_in.covariances_, rtol=1e-10, atol=1e-10)


def test_to_convergence_it_agrees_as_well():
    X = blobs()
    start = Gaussians(2).start(X, np.random.RandomState(3))
    built_in = EMGaussianMixture(
        2,
        weights_init=start[0],
        means_init=start[1],
        precisions_init=np.linalg.inv(start[2]),
        reg_covar=0.0,
        max_iter=10_000,
        tol=1e-14,
    ).fit(X)
    own = fit(Gaussians(2), X, start, max_iter=10_000, tol=1e-14)
    assert own.converged
    np.testing.assert_allclose(own.bound / len(X), built_in.lower_bound_, rtol=1e-10)
