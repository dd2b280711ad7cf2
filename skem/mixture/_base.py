"""What every fitted mixture can do with rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skem._callbacks import CallbackSupportMixin
from skem._collections import is_collection
from skem._parameters import check_sample_weight
from skem.engine import Task
from skem.inference import Assign, Certainty, ComputeResponsibilities, LogDensity
from skem.mixture._clustering import ClusteringMixin, Floats, Labels
from skem.mixture._criteria import (
    count_parameters,
    information_criteria,
    sum_certainty,
    sum_log_density,
)
from skem.mixture._evaluating import evaluate
from skem.mixture._lazy import answer_lazily, sum_partitions
from skem.mixture._noise import NOISE, NoiseBox, draw_noise, n_noise
from skem.mixture._reading import Reader, make_family
from skem.mixture._record import FitRecord, sampler_of
from skem.scoring import Scores

__all__ = ["BaseMixture", "narrow_to"]


class BaseMixture(ClusteringMixin, CallbackSupportMixin, BaseEstimator):
    """Densities, assignments, criteria and samples of a fitted mixture.

    A subclass fits, and says by its `_kind` how its attributes are read.
    """

    n_jobs: int | None
    block_size: int | None
    random_state: Any

    # Whether rows may be noise; a parameter where there is a choice.
    noise: bool | float = False

    weights_: Floats
    noise_weight_: float
    _record: FitRecord

    @property
    @abstractmethod
    def _kind(self) -> Reader[Any, Any]:
        """What reads the fitted attributes."""

    @property
    def _n_features_out(self) -> int:
        return int(self.weights_.shape[0]) + n_noise(self)

    def __getstate__(self) -> dict[str, Any]:
        # The record as a plain tuple: readers that trust no foreign types (skops) read it, too.
        state = dict(super().__getstate__())
        if "_record" in state:
            state["_record"] = state["_record"].as_plain()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_record" in state:
            state = state | {"_record": FitRecord.from_plain(state["_record"])}
        super().__setstate__(state)

    def _check_rows(self, X: ArrayLike) -> Floats:
        check_is_fitted(self)
        rows: Floats = self._kind.read_rows(self, X, reset=False)
        return rows

    def _evaluate(
        self, X: Floats, make: Callable[..., Scores], ask: Callable[[Scores], Task[Any, Any]]
    ) -> tuple[Any, Any]:
        """Ask for something of rows that are scored by what ``make(self, family, theta)`` returns.

        See `evaluate`.
        """
        kind, family = self._kind, make_family(self)
        theta = kind.read(self, family)
        n_features = kind.shape(self)[1]
        if X.shape[1] != n_features:  # attributes set by hand come without n_features_in_
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting "
                f"{n_features} features as input"
            )
        return evaluate(self, kind, family, theta, X, make, ask)

    def score_samples(self, X: ArrayLike) -> Floats:
        """Compute the log density of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,), of the dtype of X
            In nats. Rows more than 1e100 standard deviations away count as lying there.
        """
        if is_collection(X):
            return self._lazily("score_samples", X)
        return self._log_density(self._check_rows(X))

    def _log_density(self, rows: Floats) -> Floats:
        """Return the log density of checked rows."""
        log_density, offset = self._evaluate(rows, self._kind.density, LogDensity)
        log_density += offset
        return narrow_to(log_density, rows.dtype)

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the mean log density of rows.

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
        if is_collection(X):
            log_likelihood, total = self._log_likelihood(X, sample_weight)
            return log_likelihood / total
        log_density = self.score_samples(X).astype(np.float64)
        weights = check_sample_weight(sample_weight, len(log_density))
        return float(np.average(log_density, weights=weights))

    def predict(self, X: ArrayLike) -> Labels:
        """Assign each row to its most probable component.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            Of equally probable components, the first; -1 for noise.
        """
        if is_collection(X):
            return self._lazily("predict", X)
        rows = self._check_rows(X)
        labels: Labels = self._evaluate(rows, self._kind.assigner, Assign)[0]
        if n_noise(self):
            labels[labels == len(self.weights_)] = NOISE
        return labels

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Compute each component's posterior probability for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        resp : ndarray of shape (n_samples, n_components), of the dtype of X
            Responsibilities; each row sums to one. With noise there is one more column, the last.
        """
        if is_collection(X):
            return self._lazily("predict_proba", X)
        return self._responsibilities(self._check_rows(X))

    def _responsibilities(self, rows: Floats) -> Floats:
        """Return the responsibilities of checked rows."""
        ask = partial(ComputeResponsibilities, dtype=rows.dtype)
        resp: Floats = self._evaluate(rows, self._kind.assigner, ask)[0]
        return resp

    def _certainty_of_rows(self, rows: Floats) -> tuple[Floats, Floats]:
        """Return log densities and largest responsibilities of checked rows.

        Only of a point estimate: with it one score of a row tells both.
        """
        values, offset = self._evaluate(rows, self._kind.assigner, Certainty)
        return narrow_to(values[:, 0] + offset, rows.dtype), values[:, 1].astype(rows.dtype)

    def _draw(
        self, n_samples: int, random_state: int | np.random.RandomState | None
    ) -> tuple[Floats, Labels]:
        """Draw rows of numbers, (n_samples, n_features), and their components."""
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {n_samples}. The sampling requires at least one "
                "sample."
            )
        family, k = make_family(self), len(self.weights_)
        theta = self._kind.read(self, family)
        if random_state is None and hasattr(self, "_record"):
            rng = sampler_of(self)
        else:  # attributes set by hand come without a generator
            rng = check_random_state(self.random_state if random_state is None else random_state)
        share = np.asarray(self.weights_, dtype=np.float64)
        if n_noise(self):
            share = np.append(share, self.noise_weight_)
        labels = rng.choice(len(share), size=n_samples, p=share / share.sum()).astype(np.int64)
        drawn = self._kind.draw(family, theta, np.minimum(labels, k - 1), rng)
        noise = labels == k
        if noise.any():
            box = NoiseBox(*(self._record.units.box or ()))
            drawn[noise], labels[noise] = draw_noise(box, int(noise.sum()), rng), NOISE
        return drawn, labels

    def n_parameters(self) -> int:
        """Count the free parameters of weights and components.

        Returns
        -------
        n_parameters : int
        """
        check_is_fitted(self)
        n_components, n_features = self._kind.shape(self)
        return count_parameters(self, n_components, n_noise(self), n_features)

    def _log_likelihood(self, X: ArrayLike, sample_weight: ArrayLike | None) -> tuple[float, float]:
        """Return the weighted sum of log densities and the sum of weights."""
        if is_collection(X):
            log_likelihood, total = self._summed("_log_likelihood", X, sample_weight)
            return float(log_likelihood), float(total)
        log_density = self.score_samples(X)
        return sum_log_density(log_density, check_sample_weight(sample_weight, len(log_density)))

    def _criteria(self, X: ArrayLike, sample_weight: ArrayLike | None) -> dict[str, float]:
        """Return what one pass over the rows tells: log-likelihood, BIC and AIC."""
        log_likelihood, n = self._log_likelihood(X, sample_weight)
        return information_criteria(log_likelihood, n, self.n_parameters())

    def _all_criteria(self, X: ArrayLike, sample_weight: ArrayLike | None) -> dict[str, float]:
        """Return the same and ICL, which takes one more pass."""
        values = self._criteria(X, sample_weight)
        return values | {"icl": values["bic"] - 2.0 * self._certainty(X, sample_weight)}

    def _certainty(self, X: ArrayLike, sample_weight: ArrayLike | None) -> float:
        """Return the weighted sum of the log probabilities of rows' components."""
        if is_collection(X):
            return float(self._summed("_certainty", X, sample_weight))
        resp = self.predict_proba(X)
        return sum_certainty(resp.max(axis=1), check_sample_weight(sample_weight, len(resp)))

    def _lazily(self, method: str, X: Any) -> Any:
        """Return a method's answers for a Dask collection as another one."""
        return answer_lazily(self, method, X)

    def _summed(self, method: str, X: Any, sample_weight: Any) -> Any:
        """Return the sum of what a method returns for the partitions of a Dask collection."""
        return sum_partitions(self, method, X, sample_weight)

    def bic(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Bayesian information criterion (Schwarz 1978); lower is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), default=None
            The number of rows is the sum of weights.

        Returns
        -------
        bic : float
            ``-2 log L + n_parameters log n``.
        """
        return self._criteria(X, sample_weight)["bic"]

    def aic(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Akaike information criterion (Akaike 1974); lower is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        aic : float
            ``-2 log L + 2 n_parameters``.
        """
        return self._criteria(X, sample_weight)["aic"]

    def icl(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Integrated completed likelihood (Biernacki, Celeux & Govaert 2000); lower is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        icl : float
            ``bic - 2 sum_n w_n log max_k resp_nk``: BIC and a penalty for rows that lie between
            components.
        """
        return self._all_criteria(X, sample_weight)["icl"]


def narrow_to(values: Floats, dtype: np.dtype[Any]) -> Floats:
    """Return values in a dtype; one too low for it becomes the lowest that it has, not -inf."""
    limits = np.finfo(dtype)
    return np.clip(values, limits.min, limits.max, out=values).astype(dtype, copy=False)
