"""What a choice among mixtures can do with rows: what the chosen one can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skem._callbacks import CallbackSupportMixin
from skem._collections import is_collection
from skem._parameters import check_rows
from skem.mixture._clustering import ClusteringMixin, Floats, Labels
from skem.mixture._results import Columns
from skem.mixture._summary import count

__all__ = ["BlockChosen", "Chosen", "GaussianChosen"]


class Chosen(ClusteringMixin, CallbackSupportMixin, BaseEstimator):
    """A clusterer whose methods are those of the best of many fits."""

    criterion: str

    results_: Columns
    best_estimator_: Any

    @property
    def _n_features_out(self) -> int:
        return int(self._best()._n_features_out)

    def _best(self, X: ArrayLike | None = None) -> Any:
        """Return the best fit; check that it is there, and that ``X`` has its features."""
        check_is_fitted(self)
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(
                "With refit=False there is no best_estimator_, which this method needs: set "
                "refit=True and fit again"
            )
        if X is not None:
            self._check_features(X)
        return self.best_estimator_

    def _check_features(self, X: ArrayLike) -> None:
        """Check that rows have the features that were fitted; the best fit checks the rest."""

    def summary(self) -> Any:
        """Describe the components of the best fit; see `summary` of the estimator that was fitted.

        Returns
        -------
        summary : MixtureSummary or BlockSummary
        """
        summary, fits = self._best().summary(), count(len(self.results_["rank"]), "fit")
        chosen = f" (best of {fits} by {self.criterion})"
        return replace(summary, title=f"{type(self).__name__}: {summary.title}{chosen}")

    def predict(self, X: ArrayLike) -> Labels:
        """Assign each row to its most probable component in the best fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
        """
        labels: Labels = self._best(X).predict(X)
        return labels

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Compute each component's posterior probability in the best fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        resp : ndarray of shape (n_samples, n_components), of the dtype of X
        """
        resp: Floats = self._best(X).predict_proba(X)
        return resp

    def score_samples(self, X: ArrayLike) -> Floats:
        """Compute the log density of each row under the best fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,), of the dtype of X
            In nats.
        """
        log_density: Floats = self._best(X).score_samples(X)
        return log_density

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the mean log density of rows under the best fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            In nats per unit of weight.
        """
        return float(self._best(X).score(X, sample_weight=sample_weight))

    def impute(
        self,
        X: ArrayLike,
        method: str = "mean",
        *,
        n_draws: int = 1,
        parameters: str = "fixed",
        random_state: int | np.random.RandomState | None = None,
    ) -> Any:
        """Fill missing cells by the best fit; see `impute` of the estimator that was fitted.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
        method : {'mean', 'draw', 'mode'}, default='mean'
        n_draws : int, default=1
        parameters : {'fixed', 'bootstrap'}, default='fixed'
            The choice of the model is taken for certain by both.
        random_state : int or RandomState instance, default=None

        Returns
        -------
        filled : frame or ndarray of shape (n_samples, n_features)
            Of several draws as many: a list of frames, or an array of shape (n_draws, n_samples,
            n_features).
        """
        return self._best(X).impute(
            X, method, n_draws=n_draws, parameters=parameters, random_state=random_state
        )

    def explain_density(self, X: ArrayLike) -> Any:
        """Say which cells make a row odd under the best fit; see its `explain_density`.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)

        Returns
        -------
        frame : pandas.DataFrame of shape (n_samples, 3 n_features)
        """
        return self._best(X).explain_density(X)


class GaussianChosen(Chosen):
    """A choice among mixtures whose columns are all numbers."""

    def _check_features(self, X: ArrayLike) -> None:
        # Of a Dask collection the best fit checks the features: nothing is to be computed here.
        if not is_collection(X):
            check_rows(X, self, reset=False)

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
        as_frame: bool = False,
    ) -> tuple[Any, Any]:
        """Draw rows from the best fit; see `EMGaussianMixture.sample`.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int or RandomState instance, default=None
        as_frame : bool, default=False
            Whether to return a pandas DataFrame and a Series.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
        y : ndarray or Series of shape (n_samples,), int64
            The component of each row.
        """
        drawn: tuple[Any, Any] = self._best().sample(
            n_samples, random_state=random_state, as_frame=as_frame
        )
        return drawn


class BlockChosen(Chosen):
    """A choice among mixtures for columns of every kind."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
        as_frame: bool | None = None,
    ) -> tuple[Any, Any]:
        """Draw rows from the best fit; see `EMMixture.sample`.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int or RandomState instance, default=None
        as_frame : bool, default=None
            Whether to return a frame; None: if the fit was to one.

        Returns
        -------
        X : frame or ndarray of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,), int64
            The component of each row.
        """
        drawn: tuple[Any, Any] = self._best().sample(
            n_samples, random_state=random_state, as_frame=as_frame
        )
        return drawn

    def relative_entropy(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Say how clearly rows belong to components of the best fit, from 0 to 1.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        entropy : float
            See `EMMixture.relative_entropy`.
        """
        return float(self._best(X).relative_entropy(X, sample_weight))

    def bivariate_residuals(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Say which pairs of columns are still dependent within components of the best fit.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        residuals : DataFrame or ndarray of shape (n_features, n_features)
            See `EMMixture.bivariate_residuals`.
        """
        return self._best(X).bivariate_residuals(X, sample_weight)
