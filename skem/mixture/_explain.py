"""Which cells make a row odd: densities of single cells, by themselves and beside the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._collections import check_in_memory
from skem.mixture._impute import impute
from skem.mixture._summary import column_names

__all__ = ["explain_density", "fill_by_mode"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


def explain_density(mixture: Any, X: ArrayLike) -> Any:
    """Compare each row's log density with those of its parts; for `explain_density` of mixtures."""
    check_in_memory(X, "explain_density", "Give it the rows that are to be explained")
    rows = mixture._check_rows(X).astype(np.float64, copy=False)
    whole = mixture._log_density(rows)
    values = {name: np.full(rows.shape, np.nan) for name in ("alone", "given_rest", "expected")}
    for j in range(rows.shape[1]):
        seen = ~np.isnan(rows[:, j])
        alone, rest = np.full(rows.shape, np.nan), rows.copy()
        alone[:, j], rest[:, j] = rows[:, j], np.nan
        values["alone"][seen, j] = -mixture._log_density(alone)[seen]
        values["given_rest"][seen, j] = (mixture._log_density(rest) - whole)[seen]
        values["expected"][:, j] = fill_by_mode(mixture, rest)[:, j]
    return _as_frame(values, column_names(mixture, rows.shape[1]), X)


def fill_by_mode(mixture: Any, rows: Floats) -> Floats:
    """Fill the gaps of checked rows with what their most probable components expect."""
    return impute(mixture, rows, "mode", 1, "fixed", 0)


def _as_frame(values: Mapping[str, Array], columns: Sequence[str], X: Any) -> Any:
    """Return arrays of one shape as one frame, whose columns are pairs (name, column)."""
    import pandas as pd

    index = X.index if isinstance(X, pd.DataFrame) else None
    frames = {
        name: pd.DataFrame(array, columns=list(columns), index=index)
        for name, array in values.items()
    }
    return pd.concat(frames, axis=1)
