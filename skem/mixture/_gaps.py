"""Fits to tables with missing cells: what completes rows before there are parameters."""

from __future__ import annotations

import numpy as np

from skem.engine import Table, Threads, plan_tiles
from skem.families import CategoricalWeights, GaussianFamily, GaussianParameters
from skem.inference import MixtureParameters, Passes, PointRule, batch_em
from skem.inference.initialisation import draw_rows

__all__ = ["single_gaussian"]

# Rows that it is fitted to, and when it is good enough for a start.
_ROWS = 4096
_MAX_ITER, _TOL = 30, 1e-3


def single_gaussian(family: GaussianFamily, table: Table) -> GaussianParameters:
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
