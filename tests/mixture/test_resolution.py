"""Recorded columns: components are held above the steps, and nothing else is changed."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.metrics import adjusted_rand_score

from skem import EMGaussianMixture, EMMixture, GaussianMixtureIC, VariationalGaussianMixture
from skem.datasets import load_faithful
from skem.families import GAUSSIAN_FAMILIES
from skem.mixture._grid import MODELS

from .tables import blobs, core, fit, one_hot, soft_start

DATA = Path(__file__).parents[1] / "data"
HELD = "held at the width that the recording of columns allows"
every_model = pytest.mark.parametrize("model", MODELS)
every_conjugate_model = pytest.mark.parametrize(
    "model", [name for name in MODELS if GAUSSIAN_FAMILIES[name].conjugate]
)


def fit_and_listen(X, n_components, *, estimator=EMGaussianMixture, **parameters):
    """Fit, and return the mixture and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture = estimator(n_components, **parameters).fit(X)
    said = [str(warning.message) for warning in caught]
    return mixture, "\n".join(text for text in said if "did not converge" not in text)


def penguins(year=True):
    """Four measurements and the year of 342 penguins, and their species."""
    table = np.loadtxt(DATA / "penguins.csv", delimiter=",", skiprows=1)
    return table[:, :5] if year else table[:, :4], table[:, 5].astype(int)


def recorded(n=300, seed=0, *, kind="binary"):
    """Two groups 4 standard deviations apart in the first of two columns, and a third."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    column = {
        "binary": lambda: rng.integers(0, 2, n),
        "levels": lambda: rng.integers(0, 3, n),
        "count": lambda: rng.poisson(1.0, n),
        "rounded": lambda: np.round(rng.standard_normal(n)),
        "zeros": lambda: np.where(rng.uniform(size=n) < 0.4, 0.0, rng.standard_exponential(n)),
    }[kind]()
    return np.column_stack([4.0 * labels + rng.normal(size=n), rng.normal(size=n), column]), labels


def floor_of(X, covariance):
    """The floor where the third column of a table has steps of 1 and the others none."""
    scale = np.sqrt(np.diag(covariance))
    variances = np.array([1e-6, 1e-6, 0.25 / scale[2] ** 2])
    ridged = covariance / scale / scale[:, None] + 1e-6 * np.eye(3)
    values, vectors = np.linalg.eigh(ridged / np.sqrt(variances) / np.sqrt(variances)[:, None])
    axes = scale[:, None] * np.sqrt(variances)[:, None] * vectors
    return (axes * np.minimum(values, 1.0)) @ axes.T


# --- what is not changed --------------------------------------------------------------------


@core
@pytest.mark.parametrize("table", ["iris", "wine", "faithful", "penguins"])
@pytest.mark.parametrize("model", ["full", "tied", "diag", "spherical", "VEV"])
def test_sound_fits_keep_their_bits(table, model):
    X, k = {
        "iris": lambda: (load_iris().data, 3),
        "wine": lambda: (load_wine().data, 3),
        "faithful": lambda: (load_faithful().data, 2),
        "penguins": lambda: (penguins(year=False)[0], 3),
    }[table]()
    held = fit(X, k, covariance_type=model, random_state=0)
    free = fit(X, k, covariance_type=model, random_state=0, resolution=None)
    assert (held.resolution_ > 0).any()
    assert free.resolution_ is None
    for name in ("weights_", "means_", "covariances_", "lower_bound_"):
        np.testing.assert_array_equal(getattr(held, name), getattr(free, name))


@core
@every_model
@pytest.mark.parametrize("kind", ["binary", "count", "zeros"])
def test_one_component_is_never_changed(model, kind):
    X, _ = recorded(kind=kind)
    held, said = fit_and_listen(X, 1, covariance_type=model)
    free = fit(X, 1, covariance_type=model, resolution=None)
    assert said == ""
    np.testing.assert_array_equal(held.covariances_, free.covariances_)


# --- what is held ---------------------------------------------------------------------------


@core
@every_model
@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
def test_bounds_rise_and_covariances_stay_above(model, acceleration):
    X, _ = recorded(120)
    start = one_hot(X[:, 2].astype(int), 2)
    mixture, said = fit_and_listen(
        X,
        2,
        covariance_type=model,
        init_params=start,
        tol=1e-9,
        max_iter=400,
        acceleration=acceleration,
    )
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
    assert mixture.lower_bound_ == pytest.approx(mixture.score(X), abs=1e-9)
    family = GAUSSIAN_FAMILIES[model](0.0)
    covariances = family.dense(mixture.covariances_, 2, 3)
    if family.one_scale and family.has_matrices:
        # Along each component's own axes.
        least = floor_of(X, np.cov(X.T, bias=True))
        values, axes = np.linalg.eigh(covariances)
        along = np.einsum("kij,il,klj->kj", axes, least, axes)
        assert (values >= along * (1.0 - 1e-5)).all()
    elif family.has_matrices:
        least = floor_of(X, np.cov(X.T, bias=True))
        assert np.linalg.eigvalsh(covariances - least).min() >= -1e-6
    elif not family.one_variance:
        assert covariances[:, 2, 2].min() >= (1.0 - 1e-5) * min(0.25, X[:, 2].var())
    assert "collapsed" not in said


@core
@every_conjugate_model
def test_posteriors_stay_above(model):
    X, _ = recorded(400)
    mixture, _ = fit_and_listen(
        X,
        2,
        estimator=VariationalGaussianMixture,
        covariance_type=model,
        init_params=one_hot(X[:, 2].astype(int), 2),
        tol=1e-9,
        max_iter=300,
    )
    assert (np.diff(mixture.lower_bounds_) >= -1e-9 * abs(mixture.lower_bound_)).all()
    family = GAUSSIAN_FAMILIES[model](0.0)
    covariances = family.dense(mixture.covariances_, 2, 3)
    assert covariances[:, 2, 2].min() >= 0.98 * min(0.25, X[:, 2].var())
    terms = sum(mixture.elbo_terms_) if hasattr(mixture, "elbo_terms_") else mixture.lower_bound_
    assert terms == pytest.approx(mixture.lower_bound_, rel=1e-10)


def test_of_all_posteriors_it_is_the_nearest():
    # In one dimension: the divergence between gamma distributions of the same freedom has its
    # minimum at the floor, as it has its only one below.
    family = GAUSSIAN_FAMILIES["diag"](0.0, np.array([0.5]))
    flat = GAUSSIAN_FAMILIES["diag"](0.0)
    one = np.ones(1)
    posterior = family.posterior(
        flat.flat_prior(1)._replace(covariance=one, degrees_of_freedom=3.0, mean_precision=1.0),
        type(family.expected(one, flat.from_precisions(one[None])._replace(means=one[None])))(
            10.0 * one, one[None], 0.2 * one[None]
        ),
    )
    held = family.hold_posterior(posterior)
    nu = posterior.degrees_of_freedom[0]
    np.testing.assert_allclose(held.scatter / nu, 0.5)
    np.testing.assert_array_equal(held.mean, posterior.mean)

    def divergence(scatter):
        prior = flat.flat_prior(1)._replace(
            covariance=posterior.scatter[0], degrees_of_freedom=float(nu)
        )
        moved = posterior._replace(scatter=np.array([[scatter]]))
        return flat.covariance_divergence(moved, np.ones((1, 1)), prior)

    at_the_floor = divergence(0.5 * nu)
    assert all(divergence(0.5 * nu * more) > at_the_floor for more in (1.01, 1.5, 4.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_memory_maps_and_rows_without_weight(dtype, tmp_path):
    X, _ = recorded(200)
    halves = np.vstack([X, X[:40] + 0.5]).astype(dtype)
    weights = np.repeat([1.0, 0.0], [200, 40])
    rows = np.memmap(tmp_path / "rows", mode="w+", dtype=dtype, shape=halves.shape)
    rows[:] = halves
    plain = fit(X.astype(dtype), 2, random_state=0)
    weighted = fit(rows, 2, random_state=0, sample_weight=weights)
    np.testing.assert_array_equal(plain.resolution_, [0.0, 0.0, 1.0])
    np.testing.assert_array_equal(weighted.resolution_, plain.resolution_)
    assert plain.covariances_.dtype == dtype
    np.testing.assert_allclose(weighted.lower_bound_, plain.lower_bound_, rtol=1e-5)


@core
@pytest.mark.parametrize("estimator", [EMGaussianMixture, VariationalGaussianMixture])
@pytest.mark.parametrize("fitted", [False, True])
def test_batches_and_warm_starts_keep_the_floor(estimator, fitted):
    X, _ = recorded(300)
    start = one_hot(X[:, 2].astype(int), 2)
    mixture = estimator(2, init_params=start, max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if fitted:
            mixture.fit(X)
        for _ in range(12):
            # One value of the third column in each batch.
            mixture.partial_fit(X if not hasattr(mixture, "weights_") else X[X[:, 2] == 1.0])
        assert mixture.resolution_[2] == 1.0
        least = 0.95 * min(0.25, X[:, 2].var())
        assert mixture.covariances_[:, 2, 2].min() >= least
        mixture.set_params(warm_start=True)
        mixture.fit(X)
    assert mixture.covariances_[:, 2, 2].min() >= least


def test_given_steps():
    X, _ = recorded(200)
    start = {"init_params": one_hot(X[:, 2].astype(int), 2), "covariance_type": "diag"}
    wide = fit(X, 2, resolution=[0.0, 1.5, 0.0], **start)
    np.testing.assert_array_equal(wide.resolution_, [0.0, 1.5, 0.0])
    # Steps wider than the column leave it the width that it has.
    least = min(1.5**2 / 4, X[:, 1].var())
    assert wide.covariances_[:, 1].min() >= least * (1.0 - 1e-5)
    with pytest.raises(ValueError, match="'resolution' should have the shape"):
        fit(X, 2, resolution=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"no negative steps, but got min value -1"):
        fit(X, 2, resolution=[1.0, -1.0, 0.0])


# --- what is found --------------------------------------------------------------------------


@core
def test_penguins_are_species_and_not_years():
    X, labels = penguins()
    for mixture in (
        EMGaussianMixture(3, random_state=0),
        EMGaussianMixture(3, init_params="hierarchical"),
        GaussianMixtureIC(range(1, 7), covariance_type="full", random_state=0),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert adjusted_rand_score(labels, mixture.fit_predict(X)) > 0.9


@core
@pytest.mark.parametrize("kind", ["binary", "levels", "count", "rounded"])
def test_groups_beside_a_recorded_column(kind):
    X, labels = recorded(400, 1, kind=kind)
    choice = GaussianMixtureIC(range(1, 4), covariance_type="full", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = choice.fit_predict(X)
    assert adjusted_rand_score(labels, found) > 0.85
    assert not choice.results_["collapsed"].any()


def test_a_column_of_many_zeros_does_not_ask_for_more_with_more_rows():
    for n in (300, 2000):
        X, _ = recorded(n, 2, kind="zeros")
        X[:, 0] -= 4.0 * (np.arange(n) % 2)
        choice = GaussianMixtureIC(range(1, 5), covariance_type="full", random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            choice.fit(X)
        assert choice.best_params_["n_components"] <= 2
        assert not choice.results_["collapsed"].any()


def test_rare_answers_are_split_off_unless_they_are_of_their_kind():
    """What the guide says: a decision, and the way around."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(400, 2)), rng.random(400) < 0.05])
    rare = X[:, 2] == 1
    split = fit(X, 2, init_params=one_hot(rare.astype(int), 2))
    assert split.bic(X) < fit(X, 1).bic(X) - 100
    kinds = {"columns": [("full", [0, 1]), ("bernoulli", [2])], "random_state": 0}
    assert EMMixture(1, **kinds).fit(X).bic(X) < EMMixture(2, **kinds).fit(X).bic(X) - 10


# --- what is said ---------------------------------------------------------------------------


def test_who_is_held_is_said():
    X, _ = recorded(300)
    _, said = fit_and_listen(X, 2, init_params=one_hot(X[:, 2].astype(int), 2), tol=1.0)
    assert f"Component(s) [0, 1] are {HELD} (2 in steps of 1)" in said
    assert "resolution=None" in said
    # One component is as wide as all rows: nothing holds it.
    assert fit_and_listen(X, 1)[1] == ""


@pytest.mark.parametrize("n_values", [1, 2])
def test_values_that_stand_out_are_no_steps(n_values):
    X, _ = recorded(300, kind="zeros")
    X[: 40 * (n_values - 1), 2] = 3.0
    zero = X[:, 2] == 0
    share = np.mean(zero | (X[:, 2] == 3.0))
    _, said = fit_and_listen(X, 2, init_params=one_hot(zero.astype(int), 2), tol=1.0)
    who = "one value has" if n_values == 1 else "2 values have"
    assert f"{HELD} (2, where {who} {100 * share:.0f} % of the rows)" in said
    assert "steps" not in said


def test_long_lists_of_columns_are_cut():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(300, 12)).astype(float)
    X[:100] = 0.0
    _, said = fit_and_listen(X, 2, init_params=one_hot(np.arange(300) // 200, 2), tol=1.0)
    assert "(0, 1, 2, 3, 4, 5, 6, 7 and 4 more in steps of 1)" in said


def test_a_collapsed_component_is_not_called_sound():
    X, _ = recorded(200, kind="binary")
    labels = (np.arange(200) < 3).astype(int)
    X[:3] = X[0]
    X[:3, 0] += [0.0, 1e-3, 2e-3]
    _, said = fit_and_listen(X, 2, init_params=one_hot(labels, 2), tol=1.0)
    assert "component 1 has 3 rows where a covariance of 3 columns needs 4" in said
    assert "held up by the steps of columns (resolution) and reg_covar=1e-06" in said
    assert "[1] are held at" not in said
    assert "give the columns' steps" not in said


@core
def test_collapsed_components_are_described():
    X, _ = blobs(n=60, k=1)
    X[:12, 2] = 9.25
    start = one_hot(np.repeat([1, 0], [12, 48]), 2)
    _, said = fit_and_listen(X, 2, init_params=start, resolution=None)
    assert "Component(s) [1] collapsed (component 1 has 12 rows, in all of which" in said
    assert "column 2 is 9.25" in said
    assert "reg_covar=1e-06" in said
    # Nearly one value, in units of a column that a far row makes wide.
    wide = X.copy()
    wide[-1, 2] = 1e5
    wide[:12, 2] += 0.1 * np.arange(12)
    _, said = fit_and_listen(wide, 2, init_params=start, resolution=None, max_iter=0)
    assert "column 2 is about 9.8" in said
    # Columns that depend on each other in one component alone.
    X[:12, 2] = X[:12, 0] - X[:12, 1]
    _, said = fit_and_listen(X, 2, init_params=start)
    assert "columns [0, 1, 2] are dependent" in said
    # Three rows for a matrix of three columns.
    _, said = fit_and_listen(
        blobs(n=60, k=1)[0], 2, init_params=one_hot((np.arange(60) < 3).astype(int), 2)
    )
    assert "component 1 has 3 rows where a covariance of 3 columns needs 4" in said


def test_dependent_columns_are_named():
    X, _ = blobs(n=80, d=2)
    X = np.column_stack([X, np.random.default_rng(0).normal(size=80), X.sum(axis=1)])
    _, said = fit_and_listen(X, 1)
    assert "Columns [0, 1, 3] of X depend on each other linearly" in said
    assert "collapsed" not in said


def test_more_columns_than_rows():
    labels = np.repeat([0, 1], 10)
    X = np.random.default_rng(0).normal(size=(20, 36)) + 6.0 * labels[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        choice = GaussianMixtureIC((1, 2, 3), random_state=0).fit(X)
    assert choice.best_params_ == {"covariance_type": "EII", "n_components": 2}
    np.testing.assert_array_equal(choice.predict(X) == choice.predict(X[:1]), labels == 0)
    results = choice.results_
    matrices = np.isin(results["covariance_type"], MODELS[6:])
    assert results["collapsed"][matrices].all()
    assert all(text.startswith("not fitted: 20 rows") for text in results["error"][matrices])
    _, said = fit_and_listen(X, 1)
    assert "Component(s) [0] collapsed (component 0 has 20 rows where" in said
    assert "36 columns needs 37" in said


def test_no_choice_but_one_is_said():
    X = np.random.default_rng(0).normal(size=(8, 2))
    choice = GaussianMixtureIC(range(1, 8), covariance_type="EII", random_state=0)
    with pytest.warns(UserWarning, match="no choice but one component.*fewer than 5 rows"):
        choice.fit(X)
    assert choice.best_params_["n_components"] == 1
    assert choice.results_["crowded"].tolist() == [False] + 6 * [True]


@core
@pytest.mark.parametrize("seed", range(100))
def test_tiny_tables(seed):
    """Any structure on 2 to 12 rows: a fit whose bound rises, or an error that says why."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(2, 13), rng.integers(1, 6)
    k = int(rng.integers(1, min(n, 4) + 1))
    X = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-3, 3, d)
    for j in range(d):
        kind = rng.integers(4)
        if kind == 0:
            X[:, j] = np.round(rng.normal(size=n))
        elif kind == 1:
            X[:, j] = rng.integers(0, 2, n)
        elif kind == 2:
            X[:, j] = X[:, 0]
    reg_covar = float(rng.choice([0.0, 1e-6]))
    start = ("kmeans", soft_start(n, k, seed))[seed % 2]
    for model in MODELS:
        parameters = {"covariance_type": model, "reg_covar": reg_covar, "init_params": start}
        for resolution in ("auto", None):
            mixture, error = None, ""
            try:
                mixture = fit(X, k, resolution=resolution, random_state=0, **parameters)
            except ValueError as caught:
                error = str(caught)
            if mixture is None:
                assert "is singular: its rows do not spread in every direction" in error
                # The error says to increase reg_covar.
                assert reg_covar == 0.0
                continue
            assert np.isfinite(mixture.covariances_).all()
            assert np.isfinite(mixture.score_samples(X)).all()
            assert (np.diff(mixture.lower_bounds_) >= 0).all()


@core
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_one_matrix_for_three_rows():
    # One component has a single row: its volume has no end, and the common matrix none either.
    X = np.array([[0.3, 1.0, 2.0], [0.3, 1.0, 5.0], [0.3, 1.0, 9.0]])
    for k in (1, 2, 3):
        for resolution in ("auto", None):
            mixture = fit(X, k, covariance_type="VEE", random_state=0, resolution=resolution)
            assert np.isfinite(mixture.score_samples(X)).all()
            assert (np.diff(mixture.lower_bounds_) >= 0).all()
