import builtins

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skem import EMGaussianMixture, EMStudentMixture
from skem.datasets import load_faithful
from skem.display import MixtureDisplay
from skem.display._marginal import cholesky_2d, content_levels, log_density, marginal

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

TYPES = ["full", "tied", "diag", "spherical"]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def iris():
    return load_iris(as_frame=True).data


def fitted(X, covariance_type="full", n_components=3):
    return GaussianMixture(n_components, covariance_type=covariance_type, random_state=0).fit(X)


def dense(mixture):
    """Return the covariances as (K, D, D), written out one component at a time."""
    n_components, n_features = mixture.means_.shape
    cov = mixture.covariances_
    by_type = {
        "full": lambda k: cov[k],
        "tied": lambda k: cov,
        "diag": lambda k: np.diag(cov[k]),
        "spherical": lambda k: cov[k] * np.eye(n_features),
    }
    return np.array([by_type[mixture.covariance_type](k) for k in range(n_components)])


@pytest.mark.parametrize("covariance_type", TYPES)
def test_student_mixtures_have_contours_of_their_own_density(iris, covariance_type):
    mixture = EMStudentMixture(2, covariance_type=covariance_type, df=1.5, random_state=0)
    mixture.fit(np.asarray(iris)[:, :2])
    display = MixtureDisplay.from_estimator(mixture, np.asarray(iris)[:, :2], ellipse_std=(2.0,))
    means, scales = marginal(mixture.means_, mixture.scale_matrices_, covariance_type, (0, 1))
    points = np.asarray(iris)[:20, :2]
    values = log_density(points, mixture.weights_, means, cholesky_2d(scales), mixture.df_)
    np.testing.assert_allclose(values, mixture.score_samples(points), rtol=1e-9)
    assert len(display.ellipses_) == 2
    assert np.isfinite(display.contours_.levels).all()


def test_noise_is_grey():
    X = load_faithful().data
    X = np.vstack([X, np.random.default_rng(0).uniform(X.min(0), X.max(0), size=(40, 2))])
    mixture = EMGaussianMixture(2, noise=True, random_state=0).fit(X)
    display = MixtureDisplay.from_estimator(mixture, X)
    colours = display.points_.get_facecolors()[:, :3]
    noise = mixture.predict(X) == -1
    assert noise.any()
    np.testing.assert_array_equal((colours == 0.5).all(axis=1), noise)


def test_levels_of_a_t_hold_their_shares():
    """Of squared distances from the centre, 2 F(2, df) quantiles."""
    one, df = np.eye(2)[None], np.array([3.0])
    levels = content_levels(np.array([0.9, 0.5]), np.ones(1), np.zeros((1, 2)), one, df)
    edges = np.sqrt(2.0 * stats.f(2, 3.0).ppf([0.9, 0.5]))
    points = np.column_stack([edges, np.zeros(2)])
    expected = stats.multivariate_t(np.zeros(2), np.eye(2), 3.0).logpdf(points)
    np.testing.assert_allclose(levels, expected, atol=1e-3)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_ellipses_have_the_distance_asked_for(iris, covariance_type):
    mixture = fitted(iris, covariance_type)
    display = MixtureDisplay.from_estimator(
        mixture, iris, features=(3, 1), ellipse_std=(1.5, 3.0), contents=()
    )
    assert display.contours_ is None
    assert len(display.ellipses_) == 6
    for k in range(3):
        cov = dense(mixture)[k][np.ix_([3, 1], [3, 1])]
        for std, ellipse in zip((1.5, 3.0), display.ellipses_[2 * k : 2 * k + 2], strict=True):
            step = ellipse.get_xy() - mixture.means_[k, [3, 1]]
            distance = np.sqrt(np.sum(step * np.linalg.solve(cov, step.T).T, axis=1))
            np.testing.assert_allclose(distance, std, rtol=1e-10)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_density_of_two_features_is_score_samples(covariance_type):
    X = load_faithful().data
    mixture = fitted(X, covariance_type, 2)
    means, covariances = marginal(mixture.means_, mixture.covariances_, covariance_type, (0, 1))
    values = log_density(X, mixture.weights_, means, cholesky_2d(covariances))
    np.testing.assert_allclose(values, mixture.score_samples(X), rtol=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_density_of_a_pair_is_the_integral_over_the_third(iris, covariance_type):
    X = iris.to_numpy()[:, :3]
    mixture = fitted(X, covariance_type)
    means, covariances = marginal(mixture.means_, mixture.covariances_, covariance_type, (2, 0))
    point = np.array([[4.0, 6.0]])
    value = log_density(point, mixture.weights_, means, cholesky_2d(covariances))[0]

    def joint(x):
        return np.exp(mixture.score_samples([[point[0, 1], x, point[0, 0]]])[0])

    expected, _ = integrate.quad(joint, -5.0, 15.0, points=[3.0], epsabs=1e-12)
    np.testing.assert_allclose(np.exp(value), expected, rtol=1e-6)


def test_contours_enclose_the_probability_asked_for(iris):
    mixture = fitted(iris)
    contents = (0.99, 0.25, 0.8)
    display = MixtureDisplay.from_estimator(mixture, iris, contents=contents)
    means, covariances = marginal(mixture.means_, mixture.covariances_, "full", (0, 1))
    rng = np.random.default_rng(0)
    labels = rng.choice(3, size=200_000, p=mixture.weights_)
    factors = np.linalg.cholesky(covariances)[labels]
    noise = rng.standard_normal((len(labels), 2))
    draws = means[labels] + (factors @ noise[:, :, np.newaxis])[:, :, 0]
    values = log_density(draws, mixture.weights_, means, cholesky_2d(covariances))
    enclosed = [np.mean(values > level) for level in display.contours_.levels]
    np.testing.assert_allclose(enclosed, [0.99, 0.8, 0.25], atol=0.006)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_levels_of_one_gaussian(scale):
    """Content p of one Gaussian ends where the squared distance is -2 log(1 - p)."""
    covariance = np.array([[[2.0, 0.6], [0.6, 0.5]]]) * scale**2
    factors = cholesky_2d(covariance)
    np.testing.assert_allclose(factors @ factors.transpose(0, 2, 1), covariance, rtol=1e-14)
    contents = np.array([0.1, 0.5, 0.9])
    levels = content_levels(contents, np.ones(1), np.zeros((1, 2)), factors)
    peak = stats.multivariate_normal(np.zeros(2), covariance[0] / scale**2).logpdf([0.0, 0.0])
    expected = peak - 2.0 * np.log(scale) + np.log1p(-contents)
    np.testing.assert_allclose(levels, expected, atol=2e-3)


def test_perfectly_correlated_features_stay_finite():
    factors = cholesky_2d(np.array([[[1.0, 1.0], [1.0, 1.0]]]))
    assert np.all(factors[:, [0, 1], [0, 1]] > 0)


def test_points_have_the_colors_of_their_labels(iris):
    mixture = fitted(iris)
    colors = ["red", "lime", "blue"]
    display = MixtureDisplay.from_estimator(mixture, iris, features=(0, 2), colors=colors)
    np.testing.assert_array_equal(display.points_.get_offsets(), iris.to_numpy()[:, [0, 2]])
    expected = np.eye(3)[mixture.predict(iris)]
    np.testing.assert_allclose(display.points_.get_facecolors()[:, :3], expected)
    np.testing.assert_allclose(display.ellipses_[2].get_edgecolor(), [0, 1, 0, 1])
    assert display.ellipses_[2].get_label() == "component 1"


def test_axes_and_figure_are_the_given_ones(iris):
    figure, ax = plt.subplots()
    display = MixtureDisplay.from_estimator(fitted(iris), iris, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.legend_ is None
    assert [text.get_text() for text in ax.legend().get_texts()] == [
        f"component {k}" for k in range(3)
    ]
    again = display.plot(ellipse_std=())
    assert again is display
    assert display.ax_ is not ax
    assert display.ellipses_ == []


def test_frames_name_the_axes_and_the_features(iris):
    display = MixtureDisplay.from_estimator(
        fitted(iris), iris, features=("petal width (cm)", "sepal length (cm)")
    )
    assert display.ax_.get_xlabel() == "petal width (cm)"
    assert display.ax_.get_ylabel() == "sepal length (cm)"
    np.testing.assert_array_equal(display.X, iris.to_numpy()[:, [3, 0]])


def test_arrays_number_the_axes(iris):
    X = iris.to_numpy()
    display = MixtureDisplay.from_estimator(fitted(X), X, features=(2, 1))
    assert display.ax_.get_xlabel() == "feature 2"
    assert display.ax_.get_ylabel() == "feature 1"


def test_polars_frame():
    polars = pytest.importorskip("polars")
    X = polars.DataFrame(load_faithful().data, schema=["eruptions", "waiting"])
    display = MixtureDisplay.from_estimator(fitted(X, n_components=2), X, features=("waiting", 0))
    assert display.ax_.get_xlabel() == "waiting"
    np.testing.assert_array_equal(display.X[:, 0], X["waiting"].to_numpy())


def test_mixture_alone(iris):
    display = MixtureDisplay.from_estimator(fitted(iris), None)
    assert display.points_ is None
    assert len(display.contours_.levels) == 3


def test_points_without_labels_and_an_empty_component():
    display = MixtureDisplay(
        weights=[1.0, 0.0],
        means=[[0.0, 0.0], [np.nan, np.nan]],
        covariances=[np.eye(2), np.zeros((2, 2))],
        X=[[0.0, 1.0], [1.0, 0.0]],
    ).plot()
    assert len(display.ellipses_) == 2
    assert len(display.points_.get_offsets()) == 2
    assert np.isfinite(display.ax_.axis()).all()


def test_more_than_ten_components_have_different_colors():
    X = np.random.default_rng(0).normal(size=(300, 2))
    display = MixtureDisplay.from_estimator(fitted(X, "spherical", 12), X, ellipse_std=(1.0,))
    assert len({ellipse.get_edgecolor() for ellipse in display.ellipses_}) == 12


def test_style_is_passed_on(iris):
    display = MixtureDisplay.from_estimator(
        fitted(iris),
        iris,
        scatter_kwargs={"marker": "x", "alpha": 0.25},
        ellipse_kwargs={"linestyle": ":"},
        contour_kwargs={"linewidths": 3.0},
    )
    assert display.points_.get_alpha() == 0.25
    assert display.ellipses_[0].get_linestyle() == ":"
    assert display.contours_.get_linewidths()[0] == 3.0


def test_bayesian_mixture(iris):
    mixture = BayesianGaussianMixture(n_components=3, random_state=0).fit(iris)
    display = MixtureDisplay.from_estimator(mixture, iris)
    assert len(display.ellipses_) == 6


@pytest.mark.core
def test_own_mixture(iris):
    import skem

    mixture = skem.EMGaussianMixture(3, covariance_type="tied", random_state=0).fit(iris)
    display = MixtureDisplay.from_estimator(mixture, iris, features=(2, 3))
    expected = mixture.means_[1, 2:]
    np.testing.assert_allclose(display.ellipses_[2].get_xy()[:-1].mean(axis=0), expected)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ((0, 4), "index 4, but the estimator has 4 features, 0 to 3"),
        ((-1, 0), "index -1"),
        ((1, 1), "two different features"),
        (("sepal length (cm)", 0), "two different features"),
        ((0,), "must be a pair"),
        ("ab", "must be a pair"),
        ((0, "petal"), "'petal', which is none of the names"),
    ],
)
def test_wrong_features(iris, features, message):
    with pytest.raises(ValueError, match=message):
        MixtureDisplay.from_estimator(fitted(iris), iris, features=features)


def test_names_need_a_frame(iris):
    X = iris.to_numpy()
    with pytest.raises(ValueError, match="fitted without feature names"):
        MixtureDisplay.from_estimator(fitted(X), X, features=("sepal width (cm)", 0))


def test_one_feature(iris):
    X = iris.to_numpy()[:, :1]
    with pytest.raises(ValueError, match="needs 2 features, but the estimator has 1"):
        MixtureDisplay.from_estimator(fitted(X), X)


def test_unfitted(iris):
    with pytest.raises(NotFittedError):
        MixtureDisplay.from_estimator(GaussianMixture(2), iris)


def test_pipeline(iris):
    pipeline = make_pipeline(StandardScaler(), GaussianMixture(2, random_state=0)).fit(iris)
    with pytest.raises(TypeError, match=r"got Pipeline, which has no weights_.*pipeline\[-1\]"):
        MixtureDisplay.from_estimator(pipeline, iris)
    display = MixtureDisplay.from_estimator(pipeline[-1], pipeline[:-1].transform(iris))
    assert len(display.X) == len(iris)


def test_choices_are_drawn_by_their_best(iris):
    import skem

    choice = skem.GaussianMixtureIC((2, 3), covariance_type=["EEE", "VVV"], random_state=0)
    choice.fit(iris)
    display = MixtureDisplay.from_estimator(choice, iris, features=("petal width (cm)", 0))
    np.testing.assert_array_equal(display.means, choice.best_estimator_.means_[:, [3, 0]])
    assert display.ax_.get_xlabel() == "petal width (cm)"
    search = GridSearchCV(GaussianMixture(random_state=0), {"n_components": [1, 2]}).fit(iris)
    display = MixtureDisplay.from_estimator(search, iris)
    np.testing.assert_array_equal(display.means, search.best_estimator_.means_[:, :2])
    choice.set_params(refit=False).fit(iris)
    del choice.best_estimator_
    with pytest.raises(TypeError, match="set refit=True and fit again"):
        MixtureDisplay.from_estimator(choice, iris)


def test_advice_for_pipelines_holds_for_choices_and_searches(iris):
    import skem

    choice = skem.GaussianMixtureIC((1, 2), covariance_type="EEE", random_state=0)
    pipeline = make_pipeline(StandardScaler(), choice).fit(iris)
    with pytest.raises(TypeError, match=r"`pipeline\[-1\]`.*`pipeline\[:-1\]\.transform\(X\)`"):
        MixtureDisplay.from_estimator(pipeline, iris)
    display = MixtureDisplay.from_estimator(pipeline[-1], pipeline[:-1].transform(iris))
    assert len(display.X) == len(iris)
    grid = {"gaussianmixture__n_components": [1, 2]}
    search = GridSearchCV(make_pipeline(StandardScaler(), GaussianMixture()), grid).fit(iris)
    with pytest.raises(TypeError, match=r"`search.best_estimator_\[-1\]`"):
        MixtureDisplay.from_estimator(search, iris)
    with pytest.raises(TypeError) as caught:
        MixtureDisplay.from_estimator(StandardScaler().fit(iris), iris)
    assert "pipeline" not in str(caught.value)


def test_legend_names_what_is_drawn(iris):
    display = MixtureDisplay.from_estimator(fitted(iris), iris)
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["component 0", "component 1", "component 2", "density: 50, 90, 99 %"]
    display = MixtureDisplay.from_estimator(fitted(iris), iris, contents=())
    assert len(display.legend_.get_texts()) == 3
    X = np.random.default_rng(0).normal(size=(300, 2))
    assert MixtureDisplay.from_estimator(fitted(X, "spherical", 21), X).legend_ is None


def test_long_tables_are_drawn_by_a_sample(iris):
    mixture = fitted(iris.to_numpy())
    X = mixture.sample(20_000)[0]
    display = MixtureDisplay.from_estimator(mixture, X, max_points=1000)
    drawn = np.asarray(display.points_.get_offsets())
    assert len(drawn) == 1000
    assert len(np.unique(drawn, axis=0)) == 1000
    assert {tuple(point) for point in drawn} <= {tuple(point) for point in X[:, :2]}
    # Of all of the table, not of its beginning: sample() groups rows by component.
    labels = mixture.predict(X)
    rows = [np.flatnonzero((X[:, :2] == point).all(axis=1))[0] for point in drawn]
    share = np.bincount(labels[rows], minlength=3) / 1000
    np.testing.assert_allclose(share, mixture.weights_, atol=0.05)
    assert display.legend_.get_texts()[-1].get_text() == "1,000 of 20,000 rows"
    again = MixtureDisplay.from_estimator(mixture, X, max_points=1000)
    np.testing.assert_array_equal(again.points_.get_offsets(), drawn)
    with pytest.raises(ValueError, match="max_points must be at least 1, got 0"):
        MixtureDisplay.from_estimator(mixture, X, max_points=0)


def test_components_without_rows_are_not_drawn():
    import skem

    X = load_faithful().data
    mixture = skem.VariationalGaussianMixture(6, random_state=0).fit(X)
    kept = np.flatnonzero(mixture.expected_counts_ >= 1 / 6)
    assert len(kept) < 6
    assert (mixture.weights_ > 0).all()
    for rows in (X, None):
        display = MixtureDisplay.from_estimator(mixture, rows, ellipse_std=(1.0,))
        assert len(display.ellipses_) == len(kept)
        texts = [text.get_text() for text in display.legend_.get_texts()]
        assert texts[:-1] == [f"component {k}" for k in kept]
    theirs = BayesianGaussianMixture(n_components=6, random_state=0, max_iter=2000).fit(X)
    display = MixtureDisplay.from_estimator(theirs, X, ellipse_std=(1.0,))
    assert len(display.ellipses_) == len(np.unique(theirs.predict(X)))
    assert len(display.ellipses_) < 6


def test_changed_covariance_type(iris):
    mixture = fitted(iris).set_params(covariance_type="diag")
    with pytest.raises(ValueError, match=r"'diag' must have shape \(3, 4\), got \(3, 4, 4\)"):
        MixtureDisplay.from_estimator(mixture, None)
    mixture.set_params(covariance_type="round")
    with pytest.raises(ValueError, match="covariance_type must be one of"):
        MixtureDisplay.from_estimator(mixture, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ellipse_std": (1.0, 0.0)}, "ellipse_std must lie strictly between 0 and inf, got 0.0"),
        ({"contents": (0.5, 1.0)}, "contents must lie strictly between 0 and 1.0, got 1.0"),
        ({"colors": ["red"]}, "each of the 3 components, got 1"),
        ({"grid_resolution": 1}, "grid_resolution must be at least 2, got 1"),
    ],
)
def test_wrong_options(iris, options, message):
    with pytest.raises(ValueError, match=message):
        MixtureDisplay.from_estimator(fitted(iris), iris, **options)


def test_without_matplotlib(iris, monkeypatch):
    original = builtins.__import__

    def no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError("no matplotlib here")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    with pytest.raises(ImportError, match=r'pip install "skem\[plot\]"'):
        MixtureDisplay.from_estimator(fitted(iris), iris)
