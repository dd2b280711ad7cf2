"""scikit-learn's own checks, and the checks of parameters."""

import inspect
import re

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from mixture.tables import TYPES, blobs, every_type
from skem import EMGaussianMixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # What the checks of column names themselves provoke.
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning"),
]

_MAP = EMGaussianMixture(weight_concentration_prior=2.0, degrees_of_freedom_prior=50.0)


@pytest.mark.core
@parametrize_with_checks([EMGaussianMixture()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@parametrize_with_checks([EMGaussianMixture(covariance_type=name) for name in TYPES[1:]] + [_MAP])
def test_scikit_learn_checks_of_every_structure(estimator, check):
    check(estimator)


def _checks_of_two_components():
    for covariance_type in TYPES:
        two = EMGaussianMixture(2, covariance_type=covariance_type)
        for estimator, check in estimator_checks_generator(two):
            name = check.func.__name__
            # Shuffled rows meet other random numbers, and components may come in another order;
            # test_weights.py compares weights with repeated rows from the same start.
            if name != "check_sample_weight_equivalence_on_dense_data":
                yield pytest.param(estimator, check, id=f"{covariance_type}-{name}")


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


@every_type
@pytest.mark.parametrize("name", _MORE_CHECKS)
def test_checks_that_are_not_yielded(name, covariance_type):
    estimator = EMGaussianMixture(2, covariance_type=covariance_type)
    getattr(estimator_checks, name)("EMGaussianMixture", estimator)


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
    "weight_concentration_prior": (0.5, -1.0, np.inf, np.nan, "flat"),
    "mean_prior": (0.0, "zero"),
    "mean_precision_prior": (0.0, -1.0, np.nan, "1"),
    "covariance_prior": (0.0, -1.0, "unit"),
    "degrees_of_freedom_prior": (0.0, -1.0, np.inf, "3"),
    "learning_decay": (0.5, 0.0, 1.01, np.nan, None),
    "learning_offset": (-1.0, np.inf, None),
    "block_size": (0, -1, 2.5, "auto"),
}


def test_every_parameter_has_bad_values_here():
    assert list(BAD_VALUES) == list(inspect.signature(EMGaussianMixture).parameters)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD_VALUES.items() for value in (*values, _Odd())],
)
def test_a_bad_parameter_is_named_with_what_was_given_and_what_is_allowed(name, value):
    X, _ = blobs(20)
    estimator = EMGaussianMixture(**{name: value})
    message = (
        rf"^The '{name}' parameter of EMGaussianMixture must be .+\. "
        rf"Got {re.escape(repr(value))} instead\.$"
    )
    with pytest.raises(ValueError, match=message):
        estimator.fit(X)
    assert not hasattr(estimator, "weights_")


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_predict", "fit_transform"])
@pytest.mark.parametrize("name", BAD_VALUES)
def test_every_way_to_fit_checks_parameters(name, method):
    X, _ = blobs(20)
    estimator = EMGaussianMixture(**{name: _Odd()})
    with pytest.raises(ValueError, match=f"The '{name}' parameter of EMGaussianMixture must be"):
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
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in GOOD_VALUES.items() for value in values]
)
def test_every_allowed_type_fits(name, value):
    X, _ = blobs(40, k=1)
    mixture = EMGaussianMixture(**{name: value}).fit(X)
    assert np.isfinite(mixture.lower_bound_)
    assert mixture.get_params()[name] is value


@pytest.mark.parametrize("words", ["'diag', 'full', 'spherical', 'tied'"])
def test_choices_are_listed(words):
    with pytest.raises(ValueError, match=words):
        EMGaussianMixture(covariance_type="banded").fit(np.eye(3))


@pytest.mark.core
def test_too_few_rows_give_both_numbers():
    with pytest.raises(ValueError, match=r"n_components = 5, n_samples = 3"):
        EMGaussianMixture(5).fit(np.eye(3))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "transform"])
def test_another_number_of_features_gives_both_numbers(method):
    mixture = EMGaussianMixture(2).fit(blobs(40)[0])
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3 features"):
        getattr(mixture, method)(np.zeros((4, 2)))
