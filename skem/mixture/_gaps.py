"""Fits to tables with missing cells: what completes rows before there are parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skem.engine import AnyTable, Threads, has_gaps, make_table, plan_tiles
from skem.families import (
    GAUSSIAN_FAMILIES,
    CategoricalWeights,
    GaussianFamily,
    GaussianParameters,
)
from skem.inference import MixtureParameters, Passes, PointRule, batch_em
from skem.inference.agglomeration import Tree, tree_of
from skem.inference.initialisation import draw_rows
from skem.mixture._units import measure

__all__ = ["never_together", "single_gaussian", "tree_of_seen"]

# Rows that it is fitted to, and when it is good enough for a start.
_ROWS = 4096
_MAX_ITER, _TOL = 30, 1e-3


def single_gaussian(family: GaussianFamily, table: AnyTable) -> GaussianParameters:
    """Fit one component to (some of) the rows of a table, by EM over its seen cells.

    Parameters
    ----------
    family : GaussianFamily
        Some `reg_covar` is added where it has none, so that nothing is singular.
    table : Table
        Its missing cells are NaN.

    Returns
    -------
    parameters : GaussianParameters
        Of one component, in the table's units.
    """
    n_features = table.n_features
    family = type(family)(max(family.reg_covar, 1e-6))
    unit = family.without_rows(1, n_features)
    family = family.with_gaps(unit)
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
    components = run.theta.components
    assert isinstance(components, GaussianParameters)
    return components


def tree_of_seen(X: NDArray[np.floating], weights: NDArray[np.float64] | None) -> Tree:
    """Grow the tree of rows whose missing cells hold what a single Gaussian expects there."""
    if not has_gaps(X):
        return tree_of(X, weights)
    family = GAUSSIAN_FAMILIES["full"](0.0)
    units = measure(X, weights, family)
    table = make_table(X, weights, units.origin, units.scale)
    filling = family.with_gaps(single_gaussian(family, table))

    def fill(rows: NDArray[np.floating]) -> NDArray[np.floating]:
        filled = filling.fill((rows - units.origin) / units.scale) * units.scale + units.origin
        return np.where(np.isnan(rows), filled, rows)

    return tree_of(X, weights, fill)


def never_together(
    family: GaussianFamily, table: AnyTable, names: NDArray[np.generic] | None
) -> list[str]:
    """Warn of columns no row has both of, where the family has a covariance for them."""
    if not family.relates_columns():
        return []
    pairs = np.argwhere(np.triu(~table.pairs_seen()))
    if not len(pairs):
        return []
    named = [tuple((pair if names is None else names[pair]).tolist()) for pair in pairs]
    return [
        f"No row of X has values in both columns of the pair(s) {named}: the rows do not "
        "determine the covariances of these columns within a component, which are left from the "
        "start or the prior. Use covariance_type='diag', or drop one column of each pair."
    ]
