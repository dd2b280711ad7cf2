"""Responsibilities that a start gives its rows, whole tables of them or made as they are asked for.

Each is what `skem.inference.tasks.RowShares` states.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["GivenShares", "OneForAll", "RandomShares", "WholeRows"]

Array: TypeAlias = NDArray[np.float64]

# Rows whose random numbers are skipped at a time.
_SKIPPED_ROWS = 4096


@dataclass(frozen=True)
class GivenShares:
    """Responsibilities that are an array of shape (n_rows, n_components)."""

    resp: Array

    def rows(self, index: slice | NDArray[np.intp]) -> Array:
        """Return some of them."""
        result: Array = self.resp[index]
        return result

    def part(self, start: int, stop: int) -> GivenShares:
        """Return those of the rows from ``start`` to ``stop``."""
        return GivenShares(self.resp[start:stop])


@dataclass(frozen=True)
class OneForAll:
    """One component, which has all rows."""

    def rows(self, index: slice | NDArray[np.intp]) -> Array:
        """Return ones."""
        n_rows = index.stop - index.start if isinstance(index, slice) else len(index)
        return np.ones((n_rows, 1))

    def part(self, start: int, stop: int) -> OneForAll:
        """Return the same: every row has it."""
        return self


@dataclass(frozen=True)
class WholeRows:
    """Rows that are wholly one component's; the others are nobody's.

    Parameters
    ----------
    index : ndarray of shape (n_given,), intp
        The rows, in ascending order.
    components : ndarray of shape (n_given,), intp
    n_components : int
    """

    index: NDArray[np.intp]
    components: NDArray[np.intp]
    n_components: int

    def rows(self, index: slice | NDArray[np.intp]) -> Array:
        """Return responsibilities of 0 and 1."""
        if isinstance(index, slice):
            first, last = np.searchsorted(self.index, [index.start, index.stop])
            resp = np.zeros((index.stop - index.start, self.n_components))
            resp[self.index[first:last] - index.start, self.components[first:last]] = 1.0
            return resp
        order = np.argsort(index)
        places = np.searchsorted(index, self.index, sorter=order)
        places = order[np.minimum(places, len(index) - 1)]
        given = index[places] == self.index
        resp = np.zeros((len(index), self.n_components))
        resp[places[given], self.components[given]] = 1.0
        return resp

    def part(self, start: int, stop: int) -> WholeRows:
        """Return those of the rows from ``start`` to ``stop``."""
        first, last = np.searchsorted(self.index, [start, stop])
        return replace(
            self, index=self.index[first:last] - start, components=self.components[first:last]
        )


@dataclass
class RandomShares:
    """Responsibilities drawn at random, a number for each row and component in their order.

    Which numbers a row gets depends on its place in the table alone. Rows that are asked for side
    by side are drawn as they are asked for, fastest in their order. For rows from all over, as a
    table with gaps asks for them, those of the whole table are drawn once and kept.

    Parameters
    ----------
    rng : numpy.random.RandomState
        Its state when the first row is drawn; asking for rows goes on with it.
    n_components : int
    n_rows : int
        Of the whole table.
    """

    rng: np.random.RandomState
    n_components: int
    n_rows: int
    _drawn: Array | None = field(init=False, default=None, repr=False)
    _state: dict[str, Any] = field(init=False, repr=False)
    _next: int = field(init=False, default=0, repr=False)

    def __post_init__(self) -> None:
        self._state = self.rng.get_state(legacy=False)

    def rows(self, index: slice | NDArray[np.intp]) -> Array:
        """Return some of them."""
        if not isinstance(index, slice):
            if self._drawn is None:
                self._drawn = self.rows(slice(0, self.n_rows))
            result: Array = self._drawn[index]
            return result
        start, stop = index.start, index.stop
        self._go_to(start)
        resp: Array = self.rng.uniform(size=(stop - start, self.n_components))
        self._next = stop
        return resp / resp.sum(axis=1, keepdims=True)

    def part(self, start: int, stop: int) -> RandomShares:
        """Return those of the rows from ``start`` to ``stop``, with a generator of their own."""
        self._go_to(start)
        own = RandomShares(copy.deepcopy(self.rng), self.n_components, stop - start)
        self._go_to(stop)
        return own

    def _go_to(self, row: int) -> None:
        if row < self._next:
            self.rng.set_state(self._state)
            self._next = 0
        while self._next < row:  # some at a time: they are only drawn to be skipped
            more = min(row - self._next, _SKIPPED_ROWS)
            self.rng.uniform(size=(more, self.n_components))
            self._next += more
