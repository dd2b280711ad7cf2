"""Pictures of class profiles: what is drawn is what was fitted."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture

from skem import (
    EMGaussianMixture,
    EMMixture,
    EMStudentMixture,
    GaussianMixtureIC,
    VariationalMixture,
)
from skem.display import ProfileDisplay
from skem.families import kinds
from skem.mixture._profiles import profile_columns

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def table(n=120, n_words=3):
    rng = np.random.default_rng(0)
    z = rng.random(n) < 0.3
    return pd.DataFrame(
        {
            "word": rng.choice([f"w{j}" for j in range(n_words)], n),
            "kg": rng.normal(np.where(z, 5.0, 20.0), 2.0),
            "ill": np.where(z, rng.random(n) < 0.9, rng.random(n) < 0.2),
            "visits": rng.poisson(np.where(z, 6.0, 1.0)),
        }
    )


COLUMNS = [("categorical", ["word"]), ("bernoulli", ["ill"]), ("diag", ["kg"]), ("poisson", [3])]


@pytest.fixture(scope="module")
def mixture():
    return EMMixture(2, columns=COLUMNS, random_state=0).fit(table())


def test_what_is_drawn(mixture):
    display = ProfileDisplay.from_estimator(mixture)
    assert [axes.get_title() for axes in display.axes_] == ["word", "kg", "ill", "visits"]
    word, ill, kg, visits = mixture.parameters_
    axes = dict(zip(["word", "kg", "ill", "visits"], display.axes_, strict=True))
    # A bar's parts are the probabilities, one component after the other, category by category.
    for name, shares in (
        ("word", word["probabilities"][0]),
        ("ill", np.column_stack([1 - ill["probabilities"], ill["probabilities"]])),
    ):
        bars = np.reshape([bar.get_width() for bar in axes[name].patches], shares.T.shape)
        np.testing.assert_allclose(bars, shares.T)
        left = np.reshape([bar.get_x() for bar in axes[name].patches], shares.T.shape)
        np.testing.assert_allclose(left, np.cumsum(shares, axis=1).T - shares.T, atol=1e-12)
    for name, means, spread in (
        ("kg", kg["means"][:, 0], np.sqrt(kg["covariances"][:, 0])),
        ("visits", visits["rates"][:, 0], np.sqrt(visits["rates"][:, 0])),
    ):
        drawn = [(box[0].get_xdata()[0], box[2][0].get_segments()[0][:, 0])
                 for box in axes[name].containers]  # fmt: skip
        np.testing.assert_allclose([at for at, _ in drawn], means)
        np.testing.assert_allclose([np.ptp(ends) / 2 for _, ends in drawn], spread)
        overall = axes[name].lines[0].get_xdata()[0]
        assert overall == pytest.approx(mixture.weights_ @ means)
    labels = [text.get_text() for text in display.axes_[0].get_yticklabels()]
    assert labels == [f"{k} ({w:.0%})" for k, w in enumerate(mixture.weights_)]
    legend = axes["ill"].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["False", "True"]


def test_features_figures_and_colours(mixture):
    figure = plt.figure()
    display = ProfileDisplay.from_estimator(
        mixture, features=["visits", 0], figure=figure, n_cols=1, colors=["red", "blue"]
    )
    assert display.figure_ is figure
    assert [axes.get_title() for axes in display.axes_] == ["visits", "word"]
    assert display.axes_[0].containers[0][0].get_color() == pytest.approx((1, 0, 0, 1))
    for wrong in (["size"], [4], [1.5]):
        with pytest.raises(ValueError, match="features has"):
            ProfileDisplay.from_estimator(mixture, features=wrong)
    with pytest.raises(ValueError, match="n_cols must be at least 1"):
        ProfileDisplay.from_estimator(mixture, n_cols=0)
    with pytest.raises(ValueError, match="colors must have one color for each of the 2"):
        ProfileDisplay.from_estimator(mixture, colors=["red"])


def test_rare_categories_are_put_together():
    X = table(n_words=30)
    mixture = EMMixture(2, columns=COLUMNS, random_state=0).fit(X)
    (axes,) = ProfileDisplay.from_estimator(mixture, features=["word"]).axes_
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(names) == 8
    assert names[-1] == "23 others"
    widths = np.reshape([bar.get_width() for bar in axes.patches], (8, 2))
    np.testing.assert_allclose(widths.sum(axis=0), 1.0)
    expected = X["word"].value_counts()
    assert set(names[:-1]) <= set(expected.index[expected >= expected.iloc[7]])


def test_gaussian_mixtures_choices_and_arrays():
    X = table()[["kg", "visits"]].to_numpy(dtype=float)
    mixture = EMGaussianMixture(2, random_state=0).fit(X)
    names = [axes.get_title() for axes in ProfileDisplay.from_estimator(mixture).axes_]
    assert names == ["x0", "x1"]
    profile = profile_columns(mixture)[0]
    np.testing.assert_allclose(profile.values, mixture.means_[:, 0])
    np.testing.assert_allclose(profile.deviations, np.sqrt(mixture.covariances_[:, 0, 0]))
    choice = GaussianMixtureIC((1, 2), random_state=0).fit(X)
    assert len(ProfileDisplay.from_estimator(choice).axes_) == 2
    heavy = EMStudentMixture(1, df=1.5).fit(X)  # no standard deviation
    (box,) = ProfileDisplay.from_estimator(heavy).axes_[0].containers
    assert np.ptp(box[2][0].get_segments()[0][:, 0]) == 0.0


def test_components_without_rows_are_left_out():
    mixture = VariationalMixture(5, columns=COLUMNS, random_state=0).fit(table())
    display = ProfileDisplay.from_estimator(mixture)
    assert mixture.effective_n_components_ < 5
    assert len(display.axes_[1].containers) == mixture.effective_n_components_


def test_what_can_not_be_drawn(mixture):
    with pytest.raises(NotFittedError):
        ProfileDisplay.from_estimator(EMMixture())
    other = GaussianMixture().fit(table()[["kg"]])
    with pytest.raises(
        TypeError, match=r"must be a fitted mixture of skem .*, got GaussianMixture"
    ):
        ProfileDisplay.from_estimator(other)


@pytest.mark.parametrize(
    ("kind", "parameters", "law"),
    [
        (kinds.Poisson, kinds.PoissonParameters, lambda rate: stats.poisson(rate)),
        (kinds.Exponential, kinds.ExponentialParameters, lambda rate: stats.expon(scale=1 / rate)),
        (kinds.Geometric, kinds.GeometricParameters, lambda rate: stats.geom(rate / 9, loc=-1)),
    ],
)
def test_deviations_are_scipys(kind, parameters, law):
    values = np.array([[0.5, 3.0], [2.0, 7.0]])
    given = parameters(values / 9 if kind is kinds.Geometric else values)
    np.testing.assert_allclose(kind(2).deviations(given), law(values).std(), rtol=1e-12)
    np.testing.assert_allclose(kind(2).impute(given, np.eye(2)), law(values).mean(), rtol=1e-12)


def test_deviations_of_two_parameters_are_scipys():
    a, b = np.array([[0.5, 3.0]]), np.array([[2.0, 0.7]])
    gamma = kinds.Gamma(2).deviations(kinds.GammaParameters(a, b))
    np.testing.assert_allclose(gamma, stats.gamma(a, scale=1 / b).std())
    lognormal = kinds.Lognormal(2).deviations(kinds.LognormalParameters(a, b))
    np.testing.assert_allclose(lognormal, stats.lognorm(np.sqrt(b), scale=np.exp(a)).std())
    binomial = kinds.NegativeBinomial(2).deviations(kinds.NegativeBinomialParameters(a, b))
    np.testing.assert_allclose(binomial, stats.nbinom(b, b / (b + a)).std())
    bernoulli = kinds.Bernoulli(2).deviations(kinds.BernoulliParameters(a))
    assert np.isnan(bernoulli).all()
