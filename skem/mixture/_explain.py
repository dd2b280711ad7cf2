"""Which cells make a row odd: densities of single cells, by themselves and beside the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._collections import check_in_memory
from skem.mixture._impute import impute
from skem.mixture._summary import column_names

__all__ = ["as_explanation", "explain_cells", "explain_density", "fill_by_mode"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


def explain_density(mixture: Any, X: ArrayLike) -> Any:
    """Explain rows; see `GaussianMixtureMethods.explain_density`."""
    check_in_memory(X, "explain_density", "Give it the rows that are to be explained")
    rows = mixture._check_rows(X).astype(np.float64, copy=False)
    cells = explain_cells(mixture, rows, partial(fill_by_mode, mixture))
    values = {name: array.T for name, array in cells.items()}
    return as_explanation(values, column_names(mixture, rows.shape[1]), X)


def explain_cells(mixture: Any, rows: Array, fill: Callable[[Array], Floats]) -> dict[str, Array]:
    """Compare each row's log density with those of its parts.

    Parameters
    ----------
    mixture : BaseMixture
    rows : ndarray of shape (n_rows, n_features)
        Checked rows.
    fill : callable
        Fills their gaps.

    Returns
    -------
    values : dict of ndarray of shape (n_rows, n_features)
        What is said of each cell: 'alone', 'given_rest', 'expected'.
    """
    whole = mixture._log_density(rows)
    values = {name: np.full(rows.shape, np.nan) for name in ("alone", "given_rest", "expected")}
    for j in range(rows.shape[1]):
        seen = ~np.isnan(rows[:, j])
        alone, rest = np.full(rows.shape, np.nan), rows.copy()
        alone[:, j], rest[:, j] = rows[:, j], np.nan
        values["alone"][seen, j] = -mixture._log_density(alone)[seen]
        values["given_rest"][seen, j] = (mixture._log_density(rest) - whole)[seen]
        values["expected"][:, j] = fill(rest)[:, j]
    return values


def fill_by_mode(mixture: Any, rows: Floats) -> Floats:
    """Fill the gaps of checked rows with what their most probable components expect."""
    return impute(mixture, rows, "mode", 1, "fixed", 0)


def as_explanation(
    values: Mapping[str, Iterable[NDArray[Any]]], columns: Sequence[Any], X: Any
) -> Any:
    """Return what is said of columns' cells as one frame, whose columns are pairs (name, column).

    Parameters
    ----------
    values : mapping
        An array of shape (n_rows,) for each column.
    columns : sequence
        Their names.
    X : object
        If it is a pandas frame, its index is that of the result.
    """
    import pandas as pd

    index = X.index if isinstance(X, pd.DataFrame) else None
    frames = {}
    for name, cells in values.items():
        frame = pd.DataFrame(dict(enumerate(cells)), index=index)
        frames[name] = frame.set_axis(list(columns), axis=1)
    return pd.concat(frames, axis=1)
