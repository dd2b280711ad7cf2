"""What rows are asked of known parameters: log densities, assignments, responsibilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skem.engine import (
    Task,
    Threads,
    count_threads,
    has_gaps,
    make_table,
    plan_tiles,
    sum_seen,
)
from skem.families import GaussianFamily
from skem.mixture._reading import Reader
from skem.scoring import Scores

__all__ = ["evaluate"]


def evaluate(
    estimator: Any,
    kind: Reader[Any, Any],
    family: GaussianFamily,
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
    family : GaussianFamily
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
    n_features = X.shape[1]
    gappy = has_gaps(X)
    if gappy:
        family = family.with_gaps(family.without_rows(1, n_features))
    weights = np.asarray(estimator.weights_, dtype=np.float64)
    # About one of the means: where all agree, the origin is theirs to the last bit.
    means = theta.components.means
    origin = means[0] + np.average(means - means[0], axis=0, weights=weights)
    scale = family.typical_scale(weights, theta.components)
    scorer = make(estimator, family, kind.to_table(family, theta, origin, scale))
    n_products = family.n_products(n_features)
    plan = plan_tiles(len(X), n_features, len(weights), n_products, estimator.block_size)
    with Threads(count_threads(estimator.n_jobs)) as threads:
        table = make_table(X, None, origin, scale, gappy=gappy)
        answer = threads.fold(ask(scorer), table, plan)
    log_scale = np.log(scale)
    return answer, -(sum_seen(X, log_scale) if gappy else log_scale.sum())
