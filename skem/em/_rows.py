"""Rows of frames, arrays, and tuples of both, cut into blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skem.em._statistics import describe

__all__ = ["Blocks", "as_rows", "count_rows", "cut", "take"]

# A block's temporary arrays, with as many columns again for each of some components, should stay
# in the caches, and one call of a model takes Python some 0.1 ms.
_VALUES = 1_000_000
_MOST_ROWS, _FEWEST_ROWS = 8192, 256


def as_rows(X: Any) -> Any:
    """Return X with lists turned into arrays.

    Raises
    ------
    TypeError
        If something has no rows, or is a list of arrays.
    ValueError
        If there are no rows, or the parts of a tuple differ in their number.
    """
    if not isinstance(X, tuple):
        return _one(X, "X")
    if not X:
        raise ValueError("X is an empty tuple: it has no rows")
    parts = [_one(part, f"X[{i}]") for i, part in enumerate(X)]
    counts = [count_rows(part) for part in parts]
    if len(set(counts)) > 1:
        raise ValueError(f"The parts of X must have equally many rows, but have {counts}")
    return _like(X, parts)


def _one(X: Any, name: str) -> Any:
    if isinstance(X, list):
        if any(np.ndim(row) > 0 and hasattr(row, "shape") for row in X):
            raise TypeError(
                f"{name} is a list of arrays. Give a tuple for arrays side by side that have the "
                "same rows, or stack them into one array"
            )
        X = np.asarray(X)
    sliced = hasattr(X, "iloc") or hasattr(X, "slice") or hasattr(X, "__getitem__")
    if isinstance(X, str | dict) or not sliced or not _has_length(X):
        raise TypeError(
            f"{name} must be an array or a frame, whose rows can be counted and sliced, or X a "
            f"tuple of them. Got {describe(X)}"
        )
    if count_rows(X) == 0:
        raise ValueError(f"{name} has no rows")
    return X


def _has_length(X: Any) -> bool:
    shape = getattr(X, "shape", None)
    return hasattr(X, "__len__") if shape is None else len(shape) > 0


def count_rows(X: Any) -> int:
    """Return the number of rows."""
    if isinstance(X, tuple):
        return count_rows(X[0])
    shape = getattr(X, "shape", None)
    return len(X) if shape is None else int(shape[0])


def _like(X: tuple[Any, ...], parts: list[Any]) -> Any:
    """Return a tuple of X's own type, which may be a named one."""
    return getattr(type(X), "_make", tuple)(parts)


def cut(X: Any, start: int, stop: int) -> Any:
    """Return some rows as what X is: a frame, an array or a tuple; copied only by a frame."""
    if isinstance(X, tuple):
        return _like(X, [cut(part, start, stop) for part in X])
    if hasattr(X, "iloc"):
        return X.iloc[start:stop]
    if hasattr(X, "slice"):  # polars, Arrow
        return X.slice(start, stop - start)
    return X[start:stop]


def take(X: Any, rows: NDArray[np.intp]) -> Any:
    """Return chosen rows as what X is."""
    if isinstance(X, tuple):
        return _like(X, [take(part, rows) for part in X])
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if type(X).__module__.startswith("pyarrow"):
        return X.take(rows)
    return X[rows]


def _count_columns(X: Any) -> int:
    if isinstance(X, tuple):
        return sum(_count_columns(part) for part in X)
    return max(1, int(np.prod(getattr(X, "shape", (1,))[1:])))


@dataclass(frozen=True)
class Blocks:
    """The cut of rows into blocks; it knows nothing of threads.

    Parameters
    ----------
    X : array, frame or tuple of them
    weight : ndarray of shape (n_rows,)
    block_size : int, default=None
        Rows of a block; the last has what is left. None: as many as make a million values, but
        256 to 8192.
    numbers : ndarray of shape (n_rows,), default=None
        What the caller calls the rows. None: 0, 1, 2, ...
    """

    X: Any
    weight: NDArray[np.float64]
    block_size: int | None = None
    numbers: NDArray[np.intp] | None = None

    @cached_property
    def size(self) -> int:
        """Number of rows of a block."""
        if self.block_size is not None:
            return self.block_size
        return max(_FEWEST_ROWS, min(_MOST_ROWS, _VALUES // _count_columns(self.X)))

    def __len__(self) -> int:
        return -(-len(self.weight) // self.size)

    def _limits(self, number: int) -> tuple[int, int]:
        start = number * self.size
        return start, min(start + self.size, len(self.weight))

    def __getitem__(self, number: int) -> tuple[Any, NDArray[np.float64]]:
        start, stop = self._limits(number)
        return cut(self.X, start, stop), self.weight[start:stop]

    def where(self, number: int) -> str:
        """Say in words which rows a block has."""
        first, stop = self._limits(number)
        last = stop - 1
        if self.numbers is not None:
            first, last = int(self.numbers[first]), int(self.numbers[last])
        return f"rows {first} to {last}"
