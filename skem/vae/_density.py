"""What an autoencoder with a likelihood of rows can do besides."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import DensityMixin

from skem._parameters import check_sample_weight
from skem.vae._base import BaseAutoencoder

__all__ = ["DensityAutoencoder", "Elbo", "weighted_mean"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


class Elbo(NamedTuple):
    """The evidence lower bound of each row and its two parts, in nats, all (n_samples,).

    ``elbo = reconstruction - divergence``.
    """

    elbo: Array
    reconstruction: Array
    divergence: Array


def weighted_mean(values: Floats, sample_weight: ArrayLike | None) -> float:
    """Return the mean over rows, after a check of their weights."""
    weights = check_sample_weight(sample_weight, len(values))
    return float(np.average(values.astype(np.float64), weights=weights))


class DensityAutoencoder(DensityMixin, BaseAutoencoder):
    """Scores, bounds and samples."""

    def score_samples(self, X: ArrayLike) -> Floats:
        """Estimate the log-likelihood of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,), of the dtype of X
            In nats; the same for a row whenever it is asked for, whatever rows are beside it.
        """
        rows = self._check_rows(X)
        values = self._log_likelihood(rows)
        limits = np.finfo(rows.dtype)
        return np.clip(values, limits.min, limits.max, out=values).astype(rows.dtype, copy=False)

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Estimate the mean log-likelihood of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

        Returns
        -------
        score : float
            In nats per unit of weight.
        """
        return weighted_mean(self.score_samples(X), sample_weight)

    def elbo(self, X: ArrayLike) -> Elbo:
        """Compute the evidence lower bound of each row and its two parts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        bound : Elbo
            Named tuple ``(elbo, reconstruction, divergence)`` of ndarrays of shape
            (n_samples,), float64, in nats: ``elbo = reconstruction - divergence``, for
            ``beta=1`` whatever the parameter is. No row's bound is above its `score_samples`:
            both are estimated from the same samples.
        """
        terms = self._evaluated(self._check_rows(X))
        volume = self._trained.units.log_volume
        bound = terms.reconstruction - terms.divergence - volume
        return Elbo(bound, terms.reconstruction - volume, terms.divergence)
