"""Log densities of rows with gaps, which can be compared with those of complete rows."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.inference import ComputeResponsibilities
from skem.mixture._base import BaseMixture
from skem.mixture._block_impute import impute_blocks
from skem.mixture._block_methods import BlockMixtureMethods
from skem.mixture._explain import fill_by_mode

__all__ = ["completed_log_density"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

_DRAWS = 50


def completed_log_density(mixture: BaseMixture, X: Floats) -> Floats:
    """Return log densities that rows with gaps can be compared with complete ones by.

    The density of fewer cells is another one, in other units: with more gaps it would be higher or
    lower whatever the cells hold. So a row with gaps gets the log density that it is expected to
    have once it is complete, given its seen cells. For a Gaussian that is the density with
    conditional means in the gaps, less half a nat for each of them; of a mixture, the row's most
    probable component is taken for certain. For blocks of columns of other kinds, it is the mean
    over some completed rows that are drawn, always with the same random numbers.

    Parameters
    ----------
    mixture : BaseMixture
        Fitted.
    X : ndarray of shape (n_rows, n_features)
        Checked rows.

    Returns
    -------
    log_density : ndarray of shape (n_rows,)
    """
    gaps = np.isnan(X).sum(axis=1)
    holed = np.flatnonzero(gaps)
    if not len(holed):
        return mixture._log_density(X)
    if not isinstance(mixture, BlockMixtureMethods):
        filled = X.copy()
        filled[holed] = fill_by_mode(mixture, X[holed])
        completed = mixture._log_density(filled)
        return completed - (0.5 * gaps).astype(completed.dtype)
    log_density: Floats = mixture._log_density(X)
    log_density[holed] = _mean_over_draws(mixture, X[holed])
    return log_density


def _mean_over_draws(mixture: BlockMixtureMethods, X: Floats) -> Array:
    rng = np.random.RandomState(0)
    ask = partial(ComputeResponsibilities, dtype=X.dtype)
    resp = mixture._evaluate(X, mixture._kind.assigner, ask)[0]
    total = np.zeros(len(X))
    for _ in range(_DRAWS):
        total += mixture._log_density(impute_blocks(mixture, X, resp, "draw", rng))
    return total / _DRAWS
