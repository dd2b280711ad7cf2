"""scikit-learn's own checks of mixtures of blocks."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from mixture.test_sklearn_checks import _MORE_CHECKS
from skem import EMMixture, VariationalMixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning"),
]

_DIAG = [("diag", slice(None))]


@pytest.mark.core
@parametrize_with_checks([EMMixture(), EMMixture(columns=_DIAG), VariationalMixture()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("mixture", [EMMixture, VariationalMixture])
@pytest.mark.parametrize("name", _MORE_CHECKS)
def test_checks_that_are_not_yielded(name, mixture):
    getattr(estimator_checks, name)(mixture.__name__, mixture(2))


def test_two_components():
    for estimator, check in estimator_checks.estimator_checks_generator(EMMixture(2)):
        # Shuffled rows meet other random numbers.
        if check.func.__name__ != "check_sample_weight_equivalence_on_dense_data":
            try:
                check(estimator)
            except pytest.skip.Exception:
                continue
            except Exception as error:
                if "SkipTest" not in type(error).__name__:
                    raise
