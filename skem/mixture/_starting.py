"""Where a fit of a mixture starts: by its `init_params`, or from what was fitted before."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem._parameters import check_shape
from skem.engine import AnyTable, seen_moments
from skem.inference import (
    SEARCH,
    MixtureParameters,
    MixturePosterior,
    Passes,
    Start,
    Tree,
    find_start,
)
from skem.inference.initialisation import draw_rows
from skem.mixture._problem import EstimatorKind, FitProblem
from skem.mixture._protocols import MixtureSettings
from skem.mixture._units import check_enough_rows

__all__ = ["go_on", "start"]

# Rows by which features are standardised.
_MEASURED_ROWS = 4096

Array: TypeAlias = NDArray[np.float64]
Kind: TypeAlias = EstimatorKind[Any, Any]


def start(
    kind: Kind,
    estimator: MixtureSettings,
    problem: FitProblem,
    passes: Passes,
    rng: np.random.RandomState,
    automatic: str,
) -> MixtureParameters | MixturePosterior:
    """Return where a new fit starts; ``init_params='auto'`` stands for ``automatic``."""
    table, units, k = problem.table, problem.units, estimator.n_components
    check_enough_rows(table, k)
    theta = None
    method = kind.start_method(estimator)
    if method is not None:
        if isinstance(method, str):
            method = automatic if method == SEARCH else method
        elif not isinstance(method, Tree):
            columns = k + bool(estimator.noise)
            method = _check_responsibilities(method, len(table.X), columns)
        mean, spread = units.origin, units.column_scale
        by_features = problem.family.maker is not None
        if by_features:
            mean, spread = _feature_units(table)
        how = Start(method, k, rng, table, mean, spread, problem.family.fill, by_features)
        theta = find_start(passes, problem.rule, how)
    result: MixtureParameters | MixturePosterior = kind.complete(estimator, problem, theta)
    return result


def _feature_units(table: AnyTable) -> tuple[Array, Array]:
    """Return the means and deviations of (some) rows' features."""
    some = draw_rows(table, _MEASURED_ROWS, np.random.RandomState(0))
    assert some.features is not None
    mean, spread, _ = seen_moments(some.features, some.weights)
    return np.where(np.isnan(mean), 0.0, mean), np.where(spread > 0, spread, 1.0)


def go_on(
    kind: Kind, estimator: MixtureSettings, problem: FitProblem
) -> MixtureParameters | MixturePosterior:
    """Start from what was fitted before."""
    fitted = kind.shape(estimator)
    asked = (estimator.n_components, problem.table.X.shape[1])
    theta = kind.read(estimator, problem.family)
    if fitted != asked:
        raise ValueError(
            f"The fitted means have the shape {fitted}, but n_components={asked[0]} and the "
            f"{asked[1]} features of X ask for {asked}: a fit that goes on (warm_start=True, "
            "partial_fit) can't change them. Fit a new estimator, or set warm_start=False"
        )
    units = problem.units
    result: MixtureParameters | MixturePosterior = kind.to_table(
        problem.family, theta, units.origin, units.scale
    )
    return result


def _check_responsibilities(resp: Any, n_rows: int, n_components: int) -> Array:
    resp = check_shape("init_params", resp, (n_rows, n_components))
    if resp.min() < 0 or np.abs(resp.sum(axis=1) - 1).max() > 1e-6:
        raise ValueError(
            "The parameter 'init_params' should have non-negative rows that sum to one where it "
            "is an array of responsibilities"
        )
    return resp
