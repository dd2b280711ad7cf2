"""The fourteen models by mclust's names: its numbers, M-steps by minimisation, and their use."""

import csv
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from mixture.tables import blobs, core, fit, one_hot, soft_start
from skem import EMGaussianMixture, VariationalGaussianMixture
from skem.families import GAUSSIAN_FAMILIES
from skem.families.parsimonious import PARSIMONIOUS

DATA = Path(__file__).parents[1] / "data"
ALIASES = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical"}
every_model = pytest.mark.parametrize("model", PARSIMONIOUS)


def _rows():
    with open(DATA / "mclust_iris.csv") as file:
        return list(csv.DictReader(file))


def _converged(row):
    return row["status"] == "ok" and (not row["iters_tight"] or int(row["iters_tight"]) < 3000)


CELLS = [row for row in _rows() if row["model"] in PARSIMONIOUS and int(row["G"]) <= 5]


@pytest.mark.parametrize(
    "row", list(filter(_converged, CELLS)), ids=lambda row: f"{row['model']}-{row['G']}"
)
def test_ends_where_mclust_ends(row):
    X, k = load_iris().data, int(row["G"])
    table = np.loadtxt(DATA / "mclust_iris_partitions.csv", delimiter=",", dtype=int, skiprows=1)
    mixture = fit(
        X,
        k,
        covariance_type=row["model"],
        init_params=one_hot(table[:, k - 1] - 1, k),
        reg_covar=0.0,
        tol=1e-12,
        max_iter=3000,
        resolution=None,
    )
    total, wanted = mixture.score_samples(X).sum(), float(row["loglik_tight"])
    if row["model"] in ("EVE", "VVE"):  # mclust's are but lower bounds
        assert total > wanted - 1e-4
    else:
        assert total == pytest.approx(wanted, abs=1e-4)
    assert (np.diff(mixture.lower_bounds_) >= 0).all()


def test_degrees_of_freedom_of_all_126():
    rows = _rows()
    assert len(rows) == 126
    for row in rows:
        k, d = int(row["G"]), int(row["d"])
        family = GAUSSIAN_FAMILIES[row["model"]](0.0)
        assert k - 1 + family.n_parameters(k, d) == int(row["df"]), row


@pytest.mark.parametrize("model", ALIASES)
def test_aliases_are_the_same_classes(model):
    X, _ = blobs(60)
    resp = soft_start(60, 3)
    one = fit(X, covariance_type=model, init_params=resp)
    other = fit(X, covariance_type=ALIASES[model], init_params=resp)
    np.testing.assert_array_equal(one.covariances_, other.covariances_)


def _parts(model, free, n_components):
    """Covariances of a 2 x 2 model from unbounded numbers: log volumes, log ratios, angles."""
    volumes, ratios, angles = np.clip(free, -5, 5).reshape(3, n_components)

    def part(letter, values):
        if letter == "V":
            return values
        return np.zeros(n_components) if letter == "I" else np.full(n_components, values[0])

    volumes, ratios, angles = (
        part(letter, values)
        for letter, values in zip(model, (volumes, ratios, angles), strict=True)
    )
    result = []
    for volume, ratio, angle in zip(volumes, ratios, angles, strict=True):
        axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        result.append(np.exp(volume) * axes @ np.diag(np.exp([ratio, -ratio])) @ axes.T)
    return np.array(result)


@core
@every_model
def test_one_m_step_is_the_best_of_its_model(model):
    X, _ = blobs(80, d=2)
    resp = soft_start(80, 3)
    mixture = fit(X, 3, covariance_type=model, init_params=resp, reg_covar=0.0, max_iter=0)
    counts = resp.sum(axis=0)
    means = resp.T @ X / counts[:, None]
    scatter = [
        sum(r[k] * np.outer(x - means[k], x - means[k]) for r, x in zip(resp, X, strict=True))
        for k in range(3)
    ]

    def loss(covariances):
        return sum(
            n * np.linalg.slogdet(S)[1] + np.trace(np.linalg.solve(S, W))
            for n, S, W in zip(counts, covariances, scatter, strict=True)
        )

    rng = np.random.default_rng(0)
    best = min(
        minimize(lambda free: loss(_parts(model, free, 3)), rng.normal(size=9)).fun
        for _ in range(6)
    )
    covariances = np.asarray(mixture.covariances_)
    if covariances.ndim == 2:
        covariances = covariances[:, :, None] * np.eye(2)
    np.testing.assert_allclose(mixture.means_, means, rtol=1e-10)
    # A few turns of common axes: the M-step of EVE and VVE is better, not always best.
    slack = 1e-2 if model[2] == "E" and model[1] == "V" else 1e-7
    assert loss(covariances) == pytest.approx(best, rel=slack)


@core
@every_model
def test_bound_never_falls_and_nothing_is_nan(model):
    for seed in range(3):
        X, _ = blobs(120, d=3, seed=seed, apart=1.5)
        mixture = fit(
            X, 3, covariance_type=model, init_params=soft_start(120, 3, seed), tol=0, max_iter=60
        )
        bounds = np.asarray(mixture.lower_bounds_)
        assert (np.diff(bounds) >= 0).all()
        assert np.isfinite(mixture.predict_proba(X)).all()
        assert mixture.lower_bound_ == pytest.approx(mixture.score(X), rel=1e-10)
        assert mixture.sample(5)[0].shape == (5, 3)
        common = {"covariance_type": model, "random_state": 0}
        one, two = fit(X, n_jobs=1, block_size=7, **common), fit(X, n_jobs=2, **common)
        np.testing.assert_array_equal(one.means_, two.means_)


@every_model
def test_integer_weights_are_repeated_rows(model):
    X, _ = blobs(60)
    weights, resp = np.random.default_rng(0).integers(0, 4, 60), soft_start(60, 3)
    rows = np.repeat(np.arange(60), weights)
    options = {"covariance_type": model, "max_iter": 5, "tol": 0.0}
    weighted = fit(X, sample_weight=weights, init_params=resp, **options)
    repeated = fit(X[rows], init_params=resp[rows], **options)
    np.testing.assert_allclose(weighted.covariances_, repeated.covariances_, rtol=1e-8, atol=1e-10)


@every_model
def test_identical_rows_and_float32(model):
    same = fit(np.ones((10, 2)), 2, covariance_type=model, random_state=0)
    assert np.isfinite(same.covariances_).all()
    narrow = fit(blobs(60)[0].astype(np.float32), covariance_type=model, random_state=0)
    assert narrow.covariances_.dtype == np.float32


@pytest.mark.parametrize("model", sorted(set(PARSIMONIOUS) - {"EII", "EEI"}))
def test_a_prior_of_covariances_needs_a_conjugate_model(model):
    X, _ = blobs(60)
    message = f"one of .*'full'.*got '{model}'"
    for estimator in (
        EMGaussianMixture(2, covariance_type=model, degrees_of_freedom_prior=5.0),
        VariationalGaussianMixture(2, covariance_type=model),
    ):
        with pytest.raises(ValueError, match=message):
            estimator.fit(X)
    shrunk = fit(X, 2, covariance_type=model, mean_precision_prior=5.0, random_state=0)
    assert (np.diff(shrunk.lower_bounds_) >= 0).all()


@pytest.mark.parametrize("estimator", [EMGaussianMixture, VariationalGaussianMixture])
def test_constant_columns_share_in_the_one_variance(estimator):
    X = np.column_stack([blobs(60, d=2)[0], np.full(60, 3.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixture = estimator(2, covariance_type="EII", random_state=0).fit(X)
    np.testing.assert_array_equal(mixture.covariances_, np.full((2, 3), mixture.covariances_[0, 0]))
    with pytest.warns(ConvergenceWarning, match=r"\[2\] of X are constant"):
        estimator(2, covariance_type="EEI", random_state=0).fit(X)


@pytest.mark.parametrize("model", ["EEI", "EII"])
def test_a_component_without_rows_has_the_shared_variances(model):
    X, labels = blobs(60, d=2, k=2)
    start = np.column_stack([one_hot(labels, 2), np.zeros(60)])
    three = fit(X, 3, covariance_type=model, init_params=start, max_iter=3)
    two = fit(X, 2, covariance_type=model, init_params=start[:, :2], max_iter=3)
    np.testing.assert_allclose(three.covariances_, np.tile(two.covariances_[0], (3, 1)), rtol=1e-12)


@pytest.mark.parametrize("model", ["EEI", "EII"])
def test_a_singular_shared_variance_is_no_single_components(model):
    X = np.repeat([[0.0, 0.0], [5.0, 1.0]], 5, axis=0)
    start = one_hot([0] * 5 + [1] * 5, 2)
    with pytest.raises(ValueError, match="shared covariance"):
        fit(X, 2, covariance_type=model, reg_covar=0.0, init_params=start, resolution=None)


@pytest.mark.parametrize(
    ("model", "prior", "words"),
    [
        ("EII", [1.0, 1.0], r"shape of \(\), but got \(2,\)"),
        ("EEI", 1.0, r"shape of \(2,\), but got \(\)"),
        ("EEI", [1.0, -1.0], "positive"),
    ],
)
def test_the_shape_of_a_shared_variances_prior(model, prior, words):
    with pytest.raises(ValueError, match=f"'covariance_prior'.*{words}"):
        fit(blobs(60, d=2)[0], 2, covariance_type=model, covariance_prior=prior)
