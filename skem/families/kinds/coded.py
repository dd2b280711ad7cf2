"""Kinds whose values are looked up: lines are codes, and a table has an entry for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.linear import LinearKind
from skem.families.parameters import Array
from skem.scoring import GatherScorer, Scorer

__all__ = ["CodedKind"]

Params = TypeVar("Params")


@dataclass(frozen=True, eq=False)
class CodedKind(LinearKind[Params], Generic[Params]):
    """A kind that is linear in indicators of codes, of which a seen cell has one.

    Statistics are the weights of each column's codes, (K, number of all columns' codes), column by
    column. In a table, missing cells have a code of their own, the last of the column.
    """

    # A missing cell has no code that counts.
    counts_seen: ClassVar[bool] = False

    @property
    def n_codes(self) -> Sequence[int]:
        """Number of codes of each column, without that of missing cells."""
        raise NotImplementedError

    def codes(self, values: Array) -> Array:
        """Return codes from 0, (n, d); what is made of NaN is not used."""
        raise NotImplementedError

    @property
    def n_lines(self) -> int:
        return self.n_columns

    @property
    def n_own_lines(self) -> int:
        return sum(self.n_codes)

    @property
    def n_sums(self) -> int:
        return sum(self.n_codes)

    def lines(self, values: Array) -> Array:
        return np.where(np.isnan(values), np.array(self.n_codes, float), self.codes(values))

    def _counted(self) -> NDArray[np.bool_]:
        """Say which entries of a table are not those of missing cells."""
        counted = np.ones(sum(self.n_codes) + self.n_columns, dtype=bool)
        counted[np.cumsum(np.add(self.n_codes, 1)) - 1] = False
        return counted

    def _first_entries(self) -> NDArray[np.int64]:
        """The first entry of each column in a table, (d,)."""
        return np.cumsum(np.append(0, np.add(self.n_codes, 1)[:-1])).astype(np.int64)

    def _table(self, linear: Linear) -> Array:
        """Return coefficients as a table, (number of entries, K); missing cells add nothing."""
        counted = self._counted()
        table = np.zeros((len(counted), len(linear.coefficients)))
        table[counted] = linear.coefficients.T
        return table

    def scorer(self, linear: Linear, log_weights: Array) -> Scorer:
        constants = linear.constants + log_weights
        return GatherScorer(self._first_entries(), self._table(linear), constants)

    def evaluate(self, values: Array, linear: Linear) -> Array:
        entries = self.lines(values).astype(np.intp) + self._first_entries()
        table = self._table(linear)
        result = np.tile(linear.constants, (len(values), 1))
        for column in entries.T:
            result += table[column]
        return result

    def statistics(self, sums: Array, weight: Array) -> LineStatistics:
        return LineStatistics(weight, np.ascontiguousarray(sums[self._counted()].T))

    def split(self, values: Array) -> list[Array]:
        """Cut values of all codes, (..., number of them), into those of each column."""
        return np.split(values, np.cumsum(self.n_codes)[:-1], axis=-1)

    def spread(self, values: Array) -> Array:
        """Repeat values of columns, (..., d), for each of their codes."""
        return np.repeat(values, self.n_codes, axis=-1)

    def column_sums(self, values: Array) -> Array:
        """Sum values of all codes, (..., number of them), over those of each column."""
        first = np.cumsum((0, *self.n_codes[:-1]))
        return np.add.reduceat(values, first, axis=-1)

    def seen(self, stats: LineStatistics) -> Array:
        return self.column_sums(stats.sums)
