"""From mclust's starting partitions on iris the fits end where mclust 6.0.0 ends.

tests/data holds mclust's numbers: `*_tight` are those of its run to a tolerance of 1e-12.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

from mixture.tables import fit, one_hot

DATA = Path(__file__).parents[1] / "data"
MODELS = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical"}


def _converged():
    with open(DATA / "mclust_iris.csv") as file:
        for row in csv.DictReader(file):
            few = not row["iters_tight"] or int(row["iters_tight"]) < 3000
            if row["model"] in MODELS and row["scaling"] == "raw" and row["status"] == "ok" and few:
                yield row


ROWS = list(_converged())


def _partition(n_components):
    table = np.loadtxt(DATA / "mclust_iris_partitions.csv", delimiter=",", dtype=int, skiprows=1)
    return table[:, n_components - 1] - 1


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: f"{row['model']}-{row['G']}")
def pair(request):
    row = request.param
    k = int(row["G"])
    mixture = fit(
        load_iris().data,
        k,
        covariance_type=MODELS[row["model"]],
        init_params=one_hot(_partition(k), k),
        reg_covar=0.0,
        tol=1e-12,
        max_iter=3000,
        resolution=None,
    )
    return mixture, row


def test_every_structure_and_number_of_components_is_there():
    found = {(row["model"], int(row["G"])) for row in ROWS}
    assert found == {(model, k) for model in MODELS for k in range(1, 10)}


def test_log_likelihood(pair):
    mixture, row = pair
    assert mixture.converged_
    X = load_iris().data
    assert mixture.score_samples(X).sum() == pytest.approx(float(row["loglik_tight"]), abs=1e-5)
    assert mixture.lower_bound_ * len(X) == pytest.approx(float(row["loglik_tight"]), abs=1e-5)


def test_degrees_of_freedom(pair):
    mixture, row = pair
    assert mixture.n_parameters() == int(row["df"])


def test_criteria_have_the_other_sign(pair):
    mixture, row = pair
    X = load_iris().data
    assert mixture.bic(X) == pytest.approx(-float(row["bic_tight"]), abs=2e-5)
    # At a maximum the likelihood is flat and the responsibilities are not: where mclust stopped,
    # theirs are known to the square root of what the likelihood is.
    assert mixture.icl(X) == pytest.approx(-float(row["icl_tight"]), abs=1e-3)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_hierarchical_start_ends_there_too(k):
    mixture = fit(load_iris().data, k, init_params="hierarchical", tol=1e-10, max_iter=2000)
    (row,) = (row for row in ROWS if (row["model"], row["G"]) == ("VVV", str(k)))
    assert mixture.lower_bound_ * 150 == pytest.approx(float(row["loglik_tight"]), abs=0.01)
