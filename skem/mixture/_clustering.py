"""What everything that clusters rows can do."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin

__all__ = ["ClusteringMixin", "Floats", "Labels"]

Floats: TypeAlias = NDArray[np.floating]
Labels: TypeAlias = NDArray[np.int64]


class ClusteringMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin):
    """A density that rows can be clustered and transformed by."""

    @abstractmethod
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Estimate the parameters from rows."""

    @abstractmethod
    def predict(self, X: ArrayLike) -> Labels:
        """Assign each row to its most probable component."""

    @abstractmethod
    def predict_proba(self, X: ArrayLike) -> Floats:
        """Compute each component's posterior probability for each row."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = True
        return tags

    def transform(self, X: ArrayLike) -> Floats:
        """Represent rows by their posterior probabilities; see `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        resp : ndarray of shape (n_samples, n_components), of the dtype of X
        """
        return self.predict_proba(X)

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
