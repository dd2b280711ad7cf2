"""Fits to tables with missing cells: what completes rows before there are parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skem.engine import AnyTable, PartitionedTable, Threads, has_gaps, make_table, plan_tiles
from skem.families import (
    GAUSSIAN_FAMILIES,
    CategoricalWeights,
)
from skem.inference import MixtureParameters, Passes, PointRule, batch_em
from skem.inference.agglomeration import Tree, tree_of
from skem.inference.initialisation import draw_rows
from skem.mixture._units import measure

__all__ = ["asked_once", "never_together", "single_component", "tree_of_seen"]

# Rows that it is fitted to, and when it is good enough for a start.
_ROWS = 4096
_MAX_ITER, _TOL = 30, 1e-3


def single_component(family: Any, table: AnyTable) -> Any:
    """Fit one component to (some of) the rows of a table, by EM over its seen cells.

    Parameters
    ----------
    family : Estimable
        Some `reg_covar` is added where it has none, so that nothing is singular.
    table : Table
        Its missing cells are NaN.

    Returns
    -------
    parameters : Params
        Of one component, in the table's units.
    """
    n_features = table.n_features
    family = family.regularised()
    unit = family.without_rows(1, n_features)
    family = family.with_gaps(lambda: unit)
    sample = draw_rows(table, _ROWS, np.random.RandomState(0))
    plan = plan_tiles(sample.n_rows, n_features, 1, family.n_products(n_features))
    rule = PointRule(CategoricalWeights(), family, family.flat_prior(n_features))
    with Threads(1) as threads:
        run = batch_em(
            Passes(sample, plan, threads),
            rule,
            MixtureParameters(np.ones(1), unit),
            max_iter=_MAX_ITER,
            tol=_TOL,
            after_iteration=lambda *_: False,
        )
    return run.theta.components


def asked_once(make: Callable[[], Any], table: AnyTable) -> Callable[[], Any]:
    """Return a function that returns what ``make`` does, which is called once.

    It is called at once for a table in partitions: what is returned goes where these are.
    """
    return partial(_itself, make()) if isinstance(table, PartitionedTable) else cache(make)


def _itself(component: Any) -> Any:
    return component


def tree_of_seen(X: NDArray[np.floating], weights: NDArray[np.float64] | None) -> Tree:
    """Grow the tree of rows whose missing cells hold what a single Gaussian expects there."""
    if not has_gaps(X):
        return tree_of(X, weights)
    family = GAUSSIAN_FAMILIES["full"](0.0)
    units = measure(X, weights, family, gappy=True)
    table = make_table(X, weights, units.origin, units.scale, gappy=True)
    filling = family.with_gaps(cache(partial(single_component, family, table)))

    def fill(rows: NDArray[np.floating]) -> NDArray[np.floating]:
        filled = filling.fill((rows - units.origin) / units.scale) * units.scale + units.origin
        return np.where(np.isnan(rows), filled, rows)

    return tree_of(X, weights, fill)


def never_together(family: Any, table: AnyTable, names: Sequence[Any]) -> list[str]:
    """Warn of columns no row has both of, where the family has a covariance for them."""
    if not table.has_gaps:
        return []
    seen = table.pairs_seen()
    pairs = np.argwhere(np.triu(family.related_columns(len(seen)) & ~seen))
    if not len(pairs):
        return []
    named = [(names[i], names[j]) for i, j in pairs]
    return [
        f"No row of X has values in both columns of the pair(s) {named}: the rows do not "
        "determine the covariances of these columns within a component, which are left from the "
        "start or the prior. Use covariance_type='diag', or drop one column of each pair."
    ]
