"""EM with missing cells against fits by textbook code, from the same starts.

tests/data/missing_*: tables with holes, responsibilities to start from, and the observed-data
log-likelihoods where EM ends, checked by scipy.stats row by row; with one component on airquality
also those of R's lavaan.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from oracles import gaps

from skem import EMGaussianMixture

DATA = Path(__file__).parents[1] / "data"


def read(name):
    return np.genfromtxt(DATA / name, delimiter=",", skip_header=1)


def read_cases():
    with open(DATA / "missing_values.csv") as file:
        return list(csv.DictReader(file))


def label(case):
    return f"{case['data_file'][13:-4]}-{case['covariance']}-{case['K']}"


@pytest.mark.parametrize("case", read_cases(), ids=label)
def test_log_likelihood_and_where_it_starts(case):
    X, kind, k = read(case["data_file"]), case["covariance"], int(case["K"])
    resp = np.ones((len(X), 1))
    if k > 1:
        table = case["data_file"].removeprefix("missing_data_")
        resp = read(f"missing_start_K{k}_{table}")
    weights, means, covariances = gaps.start_parameters(kind, X, resp)
    inverse = np.linalg.inv(covariances) if kind in ("full", "tied") else 1 / covariances
    mixture = EMGaussianMixture(
        k,
        covariance_type=kind,
        weights_init=weights / weights.sum(),
        means_init=means,
        precisions_init=inverse,
        reg_covar=0,
        tol=1e-12,
        max_iter=0,
        n_jobs=1,
    ).fit(X)
    np.testing.assert_allclose(
        mixture.score(X) * len(X), float(case["loglik_at_start"]), rtol=0, atol=1e-7
    )
    mixture.set_params(max_iter=1000, acceleration="squarem").fit(X)
    assert mixture.converged_
    np.testing.assert_allclose(
        mixture.lower_bound_ * len(X), float(case["loglik"]), rtol=0, atol=1e-5
    )
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
