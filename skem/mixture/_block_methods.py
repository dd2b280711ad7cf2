"""What fitted mixtures of blocks of columns can do besides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skem._parameters import check_sample_weight
from skem.mixture._base import BaseMixture
from skem.mixture._layout import Layout

__all__ = ["BlockMixtureMethods"]


class BlockMixtureMethods(BaseMixture):
    """Samples, criteria and summaries of a fitted mixture of blocks."""

    parameters_: list[dict[str, Any]]
    kinds_: dict[Any, str]
    _layout: Layout

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
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int or RandomState instance, default=None
            None goes on with a generator that the fit seeded from the estimator's own
            ``random_state``: calls differ from each other, and a program run twice draws the
            same rows.
        as_frame : bool, default=None
            Whether to return a frame; None: if the fit was to one.

        Returns
        -------
        X : frame or ndarray of shape (n_samples, n_features)
            As what was fitted: a table of the same library, with the same dtypes and categories
            (whole numbers of Gaussian columns become floats). Of an array, an array of floats;
            of objects, if there are categories.
        y : ndarray of shape (n_samples,), int64
            The component of each row.
        """
        values, labels = self._draw(n_samples, random_state)
        encoding = self._layout.encoding
        if as_frame is None:
            as_frame = encoding.library != "numpy"
        return encoding.decode(values.astype(np.float64, copy=False), as_frame=as_frame), labels

    def relative_entropy(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Say how clearly rows belong to components, from 0 to 1 (Ramaswamy et al. 1993).

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        entropy : float
            ``1 - sum_n w_n H(resp_n) / (log K sum_n w_n)`` for the entropies H of the rows'
            responsibilities: 1 where every row is certain to be one component's, 0 where nothing
            is known. 1 for K = 1.
        """
        resp = self.predict_proba(X).astype(np.float64)
        n_components = resp.shape[1]
        if n_components == 1:
            return 1.0
        weights = check_sample_weight(sample_weight, len(resp))
        entropy = -np.where(resp > 0, resp * np.log(np.where(resp > 0, resp, 1.0)), 0.0).sum(axis=1)
        return float(1.0 - np.average(entropy, weights=weights) / np.log(n_components))

    def _codes(self, X: Any) -> NDArray[np.floating]:
        check_is_fitted(self)
        rows: NDArray[np.floating] = self._kind.read_rows(self, X, reset=False)
        return rows
