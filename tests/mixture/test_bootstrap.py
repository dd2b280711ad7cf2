"""Tests and standard errors by the bootstrap, against closed forms."""

import numpy as np
import pytest
from sklearn.exceptions import FitFailedWarning, NotFittedError

from mixture.tables import blobs, fit, many_rows
from skem import (
    EMGaussianMixture,
    EMMixture,
    EMStudentMixture,
    GaussianMixtureIC,
    VariationalGaussianMixture,
    bootstrap_likelihood_ratio,
    bootstrap_standard_errors,
)

METHODS = ("weighted_likelihood", "nonparametric", "parametric")


def one_feature(n, seed, *, apart=0.0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=n) + apart * (np.arange(n) % 2))[:, None]


@pytest.mark.core
def test_far_clusters_give_the_smallest_p():
    X = one_feature(60, 0, apart=8.0)
    one = EMGaussianMixture(1, covariance_type="tied", random_state=0)
    test = bootstrap_likelihood_ratio(X, one, n_bootstrap=19, random_state=0)
    assert test.p_value == 1 / 20
    assert len(test.replicates) == 19
    assert test.statistic > test.replicates.max()
    assert not hasattr(one, "weights_")


# The bound of these has a prior's density in it, or that of assignments.
@pytest.mark.parametrize(
    "settings",
    [{}, {"covariance_prior": [[0.5]], "mean_precision_prior": 0.1}, {"assignment": "hard"}],
)
@pytest.mark.parametrize("gappy", [False, True])
def test_the_statistic_is_twice_the_difference_of_log_likelihoods(settings, gappy):
    X = 7.0 * one_feature(60, 0, apart=3.0)
    if gappy:
        X[::9] = np.nan
    settings = {"covariance_type": "tied", "tol": 1e-6, "random_state": 3} | settings
    test = bootstrap_likelihood_ratio(
        X, EMGaussianMixture(2, **settings), n_bootstrap=2, random_state=0
    )
    less, more = (fit(X, k, **settings).score_samples(X).sum() for k in (2, 3))
    assert test.statistic == pytest.approx(2 * (more - less), rel=1e-9)


@many_rows
def test_p_values_are_uniform_where_there_is_one_component():
    # Under the null p is uniform on {1, ..., B + 1} / (B + 1) but for ties.
    one = EMGaussianMixture(1, covariance_type="tied", init_params="k-means++", random_state=0)
    p = np.array(
        [
            bootstrap_likelihood_ratio(
                one_feature(25, 100 + seed), one, n_bootstrap=9, random_state=seed
            ).p_value
            for seed in range(40)
        ]
    )
    # Mean 0.55 with a standard error of 0.045; share at or below 0.5: 0.5 with one of 0.08.
    assert abs(p.mean() - 0.55) < 3.5 * 0.0454
    assert abs((p <= 0.5).mean() - 0.5) < 3.5 * 0.079
    assert set((10 * p).round().astype(int)) <= set(range(1, 11))
    assert len(set(p)) > 5


@many_rows
@pytest.mark.parametrize("method", METHODS)
def test_standard_errors_of_one_gaussian_have_closed_forms(method):
    rng = np.random.default_rng(0)
    n = 400
    X = rng.normal(size=(n, 2)) @ np.array([[2.0, 0.6], [0.0, 0.5]]) + 10.0
    mixture = EMGaussianMixture(1, reg_covar=0.0).fit(X)
    errors = bootstrap_standard_errors(X, mixture, method=method, n_bootstrap=500, random_state=0)
    covariance = np.cov(X.T, ddof=0)
    variances = np.diag(covariance)
    # A standard deviation from 500 numbers has a standard error of 3 %; the rows' fourth
    # moments differ from a Gaussian's by as much again.
    np.testing.assert_allclose(errors.means[0], np.sqrt(variances / n), rtol=0.1)
    expected = np.sqrt((np.outer(variances, variances) + covariance**2) / n)
    np.testing.assert_allclose(errors.covariances[0], expected, rtol=0.15)
    np.testing.assert_array_equal(errors.weights, [0.0])


@many_rows
@pytest.mark.parametrize("method", METHODS)
def test_standard_errors_of_far_clusters(method):
    # Where every row's component is known, weights are binomial shares and means are means.
    n = 300
    labels = np.arange(n) % 3 > 0
    X = np.random.default_rng(1).normal(size=(n, 1)) + 50.0 * labels[:, None]
    mixture = EMGaussianMixture(2, covariance_type="diag", random_state=0).fit(X)
    errors = bootstrap_standard_errors(X, mixture, method=method, n_bootstrap=400, random_state=0)
    share = mixture.weights_
    np.testing.assert_allclose(errors.weights, np.sqrt(share * (1 - share) / n), rtol=0.15)
    counts = share * n
    deviations = np.sqrt(mixture.covariances_[:, 0])
    np.testing.assert_allclose(errors.means[:, 0], deviations / np.sqrt(counts), rtol=0.2)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "spherical", "VEI"])
def test_shapes_are_those_of_the_attributes(covariance_type):
    X, _ = blobs(n=90, d=2)
    mixture = fit(X, 3, covariance_type=covariance_type, random_state=0)
    errors = bootstrap_standard_errors(X, mixture, n_bootstrap=3, random_state=0)
    for name, value in errors._asdict().items():
        assert value.shape == getattr(mixture, f"{name}_").shape
        assert np.isfinite(value).all()


def test_components_are_matched_to_the_fitted_ones():
    # The same mixture with its components in another order has its errors in that order.
    X, _ = blobs(n=90, d=2)
    mixture = fit(X, 3, random_state=0)
    errors = bootstrap_standard_errors(X, mixture, n_bootstrap=4, random_state=0)
    order = [2, 0, 1]
    turned = fit(X, 3, random_state=0)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        setattr(turned, name, getattr(mixture, name)[order])
    again = bootstrap_standard_errors(X, turned, n_bootstrap=4, random_state=0)
    np.testing.assert_allclose(again.weights, errors.weights[order], rtol=1e-6)
    np.testing.assert_allclose(again.means, errors.means[order], rtol=1e-6)
    np.testing.assert_allclose(again.covariances, errors.covariances[order], rtol=1e-6)


def test_threads_change_no_bit(monkeypatch):
    monkeypatch.setattr("skem.mixture._grid._WORTH_A_THREAD", 0.0)
    X = one_feature(50, 0, apart=3.0)
    # A random state of None is seeded by the function's own.
    two = EMGaussianMixture(2, covariance_type="tied", init_params="random").fit(X)
    for function in (bootstrap_standard_errors, bootstrap_likelihood_ratio):
        if function is bootstrap_likelihood_ratio:
            two.set_params(random_state=1)
        results = [
            function(X, two, n_bootstrap=5, random_state=0, n_jobs=n_jobs) for n_jobs in (1, 2, 7)
        ]
        for result in results[1:]:
            for mine, first in zip(result, results[0], strict=True):
                np.testing.assert_array_equal(mine, first)


def test_fits_that_fail_are_left_out_and_counted():
    X = np.array([[0.0], [1.0], [1.0], [1.0]])
    mixture = EMGaussianMixture(1, reg_covar=0.0).fit(X)
    with pytest.warns(FitFailedWarning, match=r"of 40 bootstrap fits failed.*singular") as caught:
        errors = bootstrap_standard_errors(
            X, mixture, method="nonparametric", n_bootstrap=40, random_state=0
        )
    assert caught[0].filename == __file__
    assert np.isfinite(errors.means).all()


def test_what_is_refused():
    X, _ = blobs(n=40, d=2)
    with pytest.raises(TypeError, match="or an EMMixture, got VariationalGaussian"):
        bootstrap_likelihood_ratio(X, VariationalGaussianMixture(2))
    with pytest.raises(TypeError, match="pass its best_estimator_"):
        bootstrap_standard_errors(X, GaussianMixtureIC(2))
    with pytest.raises(NotFittedError):
        bootstrap_standard_errors(X, EMGaussianMixture(2))
    with pytest.raises(ValueError, match="estimator has means_init for 2 components only"):
        bootstrap_likelihood_ratio(X, EMGaussianMixture(2, means_init=X[:2]))
    given = [{"means": X[:2]}]
    blocks = EMMixture(2, columns=[("diag", slice(None))], parameters_init=given)
    with pytest.raises(ValueError, match="estimator has parameters_init for 2 components only"):
        bootstrap_likelihood_ratio(X, blocks)
    with pytest.raises(ValueError, match="estimator has init_params for 2 components only"):
        bootstrap_likelihood_ratio(X, EMGaussianMixture(2, init_params=np.full((40, 2), 0.5)))
    fitted = fit(X, 1)
    for function in (bootstrap_likelihood_ratio, bootstrap_standard_errors):
        for name, value in (("n_bootstrap", 1), ("random_state", "x"), ("n_jobs", 0)):
            with pytest.raises(ValueError, match=f"The '{name}' parameter of {function.__name__}"):
                function(X, fitted, **{name: value})
    with pytest.raises(ValueError, match="The 'method' parameter of bootstrap_standard_errors"):
        bootstrap_standard_errors(X, fitted, method="jackknife")


def test_if_all_replicates_fail_that_is_an_error(monkeypatch):
    X, _ = blobs(n=40, d=2)
    mixture = fit(X, 1)

    def no_luck(*arguments):
        raise ValueError("no luck today")

    monkeypatch.setattr("skem.mixture._standard_errors.fit_quietly", no_luck)
    with pytest.raises(
        ValueError, match=r"^3 of 3 bootstrap fits failed; the first: no luck today"
    ):
        bootstrap_standard_errors(X, mixture, n_bootstrap=3)


def classes(n, seed, *, apart):
    """Yes/no answers and counts of one class, or of two that differ."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    second = apart * (np.arange(n) % 2)
    table = {f"q{j}": rng.random(n) < 0.3 + 0.6 * second for j in range(4)}
    table["visits"] = rng.poisson(2.0 + 4.0 * second)
    return pandas.DataFrame(table, dtype=object).mask(rng.random((n, 5)) < 0.05)


KINDS = [("categorical", ["q0", "q1", "q2", "q3"]), ("poisson", ["visits"])]


@pytest.mark.parametrize(("apart", "significant"), [(1, True), (0, False)])
def test_latent_classes_are_tested(apart, significant):
    X = classes(120, 0, apart=apart)
    one = EMMixture(1, columns=KINDS, tol=1e-6, init_params="kmeans", random_state=0)
    test = bootstrap_likelihood_ratio(X, one, n_bootstrap=9, random_state=0)
    assert (test.p_value <= 0.1) == significant
    less, more = (
        EMMixture(k, columns=KINDS, tol=1e-6, init_params="kmeans", random_state=0)
        .fit(X)
        .score_samples(X)
        .sum()
        for k in (1, 2)
    )
    assert test.statistic == pytest.approx(2 * (more - less), rel=1e-9)
    assert not hasattr(one, "weights_")


def test_students_t_mixtures_are_tested():
    # Heavy tails are two Gaussian components, but one of Student's t.
    X = np.random.default_rng(0).standard_t(3, size=(150, 1))
    p = [
        bootstrap_likelihood_ratio(X, mixture, n_bootstrap=9, random_state=0).p_value
        for mixture in (
            EMGaussianMixture(1, random_state=0),
            EMStudentMixture(1, tol=1e-5, max_iter=500, random_state=0),
        )
    ]
    assert p[0] == 1 / 10
    assert p[1] > 0.1


def test_a_random_state_is_neither_shared_nor_changed():
    X = one_feature(50, 0, apart=3.0)
    state = np.random.RandomState(3)
    mixture = EMGaussianMixture(1, init_params="random", random_state=state)
    first, second = (
        bootstrap_likelihood_ratio(X, mixture, n_bootstrap=2, random_state=0) for _ in range(2)
    )
    assert first.statistic == second.statistic


@many_rows
@pytest.mark.parametrize("method", METHODS)
def test_standard_errors_of_one_class_have_closed_forms(method):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    n = 400
    X = pandas.DataFrame(
        {
            "answer": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
            "yes": rng.random(n) < 0.3,
            "visits": rng.poisson(3.0, n),
            "size": rng.normal(5.0, 2.0, n),
        }
    )
    kinds = ["categorical", "bernoulli", "poisson", "diag"]
    columns = [(kind, [name]) for kind, name in zip(kinds, X.columns, strict=True)]
    mixture = EMMixture(1, columns=columns).fit(X)
    errors = bootstrap_standard_errors(X, mixture, method=method, n_bootstrap=200, random_state=0)
    answer, yes, visits, size = errors.parameters
    share = np.array([(X["answer"] == name).mean() for name in "abc"])
    expected = np.sqrt(share * (1 - share) / n)
    np.testing.assert_allclose(answer["probabilities"][0][0], expected, rtol=0.2)
    assert answer["categories"] == [["a", "b", "c"]]
    p = X["yes"].mean()
    np.testing.assert_allclose(yes["probabilities"], np.sqrt(p * (1 - p) / n), rtol=0.2)
    variance = X["visits"].mean() if method == "parametric" else X["visits"].var(ddof=0)
    np.testing.assert_allclose(visits["rates"], np.sqrt(variance / n), rtol=0.2)
    np.testing.assert_allclose(size["means"], X["size"].std() / np.sqrt(n), rtol=0.2)
    np.testing.assert_array_equal(errors.weights, [0.0])
    assert [entry["kind"] for entry in errors.parameters] == kinds


def test_standard_errors_of_classes_are_matched_and_may_be_infinite():
    X = classes(90, 0, apart=1).assign(few=[0, 1] * 45)
    columns = [*KINDS, ("negative_binomial", ["few"])]
    mixture = EMMixture(2, columns=columns, random_state=0).fit(X)
    errors = bootstrap_standard_errors(X, mixture, n_bootstrap=5, random_state=0)
    np.testing.assert_allclose(errors.weights[0], errors.weights[1], rtol=1e-6)
    assert errors.weights[0] < 0.1
    assert (errors.parameters[1]["rates"] < 0.6).all()
    assert np.isinf(errors.parameters[2]["sizes"]).any()


@many_rows
def test_standard_errors_of_a_t_distribution_have_closed_forms():
    # Fisher's information of the location is (df + 1) / (df + 3) / scale (Lange et al. 1989).
    n, df = 400, 4.0
    X = 3.0 * np.random.default_rng(0).standard_t(df, size=(n, 1))
    mixture = EMStudentMixture(1, df=df, tol=1e-8, max_iter=1000).fit(X)
    errors = bootstrap_standard_errors(
        X, mixture, method="parametric", n_bootstrap=200, random_state=0
    )
    scale = mixture.scale_matrices_.item()
    expected = np.sqrt((df + 3) / (df + 1) * scale / n)
    assert errors.means.item() == pytest.approx(expected, rel=0.2)
    assert errors.df.tolist() == [0.0]
    # That of the scale's logarithm is df / (2 (df + 3)).
    expected = scale * np.sqrt(2 * (df + 3) / df / n)
    assert errors.scale_matrices.item() == pytest.approx(expected, rel=0.2)
