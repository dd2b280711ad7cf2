"""What rows are asked of known parameters: log densities, assignments, responsibilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skem.engine import (
    GappyTable,
    Task,
    Threads,
    count_threads,
    has_gaps,
    make_block_table,
    plan_tiles,
    sum_seen,
)
from skem.mixture._noise import n_noise
from skem.mixture._reading import Reader
from skem.scoring import Scores

__all__ = ["evaluate"]


def evaluate(
    estimator: Any,
    kind: Reader[Any, Any],
    family: Any,
    theta: Any,
    X: NDArray[np.floating],
    make: Callable[..., Scores],
    ask: Callable[[Scores], Task[Any, Any]],
) -> tuple[Any, Any]:
    """Ask for something of rows that are scored by what ``make(estimator, family, theta)`` returns.

    Parameters
    ----------
    estimator : BaseMixture
        Its weights, threads and blocks count.
    kind : Reader
    family : Estimable
    theta : MixtureParameters or MixturePosterior
        In the user's units.
    X : ndarray of shape (n_rows, n_features)
    make, ask : callable

    Returns
    -------
    answer : Any
        What the task ``ask(scorer)`` makes of all rows.
    offset : float or ndarray of shape (n_rows,)
        What to add to log densities for the user's units, in nats.
    """
    gappy = has_gaps(X)
    family = family.for_rows(X, gappy=gappy)
    weights = np.asarray(estimator.weights_, dtype=np.float64)
    origin, scale = family.typical_units(weights, theta.components)
    n_components = len(weights) + n_noise(estimator)
    if n_noise(estimator):
        family = family.in_units(scale)
    scorer = make(estimator, family, kind.to_table(family, theta, origin, scale))
    with Threads(count_threads(estimator.n_jobs)) as threads:
        table = make_block_table(X, None, origin, scale, family.maker, gappy=gappy)
        d = table.n_features
        plan = plan_tiles(len(X), d, n_components, family.n_products(d), estimator.block_size)
        answer = threads.fold(ask(scorer), table, plan)
    log_scale = np.log(scale)
    return answer, -(sum_seen(X, log_scale) if isinstance(table, GappyTable) else log_scale.sum())
