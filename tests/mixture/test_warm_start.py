"""A fit that goes on where an earlier one ended, as if it had not been interrupted."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skem import EMGaussianMixture, VariationalGaussianMixture
from skem.datasets import load_faithful

X = load_faithful().data
KINDS = (EMGaussianMixture, VariationalGaussianMixture)
OPTIONS = {"random_state": 0, "init_params": "kmeans", "tol": 1e-4}


def fit_again_and_again(mixture, most=200):
    """Fit until it has converged; return how many fits that took."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for number in range(1, most):
            if mixture.fit(X).converged_:
                return number
    return most


@pytest.mark.core
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_iter", [1, 2, 7])
def test_interrupted_fits_end_where_one_does(kind, max_iter):
    parts = kind(3, warm_start=True, max_iter=max_iter, **OPTIONS)
    n_fits = fit_again_and_again(parts)
    whole = kind(3, max_iter=500, **OPTIONS).fit(X)
    assert whole.converged_
    assert n_fits == -(-whole.n_iter_ // max_iter)
    assert parts.lower_bound_ == pytest.approx(whole.lower_bound_, rel=1e-13)
    np.testing.assert_allclose(parts.means_, whole.means_, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options", [{"assignment": "hard"}, {"acceleration": "squarem"}, {"acceleration": "anderson"}]
)
def test_an_iteration_at_a_time_converges(kind, options):
    mixture = kind(3, warm_start=True, max_iter=1, **OPTIONS, **options)
    assert fit_again_and_again(mixture) < 200


@pytest.mark.parametrize("kind", KINDS)
def test_gains_on_other_rows_do_not_count(kind):
    mixture = kind(2, warm_start=True, max_iter=200, **OPTIONS).fit(X)
    assert mixture.converged_
    moved = X[::2] + np.array([0.3, 4.0])
    mixture.fit(moved)
    fresh = kind(2, max_iter=500, **OPTIONS).fit(moved)
    assert mixture.n_iter_ > 1
    assert mixture.lower_bound_ == pytest.approx(fresh.lower_bound_, rel=1e-3)
