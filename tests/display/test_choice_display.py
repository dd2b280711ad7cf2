"""ModelSelectionDisplay: what it draws."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from skem import EMGaussianMixture, GaussianMixtureIC, MixtureIC
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


def test_choices_of_other_mixtures_are_drawn():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"x": np.arange(1.0, 21.0) ** 2, "answer": ["yes", "no"] * 10})
    columns = [(["diag", "gamma"], ["x"]), ("categorical", ["answer"])]
    choice = MixtureIC((1, 2), columns=columns, random_state=0).fit(X)
    display = ModelSelectionDisplay.from_estimator(choice)
    assert [line.get_label() for line in display.lines_] == ["diag", "gamma"]
    np.testing.assert_array_equal(display.lines_[1].get_ydata(), choice.results_["bic"][2:])


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
    # Its value means nothing beside the others: it is in a strip below them.
    (cross,) = display.crosses_
    (x,), (y,) = cross.get_data()
    assert round(x) == 3
    display.figure_.canvas.draw()
    strip = display.ax_.transAxes.inverted().transform(cross.get_transform().transform([x, y]))[1]
    lowest = display.ax_.transAxes.inverted().transform(display.ax_.transData.transform([2, 3.0]))
    assert 0.0 < strip < lowest[1]
    assert cross.get_color() == second.get_color()
    # They differ in their volumes alone.
    assert first.get_color() == second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["EII", "VII", "collapsed", "best: VII, 2"]


def test_good_fits_fill_the_axis():
    """One model far off and collapsed cells of any value do not squeeze what matters."""
    k = np.arange(1, 10)
    good = 1000.0 + 5.0 * np.abs(k - 3)
    values = np.concatenate([good, good + 7.0, [90_000.0, 5000.0, *good[2:]], -1e6 * k])
    display = ModelSelectionDisplay(
        covariance_types=np.repeat(["EEE", "VVV", "VII", "EII"], 9),
        n_components=np.tile(k, 4),
        values=values,
        best_index=2,
        collapsed=np.arange(36) >= 27,
    ).plot()
    low, high = display.ax_.get_ylim()
    assert low < 1000.0
    assert high > 1020.0
    assert high - low < 100.0
    display = ModelSelectionDisplay(
        covariance_types=["EEE"] * 3, n_components=[1, 2, 3], values=[-9.0, -4.0, -5.0],
        best_index=1,
    ).plot()  # fmt: skip
    low, high = display.ax_.get_ylim()
    assert low < -9.0 < -4.0 < high


def test_one_value_for_all_fits():
    display = ModelSelectionDisplay(
        covariance_types=["EII", "VII"], n_components=[1, 1], values=[5.0, 5.0], best_index=0
    ).plot()
    assert np.isfinite(display.ax_.get_ylim()).all()


def test_crosses_of_models_stand_side_by_side():
    display = ModelSelectionDisplay(
        covariance_types=["EII", "VII", "full"],
        n_components=[2, 2, 2],
        values=[1.0, 2.0, 3.0],
        best_index=0,
        collapsed=[True, True, True],
    ).plot()
    x = [cross.get_xdata()[0] for cross in display.crosses_]
    assert len(set(x)) == 3
    assert np.abs(np.array(x) - 2).max() < 0.5


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
    with pytest.raises(TypeError, match=r"MixtureIC, got EMGaussianMixture.*results_"):
        ModelSelectionDisplay.from_estimator(EMGaussianMixture().fit(X))
    with pytest.raises(TypeError, match="LinearRegression"):
        ModelSelectionDisplay.from_estimator(LinearRegression().fit(X, X[:, 0]))
