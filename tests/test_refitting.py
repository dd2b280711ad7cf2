"""A fit that fails or is interrupted leaves what was fitted before; going on needs its columns."""

import numpy as np
import pandas as pd
import pytest

from skem import (
    VAE,
    EMGaussianMixture,
    EMMixture,
    GaussianMixtureIC,
    MixtureImputer,
    MixtureOutlierDetector,
    VariationalMixture,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 100
RNG = np.random.default_rng(0)
SIDE = RNG.integers(0, 2, N)
NUMBERS = pd.DataFrame({"x": RNG.normal(size=N) + 3 * SIDE, "y": RNG.normal(size=N)})


def letters(order):
    """Return a table whose categories have codes in some order."""
    letter = pd.Categorical(np.array(["a", "b"])[SIDE], categories=order)
    return NUMBERS.assign(letter=letter)


@pytest.mark.parametrize("estimator", [EMMixture, VariationalMixture])
def test_failed_fits_keep_the_categories_of_the_one_before(estimator):
    X = letters(["a", "b"])
    mixture = estimator(2, random_state=0).fit(X)
    expected, kinds = mixture.score_samples(X), mixture.kinds_
    with pytest.raises(ValueError, match="n_samples"):
        mixture.fit(letters(["b", "a"]).iloc[:1])
    np.testing.assert_array_equal(mixture.score_samples(X), expected)
    assert mixture.kinds_ == kinds


def test_an_interrupt_keeps_the_fit_before(monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    X = letters(["a", "b"])
    mixture = EMMixture(2, random_state=0).fit(X)
    expected = mixture.score_samples(X)
    monkeypatch.setattr("skem.mixture._fitting._run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mixture.fit(letters(["b", "a"]))
    np.testing.assert_array_equal(mixture.score_samples(X), expected)
    new = EMMixture(2)
    with pytest.raises(KeyboardInterrupt):
        new.fit(X)
    assert vars(new) == EMMixture(2).__dict__


@pytest.mark.parametrize(
    "estimator",
    [
        EMGaussianMixture(2, random_state=0),
        GaussianMixtureIC([1, 2], random_state=0),
        VAE(1, max_epochs=2, random_state=0),
        MixtureOutlierDetector(random_state=0),
        MixtureImputer(random_state=0),
    ],
)
def test_failed_fits_keep_the_names_of_columns(estimator):
    estimator.fit(NUMBERS)
    ask = getattr(estimator, "score_samples", getattr(estimator, "transform", None))
    expected = np.asarray(ask(NUMBERS))
    with pytest.raises(ValueError, match="sample_weight"):
        estimator.fit(NUMBERS[["y", "x"]], sample_weight=np.zeros(N))
    np.testing.assert_array_equal(ask(NUMBERS), expected)


@pytest.mark.parametrize(
    "estimator",
    [EMGaussianMixture(2), EMMixture(2, columns=[("diag", [0, 1])]), VAE(1, max_epochs=2)],
)
def test_fits_that_go_on_have_the_same_columns(estimator):
    estimator.set_params(warm_start=True, random_state=0).fit(NUMBERS)
    with pytest.raises(ValueError, match=r"was fitted with .*warm_start=True"):
        estimator.fit(NUMBERS[["y", "x"]])
    estimator.fit(NUMBERS).fit(NUMBERS.to_numpy())
    estimator.set_params(warm_start=False).fit(NUMBERS[["y", "x"]])
