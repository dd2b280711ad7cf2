"""The table of a fitted mixture: what it says, and how it is written."""

import sys
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from mixture.tables import blobs, every_estimator, fit
from skem import (
    EMGaussianMixture,
    EMMixture,
    EMStudentMixture,
    GaussianMixtureIC,
    VariationalGaussianMixture,
    VariationalMixture,
)
from skem.datasets import load_faithful
from skem.mixture import MixtureSummary
from skem.mixture._summary import plus_minus

pandas = pytest.importorskip("pandas")

SMALL = MixtureSummary(
    "Two clusters",
    ("length", "a <b> & c"),
    np.array([0.75, 0.25]),
    np.array([1200.0, 0.5]),
    np.array([[54.4785, -2.0], [0.0, 1e9]]),
    np.array([[5.8678, 0.25], [0.0, 3e8]]),
)


@pytest.fixture(scope="module")
def faithful():
    return load_faithful(as_frame=True).data


def test_the_printed_table():
    assert repr(SMALL).splitlines() == [
        "Two clusters",
        "",
        "  cluster                 0               1",
        "  weight              0.750           0.250",
        "  size              1,200.0             0.5",
        "  length         54.5 ± 5.9   0.000 ± 0.000",
        "  a <b> & c    -2.00 ± 0.25   1e+09 ± 3e+08",
        "  (size: expected number of rows; columns: mean ± standard deviation)",
    ]


def test_narrow_terminals_show_clusters_in_bands():
    wide, narrow = SMALL.table(200), SMALL.table(30)
    assert max(map(len, narrow.splitlines())) <= 30
    first, second = narrow.split("\n\n")
    assert first.split()[:2] == ["cluster", "0"]
    assert second.split()[:2] == ["cluster", "1"]
    for line, left, right in zip(
        wide.splitlines(), first.splitlines(), second.splitlines(), strict=True
    ):
        assert line.split()[-1] == right.split()[-1]
        assert line.startswith(left.rstrip())


def test_names_break_no_line():
    odd = MixtureSummary(
        "Odd", ("a\nb\x1b[31m", "x" * 40), np.ones(1), None, np.zeros((1, 2)), np.ones((1, 2))
    )
    lines = odd.table(80).splitlines()
    assert len(lines) == 4
    assert "\x1b" not in odd.table(80)
    assert lines[3].split()[0] == "x" * 21 + "..."


def test_html_is_escaped():
    html = SMALL._repr_html_()
    assert "a &lt;b&gt; &amp; c" in html
    assert "<b>" not in html
    assert html.count("<tr>") == 5


@every_estimator
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical", "EEI", "EII"])
def test_the_numbers_are_those_of_the_attributes(estimator, covariance_type):
    X, _ = blobs(d=3, k=2)
    mixture = fit(X, 2, covariance_type=covariance_type, estimator=estimator)
    summary = mixture.summary()
    drawn, labels = mixture.sample(200_000, random_state=0)
    np.testing.assert_array_equal(summary.means, mixture.means_)
    np.testing.assert_array_equal(summary.weights, mixture.weights_)
    if estimator is EMGaussianMixture:
        for k in range(2):
            np.testing.assert_allclose(drawn[labels == k].std(axis=0), summary.deviations[k], 0.02)


def test_one_cluster_is_the_columns_moments(faithful):
    summary = EMGaussianMixture(reg_covar=0.0).fit(faithful).summary()
    np.testing.assert_allclose(summary.means[0], faithful.mean(), rtol=1e-12)
    np.testing.assert_allclose(summary.deviations[0], faithful.std(ddof=0), rtol=1e-9)
    assert summary.columns == ("eruptions", "waiting")
    assert summary.sizes == pytest.approx([272.0])


@every_estimator
def test_sizes_add_up_to_the_weight_of_the_rows(estimator):
    X, _ = blobs()
    weights = np.random.default_rng(0).uniform(0.0, 3.0, len(X))
    mixture = estimator(3, random_state=0).fit(X, sample_weight=weights)
    assert mixture.summary().sizes.sum() == pytest.approx(weights.sum(), rel=1e-9)
    expected = weights @ mixture.predict_proba(X)
    np.testing.assert_allclose(mixture.summary().sizes, expected, rtol=0.01)


def test_sizes_of_posteriors_are_counts_and_not_weights():
    X, _ = blobs(n=60)
    mixture = VariationalGaussianMixture(
        6, weight_concentration_prior=5.0, random_state=0, init_params="random"
    ).fit(X)
    expected = mixture.predict_proba(X).sum(axis=0)
    np.testing.assert_allclose(mixture.summary().sizes, expected, atol=1e-6)


def test_the_frame(faithful):
    mixture = EMGaussianMixture(2, random_state=0).fit(faithful)
    frame, summary = mixture.summary().to_frame(), mixture.summary()
    assert frame.index.tolist() == [0, 1]
    assert frame.columns.tolist() == [
        ("cluster", "weight"),
        ("cluster", "size"),
        ("eruptions", "mean"),
        ("eruptions", "std"),
        ("waiting", "mean"),
        ("waiting", "std"),
    ]
    np.testing.assert_array_equal(frame["waiting", "mean"], mixture.means_[:, 1])
    np.testing.assert_array_equal(frame["eruptions", "std"], summary.deviations[:, 0])
    assert frame["cluster", "size"].sum() == pytest.approx(272.0)


def test_only_the_frame_needs_pandas(monkeypatch):
    fitted = EMGaussianMixture().fit(load_iris().data)  # scikit-learn 1.6 looks for pandas itself
    monkeypatch.setitem(sys.modules, "pandas", None)
    summary = fitted.summary()
    assert "x3" in repr(summary)
    assert "x3" in summary._repr_html_()
    with pytest.raises(ImportError, match="pandas"):
        summary.to_frame()


def test_titles_say_how_the_fit_ended(faithful):
    mixture = EMGaussianMixture(2, covariance_type="tied", random_state=0, tol=0.0, max_iter=1)
    with pytest.warns(match="did not converge"):
        mixture.fit(faithful)
    assert mixture.summary().title == (
        "EMGaussianMixture: 2 clusters, covariance 'tied', NOT CONVERGED after 1 iteration"
    )
    for _ in range(3):
        mixture.partial_fit(faithful)
    assert mixture.summary().title.endswith("after 3 steps of partial_fit")


def test_a_choice_shows_the_best_fit(faithful):
    choice = GaussianMixtureIC((1, 2), covariance_type=["EEE", "VVV"]).fit(faithful)
    summary, best = choice.summary(), choice.best_estimator_.summary()
    assert summary.title == f"GaussianMixtureIC: {best.title} (best of 4 fits by bic)"
    assert summary.table() == best.table()
    assert summary.columns == ("eruptions", "waiting")


@pytest.mark.parametrize("estimator", [EMGaussianMixture(), GaussianMixtureIC()])
def test_before_any_fit(estimator):
    with pytest.raises(NotFittedError):
        estimator.summary()


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((54.46, 5.83), "54.5 ± 5.8"),
        ((1234.5, 101.0), "1234 ± 101"),
        ((1.0, 0.999), "1.0 ± 1.0"),
        ((-0.0001, 0.05), "0.000 ± 0.050"),
        ((2e-9, 1.5e-10), "2e-09 ± 1.5e-10"),
        ((1.23456e9, 2e3), "1.235e+09 ± 2e+03"),
        ((3.0, 0.0), "3.000 ± 0.000"),
    ],
)
def test_plus_minus(numbers, text):
    assert plus_minus(*numbers) == text


@pytest.mark.core
@pytest.mark.parametrize(
    "estimator", [EMGaussianMixture, EMStudentMixture, VariationalGaussianMixture]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("noise", [False, True])
def test_what_is_held_by_recording_is_noted(estimator, dtype, noise):
    """Where the covariance is the floor: u / 2 of a column that is constant in a cluster."""
    rng = np.random.default_rng(0)
    group = np.arange(200) % 2
    X = np.column_stack([8.0 * group + rng.normal(size=200), np.where(group, 9.0, 3.0)])
    X[group == 0, 1] += 3.0 * rng.integers(-1, 2, 100)
    start = 0.98 * np.eye(2 + noise)[group] + 0.02 / (2 + noise)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mixture = estimator(2, noise=noise, init_params=start).fit(X.astype(dtype))
        free = estimator(2, resolution=None).fit(X)
    summary = mixture.summary()
    lowest = mixture.means_[:, 0].argmin()
    expected = np.zeros((2, 2), dtype=bool)
    expected[1 - lowest, 1] = True
    np.testing.assert_array_equal(summary.held, expected)
    text = f"held at the width that recording allows: x1 in cluster {1 - lowest})"
    assert text in repr(summary)
    assert not free.summary().held.any()


@pytest.mark.core
@pytest.mark.parametrize("estimator", [EMMixture, VariationalMixture])
def test_what_is_held_in_blocks_is_noted(estimator):
    rng = np.random.default_rng(0)
    group = np.arange(200) % 2
    X = np.column_stack([rng.poisson(2, 200), 8.0 * group + rng.normal(size=200), 6.0 * group])
    X[group == 0, 2] += 3.0 * rng.integers(-1, 2, 100)
    columns = [("poisson", [0]), ("diag", [1, 2])]
    start = 0.98 * np.eye(2)[group] + 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mixture = estimator(2, columns=columns, init_params=start).fit(X)
        free = estimator(2, columns=columns, resolution=None).fit(X)
    other = mixture.parameters_[1]["means"][:, 0].argmax()
    assert mixture.summary().notes == (
        f"held at the width that recording allows: 2 in cluster {other}",
    )
    assert free.summary().notes == ()
