"""What every autoencoder can do with rows."""

from __future__ import annotations

import dataclasses
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from skem import kernels
from skem._callbacks import FRAMES, CallbackSupportMixin, with_callbacks
from skem._parameters import (
    Allowed,
    boolean,
    check_parameters,
    check_rows,
    check_sample_weight,
    float_dtypes,
    integer,
    integers,
    jobs,
    none,
    one_of,
    random_state,
    real,
)
from skem._refitting import check_same_names, kept_on_failure
from skem.engine import Threads, count_threads
from skem.vae import _fitting
from skem.vae._evaluation import RowTerms, encode, row_terms
from skem.vae._frames import in_container
from skem.vae._latents import Latent
from skem.vae._likelihoods import LIKELIHOODS, NOISE_VARIANCES
from skem.vae._networks import ACTIVATIONS
from skem.vae._optimisers import OPTIMISERS
from skem.vae._record import Data, Trained
from skem.vae._rows import Rows, make_rows

__all__ = ["COMMON", "BaseAutoencoder"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

_AUTO = one_of(("auto",))

# What the parameters that all autoencoders share may be.
COMMON: dict[str, tuple[Allowed, ...]] = {
    "hidden_layer_sizes": (integers(1), integer(1)),
    "activation": (one_of(ACTIVATIONS),),
    "likelihood": (one_of(("auto", *LIKELIHOODS)),),
    "noise_variance": (one_of(NOISE_VARIANCES), real(0.0, open_left=True)),
    "beta": (real(0.0),),
    "kl_warmup_steps": (integer(0),),
    "solver": (one_of(OPTIMISERS),),
    "learning_rate_init": (real(0.0, open_left=True),),
    "batch_size": (integer(1),),
    "max_epochs": (integer(1), _AUTO),
    "tol": (real(0.0),),
    "n_iter_no_change": (integer(1), _AUTO),
    "early_stopping": (boolean, _AUTO),
    "validation_fraction": (real(0.0, 1.0, open_left=True),),
    "alpha": (real(0.0),),
    "random_state": (random_state, none),
    "warm_start": (boolean,),
    "verbose": (integer(0), boolean),
    "n_jobs": (jobs, none),
}


class BaseAutoencoder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator
):
    """Training, codes and reconstructions.

    A subclass says in `_make_latent` what lies between encoder and decoder.
    """

    hidden_layer_sizes: int | Sequence[int]
    activation: str
    likelihood: str
    noise_variance: str | float
    beta: float
    kl_warmup_steps: int
    solver: str
    learning_rate_init: float
    batch_size: int
    max_epochs: int | Literal["auto"]
    tol: float
    n_iter_no_change: int | Literal["auto"]
    early_stopping: bool | Literal["auto"]
    validation_fraction: float
    alpha: float
    random_state: int | np.random.RandomState | None
    warm_start: bool
    verbose: int | bool
    n_jobs: int | None

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]]
    _trained: Trained

    @abstractmethod
    def _make_latent(self) -> Latent:
        """Make the latent of the parameters."""

    # What `set_output` was last asked for; None: scikit-learn's global setting counts.
    _container: str | None = None

    def set_output(
        self, *, transform: Literal["default", "pandas", "polars"] | None = None
    ) -> Self:
        """Set the container of what all methods return that return rows or codes.

        Parameters
        ----------
        transform : {'default', 'pandas', 'polars'}, default=None
            'default' are arrays. None: as before.

        Returns
        -------
        self : estimator
        """
        super().set_output(transform=transform)
        self._container = transform or self._container
        return self

    def __sklearn_clone__(self) -> Self:
        clone: Self = super().__sklearn_clone__()
        clone._container = self._container
        return clone

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self._trained.model.latent.n_inputs)

    @with_callbacks
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            float32 rows are trained on in float32, others in float64.
        y : Ignored
            Only handed to callbacks.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. Within one batch a weight of 2 is the same as the row twice.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            For a parameter or input out of its range.

        Warns
        -----
        ConvergenceWarning
            If training diverged or did not converge, the code is not used, the warm-up of the
            divergence was not over, or a column is constant.
        """
        before = getattr(self, "_trained", None)
        names = getattr(self, "feature_names_in_", None)
        with kept_on_failure(self):
            data = self._check_fit(X, y, sample_weight, reset=True)
            if self.warm_start and before is not None:
                check_same_names(self, names)
            outcome = _fitting.fit(self, self._make_latent(), before, data)
        self._publish(outcome, level=3 + FRAMES)
        return self

    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Visit rows once, in random order: one epoch.

        The first call makes the networks, and measures the units in which they read the columns
        for good: give it as many rows as you can. After `fit`, training goes on from where it
        stands, optimiser included, and an estimator that was pickled in between goes on with the
        same bits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows among each other.

        Returns
        -------
        self : estimator
        """
        before = getattr(self, "_trained", None)
        with kept_on_failure(self):
            data = self._check_fit(X, y, sample_weight, reset=before is None)
            outcome = _fitting.step(self, self._make_latent(), before, data)
        outcome.attributes["loss_curve_"][:0] = getattr(self, "loss_curve_", [])
        self._publish(outcome, level=3)
        return self

    def fit_transform(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Floats:
        """Train on rows and return their codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        Z : ndarray
            Those of ``fit(X).transform(X)``.
        """
        return self.fit(X, y, sample_weight=sample_weight).transform(X)

    def transform(self, X: ArrayLike) -> Floats:
        """Encode rows, without chance.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        Z : ndarray or frame of shape (n_samples, n_latent), of the dtype of X
            What the decoder reads.
        """
        return self._codes(self._check_rows(X))

    def inverse_transform(self, Z: ArrayLike) -> Any:
        """Decode codes.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_latent)
            Numbers beyond 1e10 count as 1e10.

        Returns
        -------
        X : ndarray or frame of shape (n_samples, n_features), of the dtype of Z
            The decoder's means; a frame if `set_output` asks for frames.
        """
        return self._contain(self._means(self._check_codes(Z)), Z)

    def reconstruct(self, X: ArrayLike) -> Any:
        """Encode and decode rows, without chance.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        X : ndarray or frame of shape (n_samples, n_features), of the dtype of X
            ``inverse_transform(transform(X))``.
        """
        return self._contain(self._means(self._codes(self._check_rows(X))), X)

    def _contain(self, rows: Floats, like: object = None) -> Any:
        """Return rows in the units of X in the container that `set_output` asks for."""
        container = self._container or get_config()["transform_output"]
        return in_container(rows, container, getattr(self, "feature_names_in_", None), like)

    def _means(self, codes: Floats) -> Floats:
        """Decode checked codes."""
        model, units = self._trained.model, self._trained.units
        return units.write(model.likelihood.mean(self._decode(codes)), codes.dtype)

    def _draw(self, codes: Floats, rng: np.random.RandomState) -> Any:
        """Draw a row from each code."""
        model, units = self._trained.model, self._trained.units
        own = model.split(self._trained.state.parameters)[2]
        drawn = model.likelihood.draw(own, self._decode(codes), rng)
        return self._contain(units.write(drawn, model.dtype))

    def _rng(
        self, n_samples: int, random_state: int | np.random.RandomState | None
    ) -> np.random.RandomState:
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {n_samples}. The sampling requires at least one "
                "sample, and a whole number of them."
            )
        return self._trained.sampler if random_state is None else check_random_state(random_state)

    def _codes(self, rows: Floats) -> Floats:
        model = self._trained.model
        own = model.split(self._trained.state.parameters)[3]
        return model.latent.code(own, self._heads(rows)).astype(rows.dtype)

    def _check_codes(self, Z: ArrayLike) -> Floats:
        check_is_fitted(self)
        codes: Floats = check_array(Z, dtype=float_dtypes(Z), input_name="Z")
        n_inputs = self._trained.model.latent.n_inputs
        if codes.shape[1] != n_inputs:
            raise ValueError(
                f"Z has {codes.shape[1]} columns, but {type(self).__name__} has codes of {n_inputs}"
            )
        return codes

    def _decode(self, codes: Floats) -> Floats:
        model = self._trained.model
        bounds = -kernels.standardise.FARTHEST, kernels.standardise.FARTHEST
        z = np.ascontiguousarray(np.clip(codes, *bounds), dtype=model.dtype)
        decoder = model.split(self._trained.state.parameters)[1]
        return model.decoder.forward(decoder, z, model.decoder.space(len(z), model.dtype))

    def _check_fit(
        self, X: ArrayLike, y: object, sample_weight: ArrayLike | None, *, reset: bool
    ) -> Data:
        check_parameters(type(self).__name__, self.get_params(deep=False), self._allowed)
        rows = check_rows(X, self, reset=reset, allow_nan=False)
        columns = getattr(self, "feature_names_in_", np.arange(rows.shape[1]))
        return Data(rows, y, check_sample_weight(sample_weight, len(rows)), columns)

    def _check_rows(self, X: ArrayLike) -> Floats:
        check_is_fitted(self)
        rows = check_rows(X, self, reset=False, allow_nan=False)
        self._trained.model.likelihood.check(rows, None, self.likelihood)
        return rows

    def _publish(self, outcome: _fitting.Outcome, *, level: int) -> None:
        self._trained = outcome.trained
        for name, value in outcome.attributes.items():
            setattr(self, name, value)
        for message in outcome.messages:
            warnings.warn(message, ConvergenceWarning, stacklevel=level)

    def _make_rows(self, X: Floats) -> Rows:
        trained = self._trained
        return make_rows(X, None, trained.units, trained.model.dtype, trained.seed)

    def _heads(self, X: Floats) -> Floats:
        """Return the encoder's output for rows."""
        trained = self._trained
        with Threads(count_threads(self.n_jobs)) as threads:
            return encode(trained.model, trained.state.parameters, self._make_rows(X), threads)

    def _scoring_latent(self) -> Latent:
        """Return the latent that rows are scored with."""
        return self._trained.model.latent

    def _evaluated(self, X: Floats) -> RowTerms:
        """Return the terms of rows, in the network's units."""
        trained = self._trained
        model = dataclasses.replace(trained.model, latent=self._scoring_latent())
        with Threads(count_threads(self.n_jobs)) as threads:
            return row_terms(model, trained.state.parameters, self._make_rows(X), threads)

    def _log_likelihood(self, X: Floats) -> Array:
        """Return the estimated log-likelihood of each row, in the units of X."""
        return self._evaluated(X).log_likelihood - self._trained.units.log_volume
