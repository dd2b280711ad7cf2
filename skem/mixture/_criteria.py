"""What mixtures are compared by: log-likelihoods, parameters and information criteria."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "count_parameters",
    "criteria_of_rows",
    "information_criteria",
    "sum_certainty",
    "sum_log_density",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


def sum_log_density(log_density: Floats, weights: Array | None) -> tuple[float, float]:
    """Return the weighted sum of log densities, (n_rows,), and the sum of weights."""
    values = log_density.astype(np.float64)
    if weights is None:
        return float(values.sum()), float(len(values))
    return float(weights @ values), float(weights.sum())


def sum_certainty(largest: Floats, weights: Array | None) -> float:
    """Return the weighted sum of the logarithms of rows' largest responsibilities."""
    certainty = np.log(largest.astype(np.float64))
    return float(certainty.sum() if weights is None else weights @ certainty)


def information_criteria(log_likelihood: float, n: float, n_parameters: int) -> dict[str, float]:
    """Return what one pass over rows of total weight ``n`` tells: log-likelihood, BIC and AIC."""
    return {
        "log_likelihood": log_likelihood,
        "bic": -2.0 * log_likelihood + n_parameters * float(np.log(n)),
        "aic": -2.0 * log_likelihood + 2.0 * n_parameters,
    }


def criteria_of_rows(mixture: Any, rows: Floats, weights: Array | None) -> dict[str, float]:
    """Return log-likelihood, BIC, AIC and ICL of rows that a point estimate has checked."""
    log_density, largest = mixture._certainty_of_rows(rows)
    log_likelihood, n = sum_log_density(log_density, weights)
    values = information_criteria(log_likelihood, n, mixture.n_parameters())
    return values | {"icl": values["bic"] - 2.0 * sum_certainty(largest, weights)}


def count_parameters(mixture: Any, n_components: int, n_noise: int, n_features: int) -> int:
    """Count the free parameters of a mixture, fitted or not; ``n_noise`` is 1 with noise."""
    kind = mixture._kind
    weights: int = kind.weights(mixture).n_parameters(n_components + n_noise)
    components: int = kind.family(mixture).n_parameters(n_components, n_features)
    return weights + components
