"""`acceleration` of the estimators: the same promises, fewer iterations."""

import re

import numpy as np
import pytest

from mixture.tables import (
    assert_same_bits,
    blobs,
    core,
    every_estimator,
    every_type,
    fit,
)
from skem.inference import ACCELERATIONS

every_method = pytest.mark.parametrize("acceleration", sorted(ACCELERATIONS))


def overlapping(n=400):
    return blobs(n, apart=0.9, seed=3)[0]


@core
@every_estimator
@every_method
@every_type
def test_the_bound_never_falls_and_belongs_to_the_attributes(
    estimator, acceleration, covariance_type
):
    X = overlapping()
    weight = np.random.default_rng(0).uniform(0.3, 2.0, len(X))
    common = {
        "sample_weight": weight,
        "estimator": estimator,
        "covariance_type": covariance_type,
        "random_state": 0,
    }
    mixture = fit(X, 4, acceleration=acceleration, tol=1e-7, max_iter=400, **common)
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
    assert len(mixture.lower_bounds_) == mixture.n_iter_
    again = fit(X, 4, warm_start=True, max_iter=0, **common)
    vars(again).update({k: v for k, v in vars(mixture).items() if k.endswith("_") or k[0] == "_"})
    again.fit(X, sample_weight=weight)
    np.testing.assert_allclose(again.lower_bound_, mixture.lower_bound_, rtol=1e-9)


@every_estimator
@every_method
def test_fewer_iterations_to_the_same_bound_or_a_higher_one(estimator, acceleration):
    X = overlapping()
    fits = []
    for method in (None, acceleration):
        # From where only one maximum is near.
        common = {"random_state": 0, "init_params": "kmeans", "warm_start": True}
        mixture = fit(X, 3, estimator=estimator, tol=1e-4, **common)
        fits.append(mixture.set_params(tol=1e-11, max_iter=5000, acceleration=method).fit(X))
    plain, fast = fits
    assert plain.converged_
    assert fast.converged_
    assert plain.n_iter_ > 40
    assert fast.n_iter_ < plain.n_iter_ / 2
    assert fast.lower_bound_ >= plain.lower_bound_ - 1e-8 * abs(plain.lower_bound_)


@every_estimator
@every_method
def test_integer_weights_are_repeated_rows(estimator, acceleration):
    X = overlapping(200)
    weight = np.random.default_rng(1).integers(0, 3, len(X))
    start = np.random.default_rng(2).dirichlet(np.ones(3), len(X))
    common = {"estimator": estimator, "acceleration": acceleration, "max_iter": 25, "tol": 0.0}
    weighted = fit(X, sample_weight=weight, init_params=start, **common)
    repeated = fit(X.repeat(weight, axis=0), init_params=start.repeat(weight, axis=0), **common)
    np.testing.assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=1e-7)
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-4, atol=1e-4)


@every_estimator
@every_method
def test_the_same_bits_for_every_number_of_threads(estimator, acceleration):
    X, _ = blobs(9000, d=2, k=2, apart=1.0, seed=1)
    common = {"estimator": estimator, "acceleration": acceleration, "random_state": 0}
    common |= {"max_iter": 8, "tol": 0.0, "init_params": "random_from_data"}
    assert_same_bits(fit(X, 2, n_jobs=2, block_size=1, **common), fit(X, 2, n_jobs=1, **common))


@every_estimator
@every_method
def test_float32_rows(estimator, acceleration):
    X = overlapping()
    common = {"estimator": estimator, "acceleration": acceleration, "random_state": 0}
    common |= {"max_iter": 15, "tol": 0.0}
    single, double = fit(X.astype(np.float32), **common), fit(X, **common)
    assert single.means_.dtype == np.float32
    np.testing.assert_allclose(single.lower_bound_, double.lower_bound_, rtol=1e-4)


@every_method
def test_units_do_not_matter(acceleration):
    X = overlapping()
    scale, shift = np.array([1e-4, 1.0, 1e5]), np.array([3.0, -1e3, 1e7])
    common = {"acceleration": acceleration, "random_state": 0, "max_iter": 12, "tol": 0.0}
    one, other = fit(X, **common), fit(X * scale + shift, **common)
    np.testing.assert_allclose(other.means_, one.means_ * scale + shift, rtol=1e-5)
    np.testing.assert_allclose(
        np.diff(other.lower_bounds_), np.diff(one.lower_bounds_), rtol=0, atol=1e-7
    )


@every_estimator
@every_method
def test_what_is_printed_counts_every_iteration(estimator, acceleration, capsys):
    X = overlapping()
    common = {"estimator": estimator, "acceleration": acceleration, "random_state": 0}
    mixture = fit(X, tol=1e-7, max_iter=300, verbose=2, verbose_interval=1, **common)
    out = capsys.readouterr().out
    numbers = [int(number) for number in re.findall(r"Iteration (\d+)", out)]
    assert numbers == list(range(1, mixture.n_iter_ + 1))
    assert not re.search(r"ll change -0\.0*[1-9]", out)


@every_estimator
@every_method
def test_more_components_than_clusters(estimator, acceleration):
    X, _ = blobs(100, apart=6.0)
    mixture = fit(
        X,
        8,
        estimator=estimator,
        acceleration=acceleration,
        tol=1e-6,
        max_iter=300,
        random_state=0,
    )
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
    assert np.isfinite(mixture.score_samples(X)).all()


@every_method
def test_a_singular_covariance_is_an_error_as_without(acceleration):
    X = np.repeat(np.eye(3), 5, axis=0)
    for method in (None, acceleration):
        with pytest.raises(ValueError, match="singular"):
            fit(X, 2, reg_covar=0.0, random_state=0, acceleration=method)


@every_estimator
def test_partial_fit_knows_no_acceleration(estimator):
    X = overlapping()
    plain = estimator(3, random_state=0).partial_fit(X)
    other = estimator(3, random_state=0, acceleration="anderson").partial_fit(X)
    assert_same_bits(other, plain)
