"""Models that a detector asks: mixtures, choices, pipelines, autoencoders, frozen ones."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from skem.mixture._base import BaseMixture
from skem.mixture._completing import completed_log_density

__all__ = ["density_of_samples", "explainer_of", "fit_clone", "log_density"]

Array: TypeAlias = NDArray[np.float64]


def fit_clone(estimator: Any, X: ArrayLike, y: object, weights: ArrayLike | None) -> Any:
    """Fit a clone, to weighted rows if there are weights; a frozen one is left as it is.

    Raises
    ------
    ValueError
        If there are weights and the estimator takes none.
    """
    model = clone(estimator)
    if weights is None or isinstance(model, FrozenEstimator):
        return model.fit(X, y)
    last, prefix = model, ""
    if isinstance(model, Pipeline):
        last, prefix = model.steps[-1][1], f"{model.steps[-1][0]}__"
    if not has_fit_parameter(last, "sample_weight"):
        raise ValueError(
            f"sample_weight was given, but the estimator {last!r} takes none: leave it out"
        )
    return model.fit(X, y, **{f"{prefix}sample_weight": weights})


def _last_step(model: Any) -> Any:
    """Return what gives densities: the end of a pipeline, what is frozen, the best of many fits."""
    if isinstance(model, FrozenEstimator):
        return _last_step(model.estimator)
    if isinstance(model, Pipeline):
        return _last_step(model.steps[-1][1])
    return getattr(model, "best_estimator_", model)


def _before_last_step(model: Any, X: ArrayLike) -> ArrayLike:
    """Return rows as the last step sees them."""
    if isinstance(model, FrozenEstimator):
        return _before_last_step(model.estimator, X)
    if isinstance(model, Pipeline):
        rows = model[:-1].transform(X) if len(model.steps) > 1 else X
        return _before_last_step(model.steps[-1][1], rows)
    return X


def explainer_of(model: Any) -> Any:
    """Return the mixture that can explain the table's own columns, or None."""
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    return model if hasattr(model, "explain_density") else None


def log_density(model: Any, X: ArrayLike) -> Array:
    """Return rows' log densities; those of a mixture's rows with gaps as if they were complete."""
    mixture = _last_step(model)
    if not isinstance(mixture, BaseMixture):
        return np.asarray(model.score_samples(X), dtype=np.float64)
    rows = mixture._check_rows(_before_last_step(model, X))
    return completed_log_density(mixture, rows).astype(np.float64)


def density_of_samples(model: Any, n_samples: int, seed: int) -> Array:
    """Draw rows from a model, and return the log densities that it gives them.

    Raises
    ------
    ValueError
        If it can't draw.
    """
    last = _last_step(model)
    if isinstance(last, BaseMixture):
        return last._log_density(last._draw(n_samples, seed)[0]).astype(np.float64)
    sample = getattr(last, "sample", None)
    if sample is None or "random_state" not in inspect.signature(sample).parameters:
        raise ValueError(
            "contamination='auto' takes its threshold from the model's own samples, but "
            f"{last!r} has no sample(n_samples, random_state=...): give contamination as a float"
        )
    drawn = sample(n_samples, random_state=seed)
    rows = drawn[0] if isinstance(drawn, tuple) else drawn
    with warnings.catch_warnings():
        # Drawn rows have no names of columns, and need none.
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        return np.asarray(last.score_samples(rows), dtype=np.float64)
