"""Student's t mixtures: fits against reference values, and what robustness promises."""

import csv
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from oracles import gaps, student
from scipy import stats
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from mixture.tables import TYPES, blobs, core, every_type, fit, soft_start
from skem import EMGaussianMixture, EMStudentMixture
from skem.families import GAUSSIAN_FAMILIES

DATA = Path(__file__).parents[1] / "data"
NAMES = (
    "weights_",
    "means_",
    "scale_matrices_",
    "df_",
    "precisions_",
    "precisions_cholesky_",
    "lower_bound_",
    "lower_bounds_",
    "n_iter_",
)


def student_fit(X, n_components=2, **parameters):
    return fit(X, n_components, estimator=EMStudentMixture, **parameters)


def assert_same(one, other):
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def heavy(n=200, d=2, seed=0):
    """Rows of two clusters with heavy tails."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    scales = rng.gamma(1.5, 1 / 1.5, size=(n, 1))  # three degrees of freedom
    return 8.0 * labels[:, None] + rng.normal(size=(n, d)) / np.sqrt(scales)


def read(name):
    return np.genfromtxt(DATA / name, delimiter=",", skip_header=1)


def reference_cases():
    """Those of tests/data/tmix_values.csv that begin with given labels, or have one component."""
    with open(DATA / "tmix_values.csv") as file:
        return [case for case in csv.DictReader(file) if not case["start"].startswith("best")]


@core
@pytest.mark.parametrize(
    "case", reference_cases(), ids=lambda c: f"{c['data_file'][10:-4]}-{c['K']}-{c['model']}"
)
def test_reference_values(case):
    """Ends of ECME by textbook code; teigen's models with its cap at 200 degrees of freedom."""
    X, k = read(case["data_file"]), int(case["K"])
    df = {"nu_k free": "component", "nu shared": "shared"}.get(case["model"], 4.0)
    labels = np.zeros(len(X), dtype=int)
    if k > 1:
        table = case["data_file"].removeprefix("tmix_data_").removesuffix(".csv")
        labels = read(f"tmix_start_{table}_{case['start']}.csv").astype(int)
    mixture = EMStudentMixture(
        k,
        df=df,
        reg_covar=0,
        resolution=None,
        init_params=np.eye(k)[labels],
        tol=1e-10,
        max_iter=300,
    ).fit(X)
    assert mixture.lower_bound_ * len(X) == pytest.approx(float(case["loglik"]), abs=1e-4)
    expected = np.array(case["nu"].split(), dtype=float)
    np.testing.assert_allclose(mixture.df_, expected, rtol=0.02)


@core
@pytest.mark.parametrize("covariance_type", GAUSSIAN_FAMILIES)
@pytest.mark.parametrize("df", ["component", "shared", 3.0])
def test_the_bound_never_falls_and_is_the_score(covariance_type, df):
    X = heavy(80)
    mixture = student_fit(
        X, 2, covariance_type=covariance_type, df=df, init_params="kmeans", reg_covar=0
    )
    assert mixture.converged_
    bounds = np.array(mixture.lower_bounds_)
    assert (np.diff(bounds) >= 0).all()
    assert bounds[-1] > bounds[0] + 0.02
    assert mixture.lower_bound_ == pytest.approx(mixture.score(X), rel=1e-9)


@core
@every_type
def test_score_samples_with_gaps(covariance_type):
    X = gaps.punch(heavy(60, 3), 0.2, 0, keep_one=True)
    mixture = student_fit(X, 2, covariance_type=covariance_type, random_state=0)
    joint = student.log_joint(
        covariance_type,
        X,
        mixture.weights_,
        mixture.means_,
        mixture.scale_matrices_,
        mixture.df_,
    )
    np.testing.assert_allclose(mixture.score_samples(X), logsumexp(joint, axis=1), rtol=1e-9)
    np.testing.assert_array_equal(mixture.predict(X), joint.argmax(axis=1))
    assert mixture.lower_bound_ == pytest.approx(mixture.score(X), rel=1e-9)


@every_type
def test_many_degrees_of_freedom_are_gaussian(covariance_type):
    X, _ = blobs()
    common = {
        "covariance_type": covariance_type,
        "init_params": soft_start(len(X), 3),
        "max_iter": 20,
        "acceleration": None,
    }
    t = student_fit(X, 3, df=1e9, **common)
    gaussian = fit(X, 3, **common)
    assert t.n_iter_ == gaussian.n_iter_
    np.testing.assert_allclose(t.means_, gaussian.means_, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(t.scale_matrices_, gaussian.covariances_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(t.lower_bounds_, gaussian.lower_bounds_, rtol=1e-6)
    np.testing.assert_allclose(t.scales(X), 1.0, atol=1e-6)


@core
def test_far_rows_hardly_move_the_means():
    X, labels = blobs(k=2, d=2, n=200)
    start = np.eye(2)[labels]
    far = np.vstack([X, X.mean(axis=0) + 100 * X.std(axis=0)])
    start_far = np.vstack([start, [1.0, 0.0]])
    moves = []
    for estimator, more in ((EMStudentMixture, {"df": 4.0}), (EMGaussianMixture, {})):
        without = fit(X, 2, estimator=estimator, init_params=start, **more)
        with_it = fit(far, 2, estimator=estimator, init_params=start_far, **more)
        moves.append(np.abs(with_it.means_ - without.means_).max() / X.std())
        if estimator is EMStudentMixture:
            scales = with_it.scales(far)
            assert scales.argmin() == len(X)
            assert scales[-1] < 0.01
    assert moves[0] < 0.02
    assert moves[1] > 0.5


@core
@every_type
def test_integer_weights_are_repeated_rows(covariance_type):
    X = heavy(60)
    weight = np.random.default_rng(0).integers(0, 3, size=60)
    start = soft_start(60, 2)
    common = {"covariance_type": covariance_type, "max_iter": 5, "acceleration": None}
    weighted = student_fit(X, 2, sample_weight=weight, init_params=start, **common)
    again = np.repeat(np.arange(60), weight)
    repeated = student_fit(X[again], 2, init_params=start[again], **common)
    for name in ("means_", "scale_matrices_", "df_", "lower_bound_"):
        np.testing.assert_allclose(
            getattr(weighted, name), getattr(repeated, name), rtol=1e-7, atol=1e-9, err_msg=name
        )


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_threads_and_blocks_give_the_same_bits(share):
    X = gaps.punch(heavy(9000), share, 0, keep_one=True)
    common = {"init_params": "kmeans", "random_state": 0, "max_iter": 2}
    one = student_fit(X, 2, n_jobs=1, **common)
    for n_jobs, block_size in ((2, None), (3, 1000)):
        many = student_fit(X, 2, n_jobs=n_jobs, block_size=block_size, **common)
        assert_same(one, many)
        np.testing.assert_array_equal(many.scales(X), one.scales(X))


@core
def test_steps_lead_where_a_fit_does():
    X = heavy(1500, seed=1)
    mixture = EMStudentMixture(2, random_state=0).partial_fit(X[:150])
    begun = mixture.score(X)
    for _ in range(10):
        for batch in np.split(X, 10):
            mixture.partial_fit(batch)
    whole = student_fit(X, 2, random_state=0, tol=1e-8, max_iter=200)
    order = np.argsort(mixture.means_[:, 0]), np.argsort(whole.means_[:, 0])
    np.testing.assert_allclose(mixture.means_[order[0]], whole.means_[order[1]], atol=0.15)
    # From 30, though EM's steps are small.
    np.testing.assert_allclose(mixture.df_[order[0]], whole.df_[order[1]], rtol=0.15)
    assert mixture.score(X) > whole.score(X) - 0.01 * (whole.score(X) - begun) - 2e-3
    before = whole.score(X)
    df = whole.df_
    whole.partial_fit(X)  # from the statistics that rows of the fitted mixture should have
    assert whole.score(X) == pytest.approx(before, abs=1e-3)
    np.testing.assert_allclose(whole.df_, df, rtol=0.02)


@core
def test_warm_start_and_pickles():
    X = heavy(100)
    cold = student_fit(X, 2, random_state=0, tol=1e-7, max_iter=500)
    warm = student_fit(X, 2, random_state=0, tol=1e-7, max_iter=12, warm_start=True)
    for _ in range(20):
        if warm.converged_:
            break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warm.fit(X)
    assert warm.converged_
    np.testing.assert_allclose(warm.score(X), cold.score(X), rtol=1e-8)
    again = pickle.loads(pickle.dumps(warm))
    np.testing.assert_array_equal(again.score_samples(X), warm.score_samples(X))
    np.testing.assert_array_equal(again.sample(5)[0], warm.sample(5)[0])


@core
@every_type
def test_covariances_and_summary(covariance_type):
    mixture = EMStudentMixture.from_parameters(
        [0.5, 0.5],
        [[0.0, 0.0], [5.0, 5.0]],
        {
            "full": [np.diag([1.0, 4.0])] * 2,
            "tied": np.diag([1.0, 4.0]),
            "diag": [[1.0, 4.0]] * 2,
            "spherical": [1.0, 1.0],
        }[covariance_type],
        [4.0, 2.0],
        covariance_type=covariance_type,
    )
    covariances = mixture.covariances_
    np.testing.assert_allclose(np.ravel(covariances[0])[0], 2.0)
    assert np.isinf(np.ravel(covariances[1])[0])
    assert not np.isnan(covariances).any()
    summary = mixture.summary()
    np.testing.assert_allclose(summary.deviations[0, 0], np.sqrt(2.0))
    assert "5 ± inf" in repr(summary)
    drawn, labels = mixture.sample(500, random_state=0)
    first = drawn[labels == 0, 0]
    assert stats.kstest(first, stats.t(4.0).cdf).pvalue > 0.01


def test_given_parameters():
    mixture = EMStudentMixture.from_parameters([0.4, 0.6], [[0.0], [3.0]], [[[1.0]], [[2.0]]], 5)
    assert mixture.df == 5
    X = np.array([[0.5], [2.0]])
    density = 0.4 * stats.t(5).pdf(X[:, 0]) + 0.6 * stats.t(5, 3, np.sqrt(2)).pdf(X[:, 0])
    np.testing.assert_allclose(mixture.score_samples(X), np.log(density))
    assert mixture.partial_fit(heavy(50, 1)).df_.tolist() == [5.0, 5.0]
    with pytest.raises(ValueError, match="'df' should be positive, but got min value -1"):
        EMStudentMixture.from_parameters([1.0], [[0.0]], [[[1.0]]], [-1.0])
    with pytest.raises(ValueError, match="'df' should have the shape of"):
        EMStudentMixture.from_parameters([1.0], [[0.0]], [[[1.0]]], [1.0, 2.0])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"df": 0.0}, "'df' parameter of EMStudentMixture must be a str among"),
        ({"df": "each"}, "'df' parameter of EMStudentMixture must be a str among"),
        ({"df_bounds": 3.0}, "'df_bounds' parameter of EMStudentMixture must be a pair"),
        ({"df_bounds": (3.0, 2.0)}, r"the smaller one first, but got \(3, 2\)"),
        ({"df_bounds": (0.0, 2.0)}, r"two positive numbers.*got \(0, 2\)"),
    ],
)
def test_bad_parameters(parameters, words):
    with pytest.raises(ValueError, match=words):
        EMStudentMixture(**parameters).fit(heavy(30))


def test_bounds_hold_estimates():
    X = heavy(300)
    assert student_fit(X, 2, df_bounds=(8.0, 9.0), random_state=0).df_.min() >= 8.0
    normal, _ = blobs(k=1)
    assert student_fit(normal, 1, df_bounds=(1.0, 5.0)).df_.max() <= 5.0


def test_parameters_are_counted():
    X = heavy(60)
    counts = [
        student_fit(X, 2, df=df, random_state=0).n_parameters()
        for df in ("component", "shared", 4.0)
    ]
    gaussian = fit(X, 2, random_state=0).n_parameters()
    assert counts == [gaussian + 2, gaussian + 1, gaussian]


def test_single_precision_and_given_starts():
    X = heavy(80).astype(np.float32)
    first = student_fit(X, 2, random_state=0)
    assert {getattr(first, name).dtype for name in NAMES[:6]} == {np.dtype(np.float32)}
    assert first.covariances_.dtype == np.float32
    assert first.scales(X).dtype == np.float32
    again = student_fit(
        X,
        2,
        weights_init=first.weights_ / first.weights_.sum(dtype=float),
        means_init=first.means_,
        precisions_init=first.precisions_,
        max_iter=0,
    )
    np.testing.assert_allclose(again.scale_matrices_, first.scale_matrices_, rtol=1e-3)
    np.testing.assert_array_equal(again.df_, 30.0)


def test_conditional_draws_have_the_tails_of_a_t():
    """Given the seen cell at distance 3, df + 1 degrees of freedom and a wider scale."""
    scale = np.array([[1.0, 0.5], [0.5, 1.0]])
    mixture = EMStudentMixture.from_parameters([1.0], [[0.0, 0.0]], [scale], 2.0)
    row = np.array([[3.0, np.nan]])
    drawn = mixture.impute(row, "draw", n_draws=1500, random_state=0)[:, 0, 1]
    width = np.sqrt((2.0 + 9.0) / 3.0 * (1.0 - 0.25))
    assert stats.kstest(drawn, stats.t(3.0, loc=1.5, scale=width).cdf).pvalue > 0.01
    assert mixture.impute(row)[0, 1] == pytest.approx(1.5)


def test_other_shapes_set_by_hand():
    mixture = student_fit(heavy(40), 2, random_state=0)
    mixture.df_ = mixture.df_[:1]
    with pytest.raises(ValueError, match=r"df_ should have the shape \(2,\), but has \(1,\)"):
        mixture.predict(heavy(5))
    mixture.covariance_type = "diag"
    with pytest.raises(ValueError, match="was fitted with covariance_type='full'"):
        mixture.predict(heavy(5))


@core
@parametrize_with_checks(
    [EMStudentMixture()]
    + [EMStudentMixture(covariance_type=name, df="shared") for name in TYPES[1:]]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# --- degenerate tables ----------------------------------------------------------------------


def listen(X, n_components=2, **parameters):
    """Fit, and return the mixture and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture = EMStudentMixture(n_components, random_state=0, **parameters).fit(X)
    return mixture, "\n".join(str(warning.message) for warning in caught)


def two_clusters(n=100):
    return np.random.default_rng(0).normal(size=(n, 3)) + 5.0 * (np.arange(n) % 2)[:, None]


def degenerate_tables():
    rows = two_clusters()
    constant, heaped, far = rows.copy(), rows.copy(), rows.copy()
    constant[:, 1] = 7.0
    heaped[:60, 2] = 0.0
    far[0] = 1e6
    few = rows[:6]
    return {
        "constant": (constant, "Column(s) [1] of X are constant"),
        "equal": (np.full((30, 3), 4.0), "Component(s) [1] emptied"),
        "few": (few, "rows where a covariance of 3 columns needs 4"),
        "heaped": (heaped, "(2, where one value has 60 % of the rows)"),
        "far": (far, "Column(s) [0, 1, 2] of X have values so far out"),
    }


@core
@pytest.mark.parametrize("name", degenerate_tables())
@pytest.mark.parametrize("df", ["component", "shared", 4.0])
def test_degenerate_tables_are_fitted_and_told(name, df):
    X, expected = degenerate_tables()[name]
    mixture, said = listen(X, df=df)
    assert expected in said
    assert "depend on each other" not in said
    for attribute in ("weights_", "means_", "scale_matrices_", "df_"):
        assert np.isfinite(getattr(mixture, attribute)).all()
    assert np.isfinite(mixture.score_samples(X)).all()
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
    np.testing.assert_allclose(mixture.predict_proba(X).sum(axis=1), 1.0)


@core
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
@pytest.mark.parametrize("far", [1e4, 1e6])
def test_rows_a_million_deviations_away_are_held_off(covariance_type, far):
    """As if they were not there, up to the two rows; where reg_covar is not in their units."""
    rows = two_clusters()
    X = np.vstack([rows, np.full((1, 3), far), np.full((1, 3), -2 * far)])
    common = {"df": 4.0, "covariance_type": covariance_type, "tol": 1e-6, "max_iter": 300}
    mixture, said = listen(X, reg_covar=1e-6, **common)
    assert "decrease reg_covar" in said
    mixture, said = listen(X, reg_covar=1e-16, **common)
    assert said == ""
    without, _ = listen(rows, **common)
    order, other = mixture.means_[:, 0].argsort(), without.means_[:, 0].argsort()
    np.testing.assert_allclose(mixture.means_[order], without.means_[other], atol=0.1)
    ratio = np.ravel(mixture.scale_matrices_)[0] / np.ravel(without.scale_matrices_)[0]
    assert 0.9 < ratio < 1.25
    assert mixture.scales(X)[-2:].max() < 1e-4


def test_far_values_make_no_steps():
    X = np.vstack([two_clusters(), np.full((1, 3), 1e9)])
    assert (listen(X, df=4.0)[0].resolution_ == 0).all()
