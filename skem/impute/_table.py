"""Tables as the imputer reads them: of numbers, or of columns of every kind."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import get_tags

from skem._collections import check_in_memory
from skem._parameters import check_rows
from skem._tables import without_mask
from skem.columns import RawColumn, has_categories, library_of
from skem.mixture._layout import read_table

__all__ = ["Table", "check_empty", "read", "reads_text"]

Mask: TypeAlias = NDArray[np.bool_]


class Table(NamedTuple):
    """A checked table.

    Attributes
    ----------
    X : ndarray or frame of shape (n_rows, n_columns)
        What a mixture is given.
    missing : ndarray of shape (n_rows, n_columns)
        Which cells are.
    raw : list of RawColumn or None
        The columns. None: X is an array of numbers.
    """

    X: Any
    missing: Mask
    raw: list[RawColumn] | None = None

    @property
    def gaps(self) -> NDArray[np.float64]:
        """NaN where a cell is missing, else 0."""
        return np.where(self.missing, np.nan, 0.0)


def reads_text(mixture: Any) -> bool:
    """Say whether a mixture takes columns that are not numbers."""
    return hasattr(mixture, "__sklearn_tags__") and bool(get_tags(mixture).input_tags.string)


def read(imputer: Any, X: Any, *, reset: bool) -> Table:
    """Check a table.

    It is read as one of numbers, unless the imputer's mixture, or at `fit` the table, says
    otherwise.
    """
    name = type(imputer).__name__
    check_in_memory(X, name, "Fill the cells of a collection by a fitted mixture's impute")
    X = without_mask(X)
    if not reset:
        every_kind = imputer._of_every_kind
    elif imputer.estimator is None:
        every_kind = has_categories(X)
    else:
        every_kind = reads_text(imputer.estimator)
    if not every_kind:
        rows = check_rows(X, imputer, reset=reset)
        return Table(rows, np.isnan(rows))
    numbers, raw = read_table(imputer, X, reset=reset)
    missing = np.column_stack([column.missing for column in raw])
    return Table(numbers if library_of(X) == "numpy" and numbers is not None else X, missing, raw)


def check_empty(table: Table, seen: Mask, mixture: Any, names: NDArray[Any], *, keep: bool) -> None:
    """Raise ValueError for columns without any value that can be neither dropped nor kept."""
    if table.raw is None:
        return
    if isinstance(getattr(mixture, "columns", None), list | tuple):
        raise ValueError(
            f"Column(s) {names[~seen].tolist()} of X have no value at all: drop them from X and "
            "from 'columns' of the estimator"
        )
    empty = [column for column, has_values in zip(table.raw, seen, strict=True) if not has_values]
    unfit = [column for column in empty if column.numbers is None and column.dtype != "object"]
    if keep and unfit:
        raise ValueError(
            f"keep_empty_features=True fills columns without any value with zeros, which column "
            f"{unfit[0].name!r} of dtype {unfit[0].dtype} can't hold: drop it from X, or set "
            "keep_empty_features=False"
        )
