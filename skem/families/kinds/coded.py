"""Kinds whose values are looked up: lines are codes, and a table has an entry for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Generic, TypeVar

import numpy as np

from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.linear import LinearKind
from skem.families.parameters import Array
from skem.scoring import GatherScorer, Scorer

__all__ = ["CodedKind"]

Params = TypeVar("Params")

# Entries of columns that are looked up together. Measured for 10 columns of 4 categories, K = 5: a
# pass over 10 000 rows takes 0.59 ms column by column, 0.37 by twos (25 entries), 0.32 by
# threes (125). Larger tables would leave the innermost cache.
_MOST_ENTRIES = 128


@dataclass(frozen=True, eq=False)
class CodedKind(LinearKind[Params], Generic[Params]):
    """A kind that is linear in indicators of codes, of which a seen cell has one.

    Statistics are the weights of each column's codes, (K, number of all columns' codes), column by
    column.

    Columns of few codes are looked up together: a line's code stands for the codes of all columns
    of a group, and the table's entry is the sum of theirs. There, missing cells have a code of
    their own, the last of the column, that adds nothing.
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
    def groups(self) -> list[tuple[int, int]]:
        """First and last column (exclusive) of each group that is looked up together."""
        groups, first, n_entries = [], 0, 1
        for j, n in enumerate(self.n_codes):
            if j > first and n_entries * (n + 1) > _MOST_ENTRIES:
                groups.append((first, j))
                first, n_entries = j, 1
            n_entries *= n + 1
        return [*groups, (first, len(self.n_codes))]

    @property
    def n_lines(self) -> int:
        return len(self.groups)

    @property
    def n_own_lines(self) -> int:
        return sum(self.n_codes)

    @property
    def n_sums(self) -> int:
        return sum(self.n_codes)

    def lines(self, values: Array) -> Array:
        missing, codes, n_codes = (
            np.isnan(values),
            self.codes(values),
            np.array(self.n_codes, float),
        )
        if not (missing | (codes >= 0) & (codes < n_codes)).all():
            # A kernel would read beyond its tables.
            raise ValueError("There are codes that the columns have not: see `check`")
        codes = np.where(missing, n_codes, codes)
        lines = np.zeros((len(values), self.n_lines))
        for line, (first, last) in zip(lines.T, self.groups, strict=True):
            for j in range(first, last):
                line *= self.n_codes[j] + 1
                line += codes[:, j]
        return lines

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        """Number of entries of each line's table."""
        return tuple(
            int(np.prod([n + 1 for n in self.n_codes[first:last]])) for first, last in self.groups
        )

    @cached_property
    def _by_group(self) -> list[Array | None]:
        """Say which codes the entries of each line's table stand for, (entries, codes), 0 and 1.

        None for a line of one column, which has an entry for each code and one for none.
        """
        result: list[Array | None] = []
        for (first, last), size in zip(self.groups, self._sizes, strict=True):
            if last == first + 1:
                result.append(None)
                continue
            shape = [n + 1 for n in self.n_codes[first:last]]
            codes = np.unravel_index(np.arange(size), shape)
            pairs = zip(codes, shape, strict=True)
            own = [column[:, None] == np.arange(n - 1) for column, n in pairs]
            result.append(np.hstack(own).astype(np.float64))
        return result

    def _tables(self, linear: Linear) -> list[Array]:
        """Return what each group's codes add, (number of entries, K) each."""
        coefficients, start = linear.coefficients.T, 0
        tables = []
        for (first, last), indicators in zip(self.groups, self._by_group, strict=True):
            stop = start + sum(self.n_codes[first:last])
            own = coefficients[start:stop]
            if indicators is None:  # one column: an entry for each code, and one for none
                tables.append(np.vstack([own, np.zeros((1, own.shape[1]))]))
            else:
                tables.append(indicators @ own)
            start = stop
        return tables

    def scorer(self, linear: Linear, log_weights: Array) -> Scorer:
        first = np.cumsum((0, *self._sizes[:-1])).astype(np.int64)
        table = np.ascontiguousarray(np.vstack(self._tables(linear)).T)
        return GatherScorer(first, table, linear.constants + log_weights)

    def evaluate(self, values: Array, linear: Linear) -> Array:
        result = np.tile(linear.constants, (len(values), 1))
        lines = self.lines(values).astype(np.intp)
        for line, table in zip(lines.T, self._tables(linear), strict=True):
            result += table[line]
        return result

    def statistics(self, sums: Array, weight: Array) -> LineStatistics:
        columns, start = [], 0
        for size, indicators in zip(self._sizes, self._by_group, strict=True):
            own = sums[start : start + size].T
            columns.append(own[:, :-1] if indicators is None else own @ indicators)
            start += size
        return LineStatistics(weight, np.hstack(columns))

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
