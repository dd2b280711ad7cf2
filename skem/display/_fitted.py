"""What MixtureDisplay takes from fitted estimators."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mixture_of", "with_rows"]

_NEEDED = ("weights_", "means_", "covariances_", "covariance_type", "predict")


def mixture_of(estimator: Any) -> Any:
    """Return the fitted mixture itself, of a choice the best one, or say what to pass instead."""
    found = getattr(estimator, "best_estimator_", estimator)
    missing = [name for name in _NEEDED if not hasattr(found, name)]
    if not missing:
        return found
    advice = ""
    if hasattr(found, "steps"):
        steps = "search.best_estimator_" if found is not estimator else "pipeline"
        advice = (
            f" Of a pipeline, pass the last step, `{steps}[-1]`, and the rows that reach it, "
            f"`{steps}[:-1].transform(X)`."
        )
    elif getattr(found, "refit", True) is False:
        advice = " With refit=False there is no best_estimator_: set refit=True and fit again."
    raise TypeError(
        "estimator must be a fitted Gaussian mixture or a choice among such, got "
        f"{type(found).__name__}, which has no {', '.join(missing)}.{advice}"
    )


def with_rows(estimator: Any, labels: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Say which components have rows: more than 1 / K of a row, where that is known."""
    weights = np.asarray(estimator.weights_)
    counts = getattr(estimator, "expected_counts_", None)
    if counts is not None:
        return np.asarray(counts) >= 1.0 / len(weights)
    if labels is not None and hasattr(estimator, "weight_concentration_"):
        return np.bincount(labels[labels >= 0], minlength=len(weights)) > 0
    return weights > 0
