"""ModelSelectionDisplay: what it draws."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from skem import EMGaussianMixture, GaussianMixtureIC
from skem.datasets import load_faithful
from skem.display import ModelSelectionDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def choice():
    return GaussianMixtureIC((3, 1, 2), covariance_type=["EEE", "VII", "full"], random_state=0).fit(
        load_faithful().data
    )


def test_a_line_for_each_model_in_the_order_of_components(choice):
    display = ModelSelectionDisplay.from_estimator(choice)
    assert [line.get_label() for line in display.lines_] == ["EEE", "VII", "full"]
    for number, line in enumerate(display.lines_):
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
        bic = choice.results_["bic"][3 * number : 3 * number + 3]
        np.testing.assert_array_equal(line.get_ydata(), bic[[1, 2, 0]])
    assert len({line.get_color() for line in display.lines_}) == 3
    assert display.crosses_ == []
    assert display.ax_.get_ylabel() == "BIC (lower is better)"
    assert display.ax_.get_xticks().tolist() == [1, 2, 3]


def test_the_best_is_marked(choice):
    display = ModelSelectionDisplay.from_estimator(choice)
    assert display.best_.get_xdata() == [choice.best_params_["n_components"]]
    assert display.best_.get_ydata() == [choice.best_score_]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["EEE", "VII", "full", "best: EEE, 3"]


def test_cross_validated_scores_are_drawn():
    choice = GaussianMixtureIC((1, 2), covariance_type="EEE", criterion="cv", random_state=0)
    display = ModelSelectionDisplay.from_estimator(choice.fit(load_faithful().data))
    (line,) = display.lines_
    np.testing.assert_array_equal(line.get_ydata(), choice.results_["mean_test_score"])
    assert "higher is better" in display.ax_.get_ylabel()


def test_failed_fits_leave_gaps_and_collapsed_ones_are_crosses():
    display = ModelSelectionDisplay(
        covariance_types=["EII"] * 3 + ["VII"] * 3,
        n_components=[1, 2, 3] * 2,
        values=[5.0, np.nan, 4.0, 6.0, 3.0, -9.0],
        best_index=4,
        collapsed=[False] * 5 + [True],
        ylabel="criterion",
    ).plot()
    first, second = display.lines_
    np.testing.assert_array_equal(first.get_ydata(), [5.0, np.nan, 4.0])
    np.testing.assert_array_equal(second.get_ydata(), [6.0, 3.0, np.nan])
    (cross,) = display.crosses_
    assert (cross.get_xdata().tolist(), cross.get_ydata().tolist()) == ([3], [-9.0])
    assert cross.get_color() == second.get_color()
    # They differ in their volumes alone.
    assert first.get_color() == second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["EII", "VII", "collapsed", "best: VII, 2"]


def test_axes_and_styles_are_the_callers(choice):
    figure, ax = plt.subplots()
    display = ModelSelectionDisplay.from_estimator(
        choice, ax=ax, line_kwargs={"linewidth": 4}, best_kwargs={"color": "red"}
    )
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert {line.get_linewidth() for line in display.lines_} == {4}
    assert display.best_.get_color() == "red"


def test_eighteen_models_are_told_apart():
    names = [
        *("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE"),
        *("EEV", "VEV", "EVV", "VVV", "full", "tied", "diag", "spherical"),
    ]
    display = ModelSelectionDisplay(
        covariance_types=names, n_components=[1] * 18, values=np.arange(18.0), best_index=0
    ).plot()
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in display.lines_}
    assert len(looks) == 18


def test_what_is_refused():
    with pytest.raises(NotFittedError):
        ModelSelectionDisplay.from_estimator(GaussianMixtureIC())
    X = load_faithful().data
    with pytest.raises(TypeError, match=r"GaussianMixtureIC, got EMGaussianMixture.*results_"):
        ModelSelectionDisplay.from_estimator(EMGaussianMixture().fit(X))
    with pytest.raises(TypeError, match="LinearRegression"):
        ModelSelectionDisplay.from_estimator(LinearRegression().fit(X, X[:, 0]))
