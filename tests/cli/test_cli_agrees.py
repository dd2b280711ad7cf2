"""The command and GaussianMixtureIC give the same answers on the same numbers."""

import warnings

import numpy as np
import pandas as pd
import pytest
from cli_tables import blobs
from mixture.tables import many_rows
from sklearn.datasets import load_iris

from skem import GaussianMixtureIC, datasets

TABLES = {
    "faithful": datasets.load_faithful(as_frame=True).data,
    "iris": load_iris(as_frame=True).data,
    "blobs": blobs(),
}


def choose(X, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianMixtureIC(**parameters, random_state=0).fit(X)


@pytest.mark.parametrize(
    ("name", "covariance_type"),
    [
        ("blobs", "all"),
        pytest.param("iris", "all", marks=many_rows),
        ("iris", "full"),
        ("faithful", "full"),
    ],
)
def test_the_same_clusters_with_the_same_numbers(run, tmp_path, name, covariance_type):
    frame, path, out = TABLES[name], tmp_path / "table.csv", tmp_path / "out.csv"
    frame.to_csv(path, index=False)
    ks = ["-k", "1:4"]
    same = ["--covariance-type", covariance_type, "--no-scale", "-o", out]
    assert run("cluster", path, *ks, *same)[0] == 0
    written = pd.read_csv(out)
    choice = choose(frame, n_components=(1, 2, 3, 4), covariance_type=covariance_type)
    np.testing.assert_array_equal(written["cluster"], choice.predict(frame))
    np.testing.assert_allclose(written["log_density"], choice.score_samples(frame), rtol=1e-9)
    assert (np.diff(choice.best_estimator_.weights_) <= 0).all()


def test_full_covariances_do_not_care_for_units(run, tmp_path):
    frame, path, out = TABLES["faithful"], tmp_path / "table.csv", tmp_path / "out.csv"
    frame.to_csv(path, index=False)
    assert run("cluster", path, "-k", "1:4", "-o", out)[0] == 0
    choice = choose(frame, n_components=(1, 2, 3, 4), covariance_type="full")
    np.testing.assert_array_equal(pd.read_csv(out)["cluster"], choice.predict(frame))
