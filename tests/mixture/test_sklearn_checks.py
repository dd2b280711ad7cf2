"""scikit-learn's own checks, and the checks of parameters."""

import inspect
import re
from itertools import product

import numpy as np
import pytest
from sklearn.mixture import BayesianGaussianMixture
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from mixture.tables import TYPES, blobs, every_estimator, every_type
from skem import EMGaussianMixture, VariationalGaussianMixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # What the checks of column names themselves provoke.
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning"),
]

BOTH = (EMGaussianMixture, VariationalGaussianMixture)
_MAP = EMGaussianMixture(weight_concentration_prior=2.0, degrees_of_freedom_prior=50.0)
_FINITE = VariationalGaussianMixture(
    weight_concentration_prior_type="dirichlet_distribution", mean_precision_prior=0.1
)
_HARD = [mixture(assignment="hard") for mixture in BOTH]
_SHARED = [VariationalGaussianMixture(covariance_type=name) for name in ("EEI", "EII")]


@pytest.mark.core
@parametrize_with_checks([mixture() for mixture in BOTH])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [mixture(covariance_type=name) for mixture in BOTH for name in TYPES[1:]]
    + [_MAP, _FINITE, *_HARD, *_SHARED]
)
def test_scikit_learn_checks_of_every_structure(estimator, check):
    check(estimator)


def _checks_of_two_components():
    for mixture, covariance_type in product(BOTH, TYPES):
        two = mixture(2, covariance_type=covariance_type)
        for estimator, check in estimator_checks_generator(two):
            name = check.func.__name__
            # Shuffled rows meet other random numbers, and components may come in another order;
            # test_weights.py compares weights with repeated rows from the same start.
            if name != "check_sample_weight_equivalence_on_dense_data":
                case = f"{mixture.__name__}-{covariance_type}-{name}"
                yield pytest.param(estimator, check, id=case)


@pytest.mark.parametrize(("estimator", "check"), list(_checks_of_two_components()))
def test_scikit_learn_checks_of_two_components(estimator, check):
    check(estimator)


# What `parametrize_with_checks` does not yield.
_MORE_CHECKS = [
    name
    for name in (
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_set_output_transform_polars",
        "check_global_output_transform_pandas",
        "check_global_set_output_transform_polars",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_dataframe_column_names_consistency",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
        "check_transformers_unfitted",
        "check_transformer_n_iter",
        "check_n_features_in_after_fitting",
        "check_estimators_partial_fit_n_features",
        "check_sample_weights_not_overwritten",
        "check_fit2d_1sample",
        "check_fit2d_1feature",
    )
    if hasattr(estimator_checks, name)
]


@every_estimator
@every_type
@pytest.mark.parametrize("name", _MORE_CHECKS)
def test_checks_that_are_not_yielded(name, covariance_type, estimator):
    two = estimator(2, covariance_type=covariance_type)
    getattr(estimator_checks, name)(estimator.__name__, two)


class _Odd:
    """A value of no valid type for any parameter."""


BAD_VALUES = {
    "n_components": (0, -1, 1.0, "2", None, True, np.nan),
    "covariance_type": ("Full", "banded", 1, None),
    "tol": (-1e-3, np.nan, np.inf, "1e-3", None, True),
    "reg_covar": (-1e-6, np.nan, np.inf, "0", None),
    "max_iter": (-1, 10.0, "100", None),
    "n_init": (0, -2, 1.5, None),
    "init_params": ("k-means", "", 1, None),
    "weights_init": (1.0, "uniform"),
    "means_init": (0, "zero"),
    "precisions_init": (1.0, "unit"),
    "random_state": (-1, 1.5, "seed", 2**32),
    "warm_start": ("yes", 2, None),
    "verbose": (-1, "loud", 1.5),
    "verbose_interval": (0, -1, 2.5, None),
    "n_jobs": (0, 1.5, "all"),
    "weight_concentration_prior": (0.5, -1.0, -np.inf, np.nan, "flat"),
    "mean_prior": (0.0, "zero"),
    "mean_precision_prior": (0.0, -1.0, np.nan, "1"),
    "covariance_prior": (0.0, -1.0, "unit"),
    "degrees_of_freedom_prior": (0.0, -1.0, np.inf, "3"),
    "learning_decay": (0.5, 0.0, 1.01, np.nan, None),
    "learning_offset": (-1.0, np.inf, None),
    "block_size": (0, -1, 2.5, "auto"),
    "assignment": ("Hard", True, None),
    "acceleration": ("SQUAREM", "", 1, True),
    "resolution": ("none", 1, True),
    "noise": (0.0, -1.0, np.nan, np.inf, "yes", None),
}


OF_POINTS = ("weights_init", "means_init", "precisions_init")
BAD_VALUES_OF = {
    EMGaussianMixture: BAD_VALUES,
    VariationalGaussianMixture: {
        name: values for name, values in BAD_VALUES.items() if name not in OF_POINTS
    }
    | {
        "weight_concentration_prior_type": ("dirichlet", 1, None),
        "weight_concentration_prior": (0.0, -1.0, np.inf, np.nan, "flat"),
    },
}
of_each_parameter = pytest.mark.parametrize(
    ("mixture", "name"),
    [(mixture, name) for mixture, values in BAD_VALUES_OF.items() for name in values],
)


@every_estimator
def test_every_parameter_has_bad_values_here(estimator):
    assert set(BAD_VALUES_OF[estimator]) == set(inspect.signature(estimator).parameters)


def test_parameters_are_those_of_scikit_learn_and_more():
    theirs = inspect.signature(BayesianGaussianMixture).parameters
    ours = inspect.signature(VariationalGaussianMixture).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    # The one default that is another: a start that is searched for.
    defaults = {name: parameter.default for name, parameter in theirs.items()}
    assert {name: ours[name].default for name in theirs} == defaults | {"init_params": "auto"}
    assert set(ours) - set(theirs) == {
        "n_jobs",
        "block_size",
        "learning_decay",
        "learning_offset",
        "assignment",
        "resolution",
        "acceleration",
        "noise",
    }


@pytest.mark.parametrize(
    ("mixture", "name", "value"),
    [
        (mixture, name, value)
        for mixture, bad in BAD_VALUES_OF.items()
        for name, values in bad.items()
        for value in (*values, _Odd())
    ],
)
def test_a_bad_parameter_is_named_with_what_was_given_and_what_is_allowed(mixture, name, value):
    X, _ = blobs(20)
    estimator = mixture(**{name: value})
    message = (
        rf"^The '{name}' parameter of {mixture.__name__} must be .+\. "
        rf"Got {re.escape(repr(value))} instead\.$"
    )
    with pytest.raises(ValueError, match=message):
        estimator.fit(X)
    assert not hasattr(estimator, "weights_")


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_predict", "fit_transform"])
@of_each_parameter
def test_every_way_to_fit_checks_parameters(mixture, name, method):
    X, _ = blobs(20)
    estimator = mixture(**{name: _Odd()})
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {mixture.__name__} must be"):
        getattr(estimator, method)(X)


GOOD_VALUES = {
    "n_components": (np.int64(2),),
    "tol": (0, 0.0, np.float32(1e-3)),
    "reg_covar": (1, np.float64(1e-6)),
    "max_iter": (np.int32(100),),
    "random_state": (None, 0, np.int64(3), np.random.RandomState(0)),
    "warm_start": (np.bool_(False),),
    "verbose": (0, False),
    "n_jobs": (None, 1, -1, np.int64(2)),
    "weight_concentration_prior": (1, 1.0, 3),
    "mean_precision_prior": (1, 0.01),
    "degrees_of_freedom_prior": (4, 2.5),
    "learning_decay": (1, 0.51),
    "learning_offset": (0, 1),
    "block_size": (1, np.int64(64)),
    "assignment": ("soft", "hard"),
    "acceleration": (None, "squarem", "anderson"),
}


@every_estimator
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in GOOD_VALUES.items() for value in values]
)
def test_every_allowed_type_fits(name, value, estimator):
    X, _ = blobs(40, k=1)
    mixture = estimator(**{name: value}).fit(X)
    assert np.isfinite(mixture.lower_bound_)
    assert mixture.get_params()[name] is value


@every_estimator
@pytest.mark.parametrize("words", ["'diag', 'full', 'spherical', 'tied'"])
def test_choices_are_listed(words, estimator):
    with pytest.raises(ValueError, match=words):
        estimator(covariance_type="banded").fit(np.eye(3))


@pytest.mark.core
@every_estimator
def test_too_few_rows_give_both_numbers(estimator):
    with pytest.raises(ValueError, match=r"n_components = 5, n_samples = 3"):
        estimator(5).fit(np.eye(3))


@every_estimator
@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "transform"])
def test_another_number_of_features_gives_both_numbers(method, estimator):
    mixture = estimator(2).fit(blobs(40)[0])
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3 features"):
        getattr(mixture, method)(np.zeros((4, 2)))
