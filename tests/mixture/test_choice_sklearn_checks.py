"""scikit-learn's checks of choices among mixtures."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from mixture.test_sklearn_checks import _MORE_CHECKS
from skem import GaussianMixtureIC, MixtureIC, StudentMixtureIC

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    # What the checks of column names themselves provoke.
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning"),
]

FEW = {"covariance_type": ["EEI", "full"], "tol": 1e-3}


@pytest.mark.core
@parametrize_with_checks([GaussianMixtureIC(1, **FEW)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def _checks_of_several():
    for criterion in ("bic", "cv"):
        several = GaussianMixtureIC((1, 2), criterion=criterion, **FEW)
        for estimator, check in estimator_checks_generator(several):
            name = check.func.__name__
            # Components may come in another order, folds differ: see test_choice.py.
            if name != "check_sample_weight_equivalence_on_dense_data":
                yield pytest.param(estimator, check, id=f"{criterion}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(_checks_of_several()))
def test_scikit_learn_checks_of_several(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", _MORE_CHECKS)
def test_checks_that_are_not_yielded(name):
    getattr(estimator_checks, name)("GaussianMixtureIC", GaussianMixtureIC((1, 2), **FEW))


@pytest.mark.core
@parametrize_with_checks(
    [
        MixtureIC((1, 2), covariance_type=["full", "diag"], tol=1e-3, init_params="kmeans"),
        StudentMixtureIC((1, 2), **FEW),
    ]
)
def test_scikit_learn_checks_of_other_mixtures(estimator, check):
    # Shuffled rows meet other random numbers: see the tests of weights.
    if check.func.__name__ != "check_sample_weight_equivalence_on_dense_data":
        check(estimator)


@pytest.mark.parametrize("choice", [MixtureIC, StudentMixtureIC])
@pytest.mark.parametrize("name", _MORE_CHECKS)
def test_checks_of_other_mixtures_that_are_not_yielded(name, choice):
    getattr(estimator_checks, name)(choice.__name__, choice((1, 2), covariance_type="diag"))
