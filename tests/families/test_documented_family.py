"""The family that the guide writes out step by step."""

import numpy as np
import pytest

from families.documented import documented
from skem import EMGaussianMixture
from skem.families import GAUSSIAN_FAMILIES


@pytest.fixture
def shared_diag(monkeypatch):
    with documented("shared_diag") as module:
        monkeypatch.setitem(GAUSSIAN_FAMILIES, "shared_diag", module.SharedDiagonalGaussian)
        yield


@pytest.mark.parametrize("prior", [{}, {"degrees_of_freedom_prior": 4.0, "mean_prior": [0.0] * 3}])
def test_registered_it_fits_like_the_others(shared_diag, prior):
    rng = np.random.default_rng(0)
    X = np.vstack([centre + [1.0, 0.5, 2.0] * rng.standard_normal((50, 3)) for centre in (-3, 3)])
    resp = rng.dirichlet([1.0, 1.0], size=len(X))
    mixture = EMGaussianMixture(
        2, covariance_type="shared_diag", init_params=resp, reg_covar=0.0, tol=1e-9, **prior
    ).fit(X)
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
    assert mixture.n_parameters() == 1 + 6 + 3
    assert mixture.covariances_.shape == (3,)
    if not prior:
        # The M-step of maximum likelihood, row by row.
        resp, wanted = mixture.predict_proba(X), np.zeros(3)
        for k in range(2):
            mean = resp[:, k] @ X / resp[:, k].sum()
            wanted += resp[:, k] @ (X - mean) ** 2
        np.testing.assert_allclose(mixture.covariances_, wanted / len(X), rtol=1e-6)
    assert mixture.partial_fit(X).sample(5)[0].shape == (5, 3)
