"""Pictures of codes and of training."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skem import VAE, CategoricalVAE
from skem.display import LatentDisplay, TrainingCurveDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_digits(return_X_y=True)
X, y = X[:60] / 16, y[:60]
FEW = {"hidden_layer_sizes": (5,), "max_epochs": 3, "random_state": 0}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def vae():
    return VAE(4, early_stopping=True, **FEW).fit(X)


def test_codes_of_the_two_busiest_dimensions(vae):
    display = LatentDisplay.from_estimator(vae, X)
    first, second = np.argsort(-vae.kl_per_dimension_)[:2]
    drawn = display.points_[0].get_offsets()
    np.testing.assert_allclose(drawn, vae.transform(X)[:, [first, second]])
    assert display.ax_.get_xlabel() == f"code {first}"
    assert display.ax_.get_ylabel() == f"code {second}"
    assert [line.get_xdata().max() for line in display.circles_] == [1.0, 2.0]


def test_dimensions_by_name_and_classes_by_color(vae):
    _, ax = plt.subplots()
    display = LatentDisplay.from_estimator(vae, X, y, dimensions=(3, 1), ax=ax)
    assert display.ax_ is ax
    assert len(display.points_) == 10
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == [str(digit) for digit in range(10)]
    np.testing.assert_allclose(
        display.points_[7].get_offsets(), vae.transform(X)[y == 7][:, [3, 1]]
    )


@pytest.mark.parametrize("nothing", [np.nan, None, "NaT", "NA"])
def test_rows_without_a_label_are_grey(vae, nothing):
    if nothing == "NaT":
        labels = y.astype("datetime64[D]")
        labels[::2] = np.datetime64("NaT")
    elif nothing == "NA":
        pandas = pytest.importorskip("pandas")
        labels = pandas.Series(y, dtype="Int64").where(np.arange(60) % 2 == 1)
    else:
        labels = y.astype(float if nothing is not None else object)
        labels[::2] = nothing
    display = LatentDisplay.from_estimator(vae, X, labels)
    grey = display.points_[0]
    assert grey.get_label() == "missing"
    red, green, blue, _ = grey.get_facecolors()[0]
    assert red == green == blue
    drawn = np.asarray(grey.get_offsets())
    np.testing.assert_allclose(drawn, np.asarray(display.codes)[::2])
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[0] == "missing"
    assert len(texts) == 1 + len(set(y[1::2]))
    if nothing != "NaT":
        assert texts[1] == "0"
    assert sum(len(points.get_offsets()) for points in display.points_) == 60


def test_numbers_some_of_which_are_missing(vae):
    numbers = X.sum(axis=1)
    numbers[3] = np.nan
    display = LatentDisplay.from_estimator(vae, X, numbers)
    grey, coloured = display.points_
    assert len(grey.get_offsets()) == 1
    np.testing.assert_allclose(coloured.get_array(), np.delete(numbers, 3))


def test_many_names_are_classes(vae):
    names = np.array([f"name {number % 15}" for number in range(60)])
    display = LatentDisplay.from_estimator(vae, X, names)
    assert len({tuple(points.get_facecolors()[0]) for points in display.points_}) == 15


def test_a_sample_of_many_rows(vae):
    display = LatentDisplay.from_estimator(vae, X, y, max_points=20)
    assert sum(len(points.get_offsets()) for points in display.points_) == 20
    assert display.ax_.get_title() == "20 of 60 rows"


def test_numbers_have_a_colorbar(vae):
    display = LatentDisplay.from_estimator(vae, X, X.sum(axis=1), scatter_kwargs={"s": 3})
    assert len(display.points_) == 1
    np.testing.assert_allclose(display.points_[0].get_array(), X.sum(axis=1))
    assert len(display.figure_.axes) == 2


def test_other_transformers_have_no_prior():
    pipe = make_pipeline(StandardScaler(), CategoricalVAE(3, **FEW)).fit(X)
    display = LatentDisplay.from_estimator(pipe, X)
    assert display.circles_ == []
    assert display.ax_.get_xlabel() == "code 0"


@pytest.mark.parametrize("dimensions", [(0, 0), (0, 4), (-1, 2)])
def test_bad_dimensions(vae, dimensions):
    with pytest.raises(ValueError, match=r"dimensions must be two different ints .*\[0, 3\]"):
        LatentDisplay.from_estimator(vae, X, dimensions=dimensions)


def test_one_dimension_is_too_few():
    with pytest.raises(ValueError, match="at least two dimensions, but has 1"):
        LatentDisplay.from_estimator(VAE(1, **FEW).fit(X), X)


@pytest.mark.parametrize(
    "draw", [lambda vae: LatentDisplay.from_estimator(vae, X), TrainingCurveDisplay.from_estimator]
)
def test_unfitted(draw):
    with pytest.raises(NotFittedError):
        draw(VAE())


def test_training_curves(vae):
    display = TrainingCurveDisplay.from_estimator(vae, linewidth=3)
    training, held_out, best = display.lines_
    np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(training.get_ydata(), vae.loss_curve_)
    np.testing.assert_array_equal(held_out.get_ydata(), vae.validation_loss_curve_)
    assert best.get_ydata()[0] == min(vae.validation_loss_curve_)
    assert training.get_linewidth() == 3
    assert display.ax_.get_ylabel() == "loss (nats per row)"


def test_one_curve_without_held_out_rows():
    display = TrainingCurveDisplay.from_estimator(VAE(**FEW).fit(X))
    assert len(display.lines_) == 1


def test_what_was_not_trained_has_no_curve():
    with pytest.raises(TypeError, match=r"must have a loss_curve_, got StandardScaler"):
        TrainingCurveDisplay.from_estimator(StandardScaler().fit(X))
