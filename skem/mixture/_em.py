"""Gaussian mixtures by expectation-maximisation."""

from __future__ import annotations

import warnings
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from skem.families import GAUSSIAN_FAMILIES, Scorer
from skem.inference import START_METHODS
from skem.mixture import _fitting
from skem.mixture._base import BaseMixture, Floats, Labels
from skem.mixture._callbacks import with_callbacks
from skem.mixture._parameters import (
    Allowed,
    array,
    boolean,
    check_parameters,
    check_sample_weight,
    integer,
    none,
    one_of,
    random_state,
    real,
)
from skem.mixture._setup import fitted_parameters, make_family, to_table

__all__ = ["EMGaussianMixture"]

_JOBS = Allowed(
    lambda n: integer(1).test(n) or (integer(-(2**31)).test(n) and n < 0),
    "an int other than 0",
)


class EMGaussianMixture(BaseMixture):
    """DOCSTRING"""

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = {
        "n_components": (integer(1),),
        "covariance_type": (one_of(GAUSSIAN_FAMILIES),),
        "tol": (real(0.0),),
        "reg_covar": (real(0.0),),
        "max_iter": (integer(0),),
        "n_init": (integer(1),),
        "init_params": (one_of(START_METHODS), array),
        "weights_init": (array, none),
        "means_init": (array, none),
        "precisions_init": (array, none),
        "random_state": (random_state, none),
        "warm_start": (boolean,),
        "verbose": (integer(0), boolean),
        "verbose_interval": (integer(1),),
        "n_jobs": (_JOBS, none),
        "weight_concentration_prior": (real(1.0), none),
        "mean_prior": (array, none),
        "mean_precision_prior": (real(0.0, open_left=True), none),
        "covariance_prior": (real(0.0, open_left=True), array, none),
        "degrees_of_freedom_prior": (real(0.0, open_left=True), none),
        "learning_decay": (real(0.5, 1.0, open_left=True),),
        "learning_offset": (real(0.0),),
        "block_size": (integer(1), none),
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: Literal["full", "tied", "diag", "spherical"] = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str | ArrayLike = "kmeans",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_jobs: int | None = None,
        weight_concentration_prior: float | None = None,
        mean_prior: ArrayLike | None = None,
        mean_precision_prior: float | None = None,
        covariance_prior: ArrayLike | None = None,
        degrees_of_freedom_prior: float | None = None,
        learning_decay: float = 0.7,
        learning_offset: float = 10.0,
        block_size: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_jobs = n_jobs
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_prior = mean_prior
        self.mean_precision_prior = mean_precision_prior
        self.covariance_prior = covariance_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.learning_decay = learning_decay
        self.learning_offset = learning_offset
        self.block_size = block_size

    @with_callbacks
    def fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> EMGaussianMixture:
        """Estimate the parameters from rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least as many rows of positive weight as components.
        y : Ignored
            Only handed to callbacks.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 counts as the row twice.

        Returns
        -------
        self : EMGaussianMixture

        Raises
        ------
        ValueError
            For a parameter or input out of its range, and, with ``reg_covar=0``, for a
            component whose covariance is singular.

        Warns
        -----
        ConvergenceWarning
            If no restart converged, a component emptied or collapsed, or a column is constant.
        """
        rows, weights = self._check_fit(X, sample_weight, reset=True)
        outcome = _fitting.fit(self, rows, y, weights)
        self._publish(outcome)
        for message in outcome.messages:
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        return self

    def fit_predict(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Labels:
        """Fit, and assign each row to its most probable component.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            Those of ``fit(X).predict(X)``.
        """
        return self.fit(X, y, sample_weight=sample_weight).predict(X)

    def fit_transform(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Floats:
        """Fit, and return the rows' posterior probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        resp : ndarray of shape (n_samples, n_components)
        """
        return self.fit(X, y, sample_weight=sample_weight).transform(X)

    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> EMGaussianMixture:
        """Take one step of stepwise EM on a batch of rows (Cappé & Moulines 2009).

        The statistics per unit of weight become ``(1 - rate) old + rate new`` with
        ``rate = (learning_offset + t) ** -learning_decay`` at step t = 1, 2, ...; the first
        batch, from which the start is made, counts wholly. After `fit`, steps go on from what
        was fitted. `reg_covar` stays relative to the variances of the first batch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : EMGaussianMixture
            ``lower_bound_`` is that of this batch at the new parameters, ``n_iter_`` counts the
            steps.
        """
        fitted = hasattr(self, "weights_")
        rows, weights = self._check_fit(X, sample_weight, reset=not fitted)
        outcome = _fitting.step(self, rows, weights)
        self._publish(outcome)
        for message in outcome.messages:
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def n_parameters(self) -> int:
        """Count the free parameters of weights, means and covariances.

        Returns
        -------
        n_parameters : int
        """
        check_is_fitted(self)
        n_components, n_features = self.means_.shape
        return n_components - 1 + make_family(self).n_parameters(n_components, n_features)

    def _check_fit(
        self, X: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool
    ) -> tuple[Floats, Floats | None]:
        check_parameters(type(self).__name__, self.get_params(deep=False), self._allowed)
        rows = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        return rows, check_sample_weight(sample_weight, len(rows))

    def _publish(self, outcome: _fitting.Outcome) -> None:
        for name, value in outcome.attributes.items():
            setattr(self, name, value)

    def _scorer(self) -> tuple[Scorer, Floats, Floats, float, int]:
        family = make_family(self)
        theta = fitted_parameters(self, family)
        n_features = theta.components.means.shape[1]
        origin = np.average(theta.components.means, axis=0, weights=theta.weights)
        scale = family.typical_scale(theta.weights, theta.components.factors, n_features)
        inner = to_table(family, theta, origin, scale)
        with np.errstate(divide="ignore"):
            scorer = family.scorer(inner.components, np.log(inner.weights))
        n_pairs = len(family.pairs(n_features)[0])
        return scorer, origin, scale, -float(np.log(scale).sum()), n_pairs

    def _draw(self, labels: Labels, rng: np.random.RandomState) -> Floats:
        family = make_family(self)
        return family.sample(fitted_parameters(self, family).components, labels, rng)
