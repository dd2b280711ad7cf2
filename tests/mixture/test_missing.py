"""Fits and scores of tables with missing cells (NaN) by EM: only seen cells count."""

import tracemalloc
import warnings

import numpy as np
import pytest
from oracles import gaps, gaussian
from scipy import optimize
from sklearn.exceptions import ConvergenceWarning

from mixture.tables import (
    COMPILED,
    assert_close,
    assert_same_bits,
    assert_same_outputs,
    assert_sound,
    blobs,
    component_prior,
    core,
    every_estimator,
    every_type,
    fit,
    given_start,
    soft_start,
)
from skem import (
    EMGaussianMixture,
    GaussianMixtureIC,
    VariationalGaussianMixture,
    bootstrap_likelihood_ratio,
    bootstrap_standard_errors,
)
from skem.engine import gaps as engine_gaps
from skem.engine import has_gaps
from skem.families import GaussianPrior
from skem.inference import grow_tree
from skem.mixture import _bootstrap, _fitting
from skem.mixture import _gaps as _gaps_module
from skem.mixture._grid import MODELS

SHAPES = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical"}
every_model = pytest.mark.parametrize("model", ["full", "tied", "diag", "spherical", *MODELS])


def table(n=60, d=3, k=2, seed=0, share=0.3):
    return gaps.punch(blobs(n, d, k, seed=seed)[0], share, seed)


def weights_of(n, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 3.0, n)


# --- densities, bounds ----------------------------------------------------------------------


@core
@every_model
def test_densities_and_assignments_are_those_of_the_seen_cells(model):
    mixture = fit(blobs(80, 4, 3)[0], 3, covariance_type=model, random_state=0, max_iter=3)
    X = gaps.punch(blobs(40, 4, 3, seed=1)[0], 0.4, 1)
    X[:2] = np.nan  # nothing seen at all
    parameters = mixture.weights_, mixture.means_, mixture.covariances_
    joint = gaps.log_joint(SHAPES.get(model, model), X, *parameters)
    normaliser = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(mixture.score_samples(X), normaliser, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        mixture.predict_proba(X), np.exp(joint - normaliser[:, None]), rtol=1e-8, atol=1e-12
    )
    np.testing.assert_array_equal(mixture.predict(X), joint.argmax(axis=1))
    # Where nothing is seen nothing is left but the weights, to the rounding of a logarithm.
    np.testing.assert_allclose(mixture.predict_proba(X)[:2], [mixture.weights_] * 2, rtol=1e-15)
    np.testing.assert_allclose(mixture.score_samples(X)[:2], 0.0, rtol=0, atol=1e-15)


@every_model
def test_the_bound_is_the_likelihood_of_the_seen_cells_and_never_falls(model):
    for seed, acceleration in enumerate((None, "squarem", "anderson")):
        X, weight = table(seed=seed), weights_of(60, seed)
        mixture = fit(
            X,
            2,
            covariance_type=model,
            init_params=soft_start(60, 2, seed),
            sample_weight=weight,
            acceleration=acceleration,
            reg_covar=0,
            max_iter=30,
            tol=1e-9,
        )
        assert (np.diff(mixture.lower_bounds_) >= 0).all()
        parameters = mixture.weights_, mixture.means_, mixture.covariances_
        expected = gaps.log_mixture(SHAPES.get(model, model), X, *parameters)
        np.testing.assert_allclose(
            mixture.lower_bound_, weight @ expected / weight.sum(), rtol=1e-10
        )


@every_type
@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("assignment", ["soft", "hard"])
def test_the_bound_never_falls_with_priors_and_hard_assignments(covariance_type, prior, assignment):
    for seed in range(4 if COMPILED else 1):
        X = table(seed=seed, share=0.1 + 0.15 * seed)
        options = component_prior(covariance_type, 3, seed) if prior else {}
        mixture = fit(
            X,
            2,
            covariance_type=covariance_type,
            assignment=assignment,
            init_params=soft_start(60, 2, seed),
            max_iter=40,
            tol=1e-9,
            **options,
        )
        # reg_covar is no part of the bound: falls within rounding are undone, see batch_em.
        assert (np.diff(mixture.lower_bounds_) >= 0).all()
        assert_sound(mixture, X)


@core
@every_type
def test_the_map_bound_has_the_prior_of_whole_parameters(covariance_type):
    X = table()
    given = component_prior(covariance_type, 3)
    mixture = fit(X, 2, covariance_type=covariance_type, random_state=0, **given)
    parameters = mixture.weights_, mixture.means_, mixture.covariances_
    expected = gaps.log_mixture(covariance_type, X, *parameters).sum()
    for k in range(2):
        covariance = gaussian.matrix(covariance_type, mixture.covariances_, k, 3)
        assert np.linalg.eigvalsh(covariance).min() > 0
    scale = given["covariance_prior"]
    stack = scale if covariance_type == "tied" else np.array([scale] * 2)
    prior = GaussianPrior(
        given["mean_prior"],
        given["mean_precision_prior"],
        np.atleast_1d(stack),
        given["degrees_of_freedom_prior"],
    )
    expected += gaussian.log_prior(covariance_type, mixture.means_, mixture.covariances_, prior)
    np.testing.assert_allclose(mixture.lower_bound_ * len(X), expected, rtol=1e-10)


@core
@every_type
def test_an_m_step_uses_expected_statistics(covariance_type):
    """One iteration against loops: responsibilities, completed rows, moments, maxima."""
    X, weight = table(n=40), weights_of(40)
    start = given_start(covariance_type, 2, 3)
    precisions = start["precisions_init"]
    matrices = covariance_type in ("full", "tied")
    covariances = np.linalg.inv(precisions) if matrices else 1 / precisions
    joint = gaps.log_joint(
        covariance_type, X, start["weights_init"], start["means_init"], covariances
    )
    resp = weight[:, None] * np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])
    stats = gaps.statistics(covariance_type, X, resp, start["means_init"], covariances)
    expected = gaussian.maximum_likelihood(covariance_type, *stats, 3)
    mixture = fit(
        X,
        2,
        covariance_type=covariance_type,
        sample_weight=weight,
        max_iter=1,
        reg_covar=0,
        **start,
    )
    for name, value in zip(("weights_", "means_", "covariances_"), expected, strict=True):
        np.testing.assert_allclose(getattr(mixture, name), value, rtol=1e-9, atol=1e-9)


@core
@every_type
def test_gradients_vanish_where_em_ends(covariance_type):
    X = table(n=80, share=0.2)
    mixture = fit(
        X, 2, covariance_type=covariance_type, reg_covar=0, tol=1e-13, max_iter=3000,
        acceleration="squarem", init_params="kmeans", random_state=0,
    )  # fmt: skip
    weights, means, covariances = mixture.weights_, mixture.means_, mixture.covariances_

    def at(values):
        moved = means + values[:6].reshape(2, 3)
        return gaps.log_mixture(covariance_type, X, weights, moved, covariances * values[6]).sum()

    point = np.r_[np.zeros(6), 1.0]
    slope = optimize.approx_fprime(point, at, 1e-6)
    np.testing.assert_allclose(slope, 0, atol=2e-3)


# --- rows, weights, threads -----------------------------------------------------------------


@core
@every_estimator
@every_type
def test_integer_weights_are_repeats_and_order_is_nothing(estimator, covariance_type):
    X = table()
    counts = np.random.default_rng(0).integers(0, 4, 60)
    resp = soft_start(60, 2)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "max_iter": 5,
        "tol": 0.0,
    }
    expected = fit(X, 2, sample_weight=counts, init_params=resp, **common)
    rows = np.repeat(np.arange(60), counts)
    repeated = fit(X[rows], 2, init_params=resp[rows], **common)
    assert_close(repeated, expected, rtol=1e-9, atol=1e-9)
    order = np.random.default_rng(1).permutation(60)
    permuted = fit(X[order], 2, sample_weight=counts[order], init_params=resp[order], **common)
    assert_close(permuted, expected, rtol=1e-9, atol=1e-9)


@every_estimator
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_blocks_and_threads_give_the_same_bits(estimator, covariance_type):
    n = 14_000
    X = gaps.punch(blobs(n, 2, 2, seed=1)[0], 0.2, 0)
    weight = np.random.default_rng(0).integers(0, 3, n).astype(float)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "init_params": "kmeans",
        "random_state": 0,
        "max_iter": 1,
        "sample_weight": weight,
    }
    expected = fit(X, 2, n_jobs=1, **common)
    said = expected.score_samples(X), expected.predict_proba(X)
    for n_jobs, block_size in ((2, None), (3, 1), (2, 8000)):
        mixture = fit(X, 2, n_jobs=n_jobs, block_size=block_size, **common)
        assert_same_bits(mixture, expected)
        np.testing.assert_array_equal(mixture.score_samples(X), said[0])
        np.testing.assert_array_equal(mixture.predict_proba(X), said[1])


@core
@every_estimator
def test_rows_with_nothing_seen_take_the_weights(estimator):
    X = table()
    empty = np.full((40, 3), np.nan)
    resp = soft_start(60, 2)
    options = {"estimator": estimator, "tol": 1e-12, "max_iter": 3000}
    alone = fit(X, 2, init_params=resp, **options)
    if estimator is EMGaussianMixture:
        # They say nothing, so the maximum is where it was.
        more = fit(
            np.r_[X, empty], 2, init_params=np.r_[resp, [[0.5, 0.5]] * 40], reg_covar=1e-6,
            estimator=estimator, tol=1e-12, max_iter=3000,
        )  # fmt: skip
        assert_close(more, alone, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(more.lower_bound_ * 100, alone.lower_bound_ * 60, rtol=1e-7)
    proba = alone.predict_proba(empty)
    np.testing.assert_array_equal(proba, [proba[0]] * 40)
    np.testing.assert_allclose(proba[0], alone.weights_, rtol=0.2)
    np.testing.assert_allclose(alone.score_samples(empty), 0, rtol=0, atol=1e-14)


def test_a_hole_in_a_row_of_weight_zero_is_no_hole():
    X, _ = blobs(40, 2, 2)
    weight = np.ones(40)
    weight[7] = 0.0
    holed = X.copy()
    holed[7, 1] = np.nan
    common = {"n_components": 2, "init_params": soft_start(40, 2), "sample_weight": weight}
    assert_close(fit(holed, **common), fit(X, **common), rtol=1e-9, atol=1e-9)


@core
@every_estimator
@every_type
def test_float32_is_float64_of_the_same_rows(estimator, covariance_type):
    X = table().astype(np.float32)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "init_params": soft_start(60, 2),
    }
    single, double = fit(X, 2, **common), fit(X.astype(np.float64), 2, **common)
    assert single.means_.dtype == single.score_samples(X).dtype == np.float32
    assert_close(single, double, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(single.score_samples(X), double.score_samples(X), rtol=1e-3)


@every_estimator
def test_memory_maps_and_orders(estimator, tmp_path):
    X = table()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    common = {"estimator": estimator, "random_state": 0}
    expected = fit(X, 2, **common)
    for other in (mapped, np.asfortranarray(X)):
        mixture = fit(other, 2, **common)
        assert_same_bits(mixture, expected)
        assert_same_outputs(mixture, other, expected, X)


def test_pandas_na_and_arrow_nulls_are_missing_cells():
    pd = pytest.importorskip("pandas")
    X = table()
    expected = fit(X, 2, init_params=soft_start(60, 2))
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    for kind in ("Float64", "float64[pyarrow]"):
        nullable = frame.convert_dtypes().astype(kind)
        assert nullable.isna().to_numpy().sum() == np.isnan(X).sum()
        assert_same_bits(fit(nullable, 2, init_params=soft_start(60, 2)), expected)


@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
@every_estimator
def test_pandas_na_among_python_objects_is_a_missing_cell(estimator):
    pd = pytest.importorskip("pandas")
    X = table()
    resp = soft_start(60, 2)
    expected = fit(X, 2, estimator=estimator, init_params=resp)
    nullable = pd.DataFrame(X, columns=["a", "b", "c"]).astype("Float64")
    objects = nullable.astype(object)
    for other in (
        objects,
        nullable.assign(b=objects["b"]),  # one column of objects
        objects.to_numpy(),
        objects.to_numpy().tolist(),
    ):
        mixture = fit(other, 2, estimator=estimator, init_params=resp)
        assert_same_bits(mixture, expected)
        np.testing.assert_array_equal(mixture.predict(other), expected.predict(X))
    assert list(fit(objects, 2, init_params=resp).feature_names_in_) == ["a", "b", "c"]
    whole = nullable.round().astype("Int64").astype(object)
    for method in ("score_samples", "impute"):
        got = getattr(expected, method)(whole.to_numpy())
        np.testing.assert_array_equal(got, getattr(expected, method)(np.round(X)))
    choice = GaussianMixtureIC((1,), covariance_type="EEE").fit(objects)
    np.testing.assert_array_equal(choice.predict_proba(objects), 1.0)
    bootstrap_standard_errors(objects, fit(X), n_bootstrap=2, random_state=0)
    with pytest.raises(ValueError, match="Input contains NaN"):
        grow_tree(objects)


@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
@pytest.mark.parametrize("missing", [None, "NA"])
def test_text_is_named(missing):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(table(), columns=["a", "b", "c"]).astype("Float64").astype(object)
    frame.loc[4, "b"] = missing if missing is None else pd.NA
    frame.loc[7, "c"] = "n/a"
    says = (
        "Column 'c' of X holds text: 'n/a' in row 7. Drop the column, or code it by numbers; "
        "EMMixture takes it as it is"
    )
    with pytest.raises(ValueError, match=says):
        EMGaussianMixture().fit(frame)
    with pytest.raises(ValueError, match="Column 2 of X holds text: 'n/a' in row 7"):
        EMGaussianMixture().fit(frame.to_numpy())
    with pytest.raises(ValueError, match=says):
        fit(table()).predict(frame)
    frame["c"] = pd.Categorical(["u", "v", "w"] * 20)
    with pytest.raises(ValueError, match="Column 'c' of X holds text: 'u' in row 0"):
        EMGaussianMixture().fit(frame)
    # Numbers in text are numbers, as scikit-learn reads them.
    frame["c"] = [f"{i % 7}.5" for i in range(60)]
    assert EMGaussianMixture().fit(frame).means_[0, 2] == pytest.approx(
        np.mean(np.arange(60) % 7) + 0.5
    )


def test_a_random_start_draws_each_number_once(monkeypatch):
    """Not all before a tile's, for each tile; a row's numbers are those of its place in X."""
    drawn = []

    class Counting(np.random.RandomState):
        def uniform(self, *args, size=None, **kwargs):
            drawn.append(np.prod(size))
            return super().uniform(*args, size=size, **kwargs)

    X = gaps.punch(blobs(40_000, 2, 2)[0], 0.2, 0)
    fit(X, 2, init_params="random", random_state=Counting(0), max_iter=1)
    assert sum(drawn) == 2 * len(X)


def test_rows_are_completed_by_one_gaussian_only_where_a_fit_starts_from_rows(monkeypatch):
    calls = []
    real = _fitting.single_component
    monkeypatch.setattr(
        _fitting, "single_component", lambda *given: calls.append(1) or real(*given)
    )
    X = table()
    common = {"resolution": None, "max_iter": 2}
    mixture = EMGaussianMixture(2, random_state=0, warm_start=True, **common).fit(X)
    assert len(calls) == 1
    mixture.fit(X)
    mixture.partial_fit(X)
    fit(X, 2, **common, **given_start("full", 2, 3))
    assert len(calls) == 1
    fit(X, 2, init_params=soft_start(60, 2), **common)
    assert len(calls) == 2


@every_estimator
def test_a_fit_looks_for_missing_cells_once(estimator, monkeypatch):
    looks = []

    def counted(X):
        looks.append(len(X))
        return has_gaps(X)

    for module in (_fitting, _gaps_module, engine_gaps):
        monkeypatch.setattr(module, "has_gaps", counted)
    for X in (table(), blobs(60, 3, 2)[0]):
        looks.clear()
        fit(X, 2, estimator=estimator, init_params="kmeans", random_state=0)
        assert looks == [60]


# --- starts, steps, choices -----------------------------------------------------------------


@every_estimator
@pytest.mark.parametrize(
    "method", ["auto", "kmeans", "k-means++", "hierarchical", "random_from_data"]
)
def test_every_start_finds_clusters_that_are_far_apart(estimator, method):
    X, labels = blobs(150, 3, 2, apart=12.0, seed=3)
    X = gaps.punch(X, 0.25, 0, keep_one=True)
    options = {"n_init": 5} if method in ("random_from_data", "k-means++") else {}
    mixture = fit(X, 2, estimator=estimator, init_params=method, random_state=0, **options)
    agree = (mixture.predict(X) == labels).mean()
    assert max(agree, 1 - agree) > 0.97
    assert_sound(fit(X, 2, estimator=estimator, init_params="random", random_state=0), X)


@core
@every_estimator
def test_steps_over_batches_with_holes(estimator):
    X, _ = blobs(300, 2, 2, apart=8.0, seed=3)
    X = gaps.punch(X, 0.2, 0)
    mixture = estimator(2, random_state=0, learning_decay=1.0, learning_offset=0.0)
    for batch in np.split(X, 6):
        mixture.partial_fit(batch)
    whole = fit(X, 2, estimator=estimator, random_state=0)
    assert mixture.score(X) > whole.score(X) - 0.05
    # A column may be missing from a later batch as a whole.
    batch = X[:50].copy()
    batch[:, 1] = np.nan
    mixture.partial_fit(batch)
    assert np.isfinite(mixture.score(X))


@pytest.mark.parametrize("criterion", ["bic", "cv"])
def test_a_choice_of_the_model(criterion):
    X, _ = blobs(120, 2, 2, apart=10.0, seed=3)
    X = gaps.punch(X, 0.2, 0)
    choice = GaussianMixtureIC(
        (1, 2, 3), covariance_type=["EII", "VVV"], criterion=criterion, cv=2, random_state=0
    )
    choice.fit(X)
    assert choice.best_params_["n_components"] == 2
    kind = SHAPES.get(choice.best_params_["covariance_type"], "EII")
    best = choice.best_estimator_
    expected = gaps.log_mixture(kind, X, best.weights_, best.means_, best.covariances_)
    np.testing.assert_allclose(choice.score_samples(X), expected, rtol=1e-9, atol=1e-9)
    assert choice.predict(X).shape == (120,)
    n_parameters = best.n_parameters()
    if criterion == "bic":
        bic = -2 * expected.sum() + n_parameters * np.log(120)
        np.testing.assert_allclose(choice.best_score_, bic, rtol=1e-9)


def test_bootstrap_replicates_have_the_holes_of_the_table(monkeypatch):
    X = table(n=50, d=2)
    holes = []
    real = _bootstrap.fit_quietly

    def fit(mixture, kind, rows, weights):
        holes.append(np.isnan(rows))
        return real(mixture, kind, rows, weights)

    monkeypatch.setattr(_bootstrap, "fit_quietly", fit)
    test = bootstrap_likelihood_ratio(
        X, EMGaussianMixture(1, init_params="kmeans"), n_bootstrap=3, random_state=0
    )
    assert len(holes) == 8
    for hole in holes:
        np.testing.assert_array_equal(hole, np.isnan(X))
    assert 0 < test.p_value <= 1
    assert len(set(test.replicates)) == 3


@pytest.mark.parametrize("method", ["parametric", "nonparametric", "weighted_likelihood"])
def test_standard_errors_grow_with_what_is_missing(method):
    """One Gaussian, half of a column missing at random: its mean is known half as well."""
    X = np.random.default_rng(0).normal(size=(400, 2))
    X[::2, 1] = np.nan
    mixture = EMGaussianMixture(covariance_type="diag").fit(X)
    errors = bootstrap_standard_errors(X, mixture, method=method, n_bootstrap=60, random_state=0)
    expected = np.sqrt(mixture.covariances_[0] / [400, 200])
    np.testing.assert_allclose(errors.means[0], expected, rtol=0.3)


def test_warm_start_goes_on():
    X = table()
    once = fit(X, 2, init_params=soft_start(60, 2), max_iter=20, tol=0.0)
    twice = EMGaussianMixture(
        2, init_params=soft_start(60, 2), max_iter=10, tol=0.0, warm_start=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        twice.fit(X).fit(X)
    assert_close(twice, once, rtol=1e-9, atol=1e-9)


# --- what can't be, and what is warned of ---------------------------------------------------


@core
@every_estimator
def test_a_column_without_any_value_is_an_error_that_names_it(estimator):
    X = table()
    X[:, 1] = np.nan
    with pytest.raises(ValueError, match=r"\[1\] of X have no value at all"):
        estimator().fit(X)
    X[0, 1] = 1.0
    weight = np.ones(60)
    weight[0] = 0.0
    with pytest.raises(ValueError, match=r"\[1\] of X have no value at all"):
        estimator().fit(X, sample_weight=weight)
    pd = pytest.importorskip("pandas")
    X[0, 1] = np.nan
    with pytest.raises(ValueError, match=r"\['width'\] of X have no value at all"):
        estimator().fit(pd.DataFrame(X, columns=["length", "width", "height"]))


@core
@pytest.mark.parametrize("holed", [False, True])
@pytest.mark.parametrize(
    "estimator", [EMGaussianMixture, VariationalGaussianMixture, GaussianMixtureIC]
)
def test_infinite_values_are_refused(estimator, holed):
    X = table(share=0.3 if holed else 0.0)
    mixture = estimator(1, random_state=0).fit(X)
    for value in (np.inf, -np.inf):
        bad = X.copy()
        bad[3, 1] = value
        asked = [estimator(1).fit, mixture.predict, mixture.predict_proba, mixture.score_samples]
        asked += [mixture.transform, mixture.score]
        if hasattr(mixture, "partial_fit"):
            asked += [mixture.bic, mixture.aic, mixture.icl, mixture.partial_fit]
        for ask in asked:
            with pytest.raises(ValueError, match="infinity"):
                ask(bad)
    one = EMGaussianMixture(1).fit(X)
    for function in (bootstrap_likelihood_ratio, bootstrap_standard_errors):
        with pytest.raises(ValueError, match="infinity"):
            function(bad, one, n_bootstrap=2)


@core
@every_estimator
def test_columns_that_are_never_seen_together_are_named(estimator):
    X, _ = blobs(60, 3, 1)
    X[:30, 0] = np.nan
    X[30:, 2] = np.nan
    with pytest.warns(ConvergenceWarning, match=r"both columns of the pair\(s\) \[\(0, 2\)\]"):
        mixture = estimator(1, max_iter=500).fit(X)
    assert_sound(mixture, X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator(1, covariance_type="diag").fit(X)
        # A batch is not all rows.
        estimator(1).partial_fit(X)
    pd = pytest.importorskip("pandas")
    with pytest.warns(ConvergenceWarning, match=r"\[\('a', 'c'\)\]"):
        estimator(1, max_iter=500).fit(pd.DataFrame(X, columns=["a", "b", "c"]))


@core
def test_a_column_nearly_without_values():
    X, _ = blobs(300, 3, 2)
    X[3:, 2] = np.nan
    for covariance_type in ("full", "tied", "diag", "spherical"):
        mixture = fit(X, 1, covariance_type=covariance_type, random_state=0, max_iter=1000)
        assert_sound(mixture, X)


def test_a_constant_column_with_holes_is_constant():
    X = table()
    X[:, 1] = np.where(np.isnan(X[:, 1]), np.nan, 0.1)
    with pytest.warns(ConvergenceWarning, match=r"Column\(s\) \[1\] of X are constant"):
        mixture = EMGaussianMixture(1).fit(X)
    np.testing.assert_allclose(mixture.means_[0, 1], 0.1, rtol=1e-12)


@core
def test_without_a_floor_a_singular_covariance_is_an_error():
    X, _ = blobs(40, 3, 1)
    X[:, 2] = X[:, 0] + X[:, 1]
    X[::4, 1] = np.nan
    with pytest.raises(ValueError, match="reg_covar"):
        EMGaussianMixture(1, reg_covar=0, max_iter=100_000, tol=0.0).fit(X)


@pytest.mark.skipif(not COMPILED, reason="takes minutes without the compiler")
@pytest.mark.parametrize("method", ["kmeans", "hierarchical", "auto"])
def test_memory_beyond_the_table_is_small(method):
    X = gaps.punch(np.random.default_rng(0).normal(size=(200_000, 8)), 0.1, 0)
    mixture = EMGaussianMixture(2, init_params=method, max_iter=1, random_state=0, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(X[:5000])
        tracemalloc.start()
        mixture.fit(X)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 64 * 2**20 + 8 * len(X)


@every_estimator
@every_type
@pytest.mark.parametrize("gap", [False, True])
def test_what_a_fit_says_of_itself_is_plain(estimator, covariance_type, gap):
    """A file of a model may hold nothing else, with the compiler and without."""
    X = blobs(60)[0]
    if gap:
        X[[2, 7], 0] = np.nan
    mixture = fit(X, 2, estimator=estimator, covariance_type=covariance_type, random_state=0)
    said = mixture.converged_, mixture.n_iter_, mixture.lower_bound_, mixture.lower_bounds_[0]
    assert [type(value) for value in said] == [bool, int, float, float]
