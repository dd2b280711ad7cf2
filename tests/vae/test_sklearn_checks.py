"""scikit-learn's own checks, and the checks of parameters."""

import inspect
import re

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skem import VAE, VQVAE, CategoricalVAE, InfoVAE
from vae import tables
from vae.tables import curve

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # What the checks of column names themselves provoke.
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning"),
]

ESTIMATORS = [VAE, InfoVAE, CategoricalVAE, VQVAE]
# One batch of all rows: only then are weights repeated rows to the last digits.
SMALL = {**tables.SMALL, "batch_size": 128}
FEW = {name: SMALL[name] for name in ("hidden_layer_sizes", "max_epochs", "batch_size")}
# The defaults; without the compiler 200 epochs of all checks would take minutes.
DEFAULTS = {} if tables.compiled else {"max_epochs": 10}
VARIANTS = [
    VAE(noise_variance="network", early_stopping=True, **SMALL),
    VAE(noise_variance="per_feature", activation="silu", n_samples=2, **SMALL),
    InfoVAE(kernel="imq", n_samples=2, **SMALL),
    CategoricalVAE(3, noise_variance="network", **FEW),
    VQVAE(4, n_latent_codes=2, codebook_update="gradient", **FEW),
    VAE(noise_variance=0.5, solver="sgd", kl_warmup_steps=3, free_bits=0.1, **SMALL),
]


@pytest.mark.core
@parametrize_with_checks([make(**DEFAULTS) for make in ESTIMATORS])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Rows that are held out differ between rows with weights and repeated rows.
_HELD_OUT = {"check_sample_weight_equivalence_on_dense_data": "rows are held out at random"}


def _checks_of_variants():
    for estimator in VARIANTS:
        for instance, check in estimator_checks.estimator_checks_generator(estimator):
            if not (estimator.early_stopping and check.func.__name__ in _HELD_OUT):
                yield instance, check


@pytest.mark.parametrize(("estimator", "check"), list(_checks_of_variants()))
def test_scikit_learn_checks_of_variants(estimator, check):
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


@pytest.mark.parametrize("make", ESTIMATORS)
@pytest.mark.parametrize("name", _MORE_CHECKS)
def test_checks_that_are_not_yielded(name, make):
    getattr(estimator_checks, name)(make.__name__, make(**FEW))


class _Odd:
    """A value of no valid type for any parameter."""


BAD_VALUES = {
    "n_categories": (0, -1, 1.0, None),
    "n_codes": (0, -1, 1.0, None),
    "n_latent_codes": (0, 1.5, None),
    "commitment_cost": (-0.1, np.inf, None),
    "codebook_update": ("mean", "", None),
    "mmd_weight": (-1.0, np.nan, None),
    "kernel": ("gaussian", "", None),
    "bandwidth": (0.0, -1.0, np.inf, "median"),
    "n_latent": (0, -1, 1.0, "2", None, True),
    "n_samples": (0, 1.5, None),
    "free_bits": (-0.1, np.nan, None),
    "n_importance_samples": (0, 2.5, None),
    "hidden_layer_sizes": (0, -1, 2.5, (0,), (3, -1), (2.5,), ((3, 4), (5, 6)), "128", None),
    "activation": ("logistic", "", 1, None),
    "likelihood": ("poisson", "", 1, None),
    "noise_variance": (0.0, -1.0, np.inf, np.nan, "learned", None, True),
    "beta": (-1.0, np.inf, np.nan, None),
    "kl_warmup_steps": (-1, 1.5, None),
    "solver": ("lbfgs", "", None),
    "learning_rate_init": (0.0, -1.0, np.nan, "adaptive"),
    "batch_size": (0, -1, 1.5, "auto"),
    "max_epochs": (0, -1, 1.5, None),
    "tol": (-1e-4, np.nan, None),
    "n_iter_no_change": (0, 1.5, None),
    "early_stopping": ("yes", 2, None),
    "validation_fraction": (0.0, 1.5, -0.1, None),
    "alpha": (-1.0, np.inf, None),
    "random_state": (-1, 1.5, "seed", 2**32),
    "warm_start": ("yes", 2, None),
    "verbose": (-1, "loud", 1.5),
    "n_jobs": (0, 1.5, "all"),
}


@pytest.mark.parametrize("make", ESTIMATORS)
def test_every_parameter_has_bad_values_here(make):
    assert set(inspect.signature(make).parameters) <= set(BAD_VALUES)


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (make, name, value)
        for make in ESTIMATORS
        for name in inspect.signature(make).parameters
        for value in (*BAD_VALUES[name], _Odd())
    ],
)
def test_a_bad_parameter_is_named_with_what_was_given_and_what_is_allowed(make, name, value):
    estimator = make(**{name: value})
    message = (
        rf"^The '{name}' parameter of {make.__name__} must be .+\. "
        rf"Got {re.escape(repr(value))} instead\.$"
    )
    for method in ("fit", "partial_fit", "fit_transform"):
        with pytest.raises(ValueError, match=message):
            getattr(estimator, method)(curve(20))
    assert not hasattr(estimator, "loss_curve_")


GOOD_VALUES = {
    "n_latent": (np.int64(2),),
    "hidden_layer_sizes": ((), [], 3, [3, 2], (np.int64(3),), np.array([3, 2])),
    "noise_variance": (1, np.float32(0.5)),
    "beta": (0, 2),
    "random_state": (None, 0, np.random.RandomState(0)),
    "verbose": (0, False, np.int64(0)),
    "n_jobs": (None, 1, -1),
    "validation_fraction": (0.5,),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in GOOD_VALUES.items() for value in values]
)
def test_every_allowed_type_fits(name, value):
    vae = VAE(**{**SMALL, name: value}).fit(curve(20))
    assert np.isfinite(vae.loss_curve_).all()
    assert vae.get_params()[name] is value


@pytest.mark.parametrize("method", ["transform", "score_samples", "elbo", "encode", "reconstruct"])
def test_another_number_of_features_gives_both_numbers(method):
    vae = VAE(**SMALL).fit(curve(20))
    with pytest.raises(ValueError, match=r"X has 2 features, but VAE is expecting 5 features"):
        getattr(vae, method)(np.zeros((4, 2)))


def test_another_length_of_codes_gives_both_numbers():
    vae = VAE(**SMALL).fit(curve(20))
    with pytest.raises(ValueError, match=r"Z has 3 columns, but VAE has codes of 2"):
        vae.inverse_transform(np.zeros((4, 3)))


@pytest.mark.parametrize("n_samples", [0, -3, 2.5])
def test_sampling_no_number_of_rows_is_refused(n_samples):
    with pytest.raises(ValueError, match=rf"Invalid value for 'n_samples': {n_samples}"):
        VAE(**SMALL).fit(curve(20)).sample(n_samples)
