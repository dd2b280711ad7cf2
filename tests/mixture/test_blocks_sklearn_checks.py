"""scikit-learn's own checks of mixtures of blocks."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from mixture.test_sklearn_checks import _MORE_CHECKS
from skem import EMMixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning"),
]

_DIAG = [("diag", slice(None))]


@pytest.mark.core
@parametrize_with_checks([EMMixture(), EMMixture(columns=_DIAG)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", _MORE_CHECKS)
def test_checks_that_are_not_yielded(name):
    getattr(estimator_checks, name)("EMMixture", EMMixture(2))
