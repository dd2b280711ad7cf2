"""Densities of single cells of columns of every kind, by enumeration."""

import numpy as np
import pytest
from oracles.blocks import log_density, responsibilities

from mixture.test_blocks import BLOCKS, fit, mixed, model_of
from skem import EMMixture, MixtureIC, MixtureOutlierDetector, VariationalMixture

pd = pytest.importorskip("pandas")

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture(scope="module")
def fitted():
    return fit(mixed(120), max_iter=5)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_cells_are_marginals_and_ratios_of_marginals(fitted, missing):
    X = mixed(20, seed=1, missing=missing)
    frame = fitted.explain_density(X)
    whole = log_density(*model_of(fitted, X))
    for j in range(X.shape[1]):
        seen = ~np.isnan(X[:, j])
        only, rest = np.full(X.shape, np.nan), X.copy()
        only[:, j], rest[:, j] = X[:, j], np.nan
        alone = -log_density(*model_of(fitted, only))
        given_rest = log_density(*model_of(fitted, rest)) - whole
        for name, expected in (("alone", alone), ("given_rest", given_rest)):
            found = frame[name].iloc[:, j]
            np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-9, atol=1e-9)
            assert found[~seen].isna().all()


def mean_of(entry, kind, place, component):
    """What a component expects in a column that is independent of the others there."""
    if kind == "categorical":
        return entry["probabilities"][place][component].argmax()
    if kind == "bernoulli":
        return float(entry["probabilities"][component, place] > 0.5)
    if kind == "poisson":
        return entry["rates"][component, place]
    return None


def test_what_is_expected(fitted):
    X = mixed(15, seed=2, missing=0.1)
    frame = fitted.explain_density(X)["expected"]
    for i, j in np.ndindex(X.shape):
        rest = X[[i]]
        rest[0, j] = np.nan
        component = responsibilities(*model_of(fitted, rest))[0].argmax()
        kind = next(name for name, columns in BLOCKS.items() if j in columns)
        entry = fitted.parameters_[list(BLOCKS).index(kind)]
        place = BLOCKS[kind].index(j)
        expected = mean_of(entry, kind, place, component)
        if kind == "full":
            mean, covariance = entry["means"][component], entry["covariances"][component]
            others = [c for c in BLOCKS[kind] if not np.isnan(rest[0, c])]
            slope = np.linalg.lstsq(covariance[np.ix_(others, others)], covariance[others, j])[0]
            expected = mean[place] + slope @ (rest[0, others] - mean[others])
        elif kind == "diag":
            expected = entry["means"][component, place]
        if expected is not None:
            assert frame.iloc[i, j] == pytest.approx(expected, rel=1e-7)


def sweep(row, j, values):
    rows = np.repeat(row[None], len(values), axis=0)
    rows[:, j] = values
    return rows


def test_they_are_distributions(fitted):
    """Sums over all that a cell can be, or integrals, are 1."""
    row = mixed(1, seed=3)[0]
    for j, values in ((5, range(3)), (6, range(4)), (7, range(2)), (9, range(200))):
        explained = fitted.explain_density(sweep(row, j, values))
        for name in ("alone", "given_rest"):
            assert np.exp(-explained[name].iloc[:, j]).sum() == pytest.approx(1.0, rel=1e-6)
    for j, values in ((1, np.linspace(-8, 12, 151)), (4, np.linspace(40, 160, 151))):
        explained = fitted.explain_density(sweep(row, j, values))
        for name in ("alone", "given_rest"):
            densities = np.exp(-explained[name].iloc[:, j])
            assert np.trapezoid(densities, values) == pytest.approx(1.0, rel=1e-6)


def people(n=150, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(2, size=n)
    frame = pd.DataFrame(
        {
            "height": rng.normal(size=n) + 5.0 * group,
            "weight": rng.normal(size=n),
            "house": pd.Categorical(np.where(rng.random(n) < 0.98, group, 1 - group)),
            "town": np.where(rng.random(n) < 0.5, "Ulm", "Bonn"),
            "owner": rng.random(n) < 0.3,
            "children": rng.poisson(1.0 + 3.0 * group),
        },
        index=np.arange(n) + 100,
    )
    frame["house"] = frame["house"].cat.rename_categories({0: "small", 1: "large"})
    return frame


@pytest.mark.parametrize(
    "model", [EMMixture(2, random_state=0), VariationalMixture(2), MixtureIC((2,))]
)
def test_frames_keep_names_and_categories(model):
    frame = people()
    odd = frame.index[0]
    frame.loc[odd, ["height", "house", "children"]] = [5.0, "small", 4]
    explained = model.fit(frame).explain_density(frame)
    assert explained.index.equals(frame.index)
    assert list(explained["alone"].columns) == list(frame.columns)
    assert explained["expected"].loc[odd, "house"] == "large"
    assert set(explained["expected"]["town"]) <= {"Ulm", "Bonn"}
    assert explained["expected"]["height"].dtype == np.float64
    assert explained["given_rest"].loc[odd].idxmax() == "house"
    usual = explained["given_rest"]["house"].drop(odd).median()
    assert explained["given_rest"].loc[odd, "house"] > usual + 2


def test_a_detector_explains_and_flags_categories_that_do_not_go_together():
    frame = people()
    flipped = np.where(frame.loc[[100], "height"] > 2.5, "small", "large")
    frame.loc[[100], "house"] = flipped
    frame.loc[100, "children"] = 30
    detector = MixtureOutlierDetector(EMMixture(2, random_state=0), random_state=0).fit(frame)
    assert detector.predict(frame)[0] == -1
    explained = detector.explain_density(frame)
    pd.testing.assert_frame_equal(explained, detector.estimator_.explain_density(frame))
