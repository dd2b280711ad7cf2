"""Which cells make a row odd: densities of single cells, by themselves and beside the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem.mixture._impute import impute
from skem.mixture._summary import column_names

__all__ = ["Explained", "completed_log_density"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


class Explained:
    """A mixture whose log densities are looked at cell by cell."""

    @abstractmethod
    def _check_rows(self, X: ArrayLike) -> Floats:
        """Return checked rows."""

    @abstractmethod
    def _log_density(self, rows: Floats) -> Floats:
        """Return the log density of checked rows."""

    def explain_density(self, X: ArrayLike) -> Any:
        """Say which cells make a row probable or odd, and what would have been expected there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Missing cells are NaN.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_samples, 3 n_features)
            With the rows' index, if X is a frame. ``frame["alone"]``, ``frame["given_rest"]`` and
            ``frame["expected"]`` are frames with a column for each column of X:

            - 'alone': ``-log p(x_j)``, of the cell by itself;
            - 'given_rest': ``-log p(x_j | the row's other seen cells)``. A cell may be usual by
              itself and odd beside the others; the values of a row do not add up to its log
              density;
            - 'expected': the cell's mean given the row's other seen cells, in the component that
              is the most probable by them; of missing cells, too, whose first two values are NaN.

        Notes
        -----
        Both values are marginals and ratios of marginals of the mixture itself, in nats, per unit
        of the column: of columns in other units they differ by a constant. To compare columns,
        take from each its median over many rows. The ratio is a difference of two log densities,
        so its error is about 1e-15 of the row's log density.

        Examples
        --------
        >>> import numpy as np
        >>> from skem import EMGaussianMixture
        >>> X = np.array([[1.0, 2.1], [2.0, 3.9], [3.0, 6.0], [4.0, 8.1], [5.0, 9.9]])
        >>> explained = EMGaussianMixture().fit(X).explain_density([[4.0, 2.0]])
        >>> explained["expected"].round(1).to_numpy()
        array([[0.9, 8. ]])
        """
        rows = self._check_rows(X).astype(np.float64, copy=False)
        whole = self._log_density(rows)
        values = {name: np.full(rows.shape, np.nan) for name in ("alone", "given_rest", "expected")}
        for j in range(rows.shape[1]):
            seen = ~np.isnan(rows[:, j])
            alone, rest = np.full(rows.shape, np.nan), rows.copy()
            alone[:, j], rest[:, j] = rows[:, j], np.nan
            values["alone"][seen, j] = -self._log_density(alone)[seen]
            values["given_rest"][seen, j] = (self._log_density(rest) - whole)[seen]
            values["expected"][:, j] = _fill(self, rest)[:, j]
        names = column_names(self, rows.shape[1])
        return _as_frame(values, names, X)


def completed_log_density(mixture: Any, X: Floats) -> Floats:
    """Return log densities that rows with gaps can be compared with complete ones by.

    The density of fewer cells is another one, in other units: with more gaps it would be higher or
    lower whatever the cells hold. So a gap is filled with what the row's most probable component
    expects there, and each gap costs half a nat: of a Gaussian that is the log density that the
    complete row is expected to have, given the seen cells.

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
    if not gaps.any():
        log_density: Floats = mixture._log_density(X)
        return log_density
    filled = X.copy()
    holed = np.flatnonzero(gaps)
    filled[holed] = _fill(mixture, X[holed])
    completed: Floats = mixture._log_density(filled)
    return completed - (0.5 * gaps).astype(completed.dtype)


def _fill(mixture: Any, rows: Floats) -> Floats:
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
