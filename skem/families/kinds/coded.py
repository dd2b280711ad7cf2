"""Kinds whose values are looked up: lines are codes, and a table has an entry for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from math import prod
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.linear import LinearKind
from skem.families.parameters import Array
from skem.scoring import GatherScorer, LinearScorer, Scorer

__all__ = ["CodedKind"]

Params = TypeVar("Params")

# Entries of columns that are looked up together. With 5 components 640 take 25 KB: a few such
# tables would leave the innermost cache.
_MOST_ENTRIES = 640


@dataclass(frozen=True, eq=False)
class CodedKind(LinearKind[Params], Generic[Params]):
    """A kind that is linear in indicators of codes, of which a seen cell has one.

    Statistics are the weights of each column's codes, (K, number of all columns' codes), column by
    column.

    Columns of few codes are looked up together: a line's code stands for the codes of all columns
    of a group, and the table's entry is the sum of theirs. Where cells may be missing they have a
    code of their own, the last of the column, that adds nothing.
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
    def _sizes(self) -> list[int]:
        """Number of codes of each column, with that of missing cells if there may be any."""
        return [n + self.gaps for n in self.n_codes]

    def _cut(self, most: int) -> list[tuple[int, int]]:
        """Group columns whose codes have at most so many combinations."""
        groups, first, n_entries = [], 0, 1
        for j, n in enumerate(self._sizes):
            if j > first and n_entries * n > most:
                groups.append((first, j))
                first, n_entries = j, 1
            n_entries *= n
        return [*groups, (first, len(self._sizes))]

    @cached_property
    def groups(self) -> list[tuple[int, int]]:
        """First and last column (exclusive) of each group that is looked up together.

        As few groups as can be, and then tables as small as can be.
        """
        most = _MOST_ENTRIES
        groups = self._cut(most)
        while most > 1 and len(self._cut(most // 2)) == len(groups):
            most //= 2
            groups = self._cut(most)
        return groups

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
        missing, codes, n_codes = np.isnan(values), self.codes(values), np.array(self.n_codes)
        codes = np.where(missing, n_codes, codes)
        if not ((codes >= 0) & (codes < np.where(missing, self._sizes, n_codes))).all():
            # A kernel would read beyond its tables.
            raise ValueError("There are codes that the columns have not: see `check`")
        lines = np.zeros((len(values), self.n_lines))
        for line, (first, last) in zip(lines.T, self.groups, strict=True):
            for j in range(first, last):
                line *= self._sizes[j]
                line += codes[:, j]
        return lines

    @cached_property
    def _first_entries(self) -> NDArray[np.int64]:
        """The first entry of each line; and how many there are of all."""
        return np.cumsum([0, *(prod(self._sizes[first:last]) for first, last in self.groups)])

    @cached_property
    def _by_group(self) -> list[Array | None]:
        """Say which codes the entries of each line's table stand for, (entries, codes), 0 and 1.

        None for a line of one column, which has an entry for each code.
        """
        result: list[Array | None] = []
        for first, last in self.groups:
            if last == first + 1:
                result.append(None)
                continue
            shape = self._sizes[first:last]
            codes = np.unravel_index(np.arange(prod(shape)), shape)
            pairs = zip(codes, self.n_codes[first:last], strict=True)
            own = [column[:, None] == np.arange(n) for column, n in pairs]
            result.append(np.hstack(own).astype(np.float64))
        return result

    @cached_property
    def _tables(self) -> list[tuple[slice, slice, Array | None]]:
        """Each line's entries and codes, and what these have to do with each other."""
        n_codes = [sum(self.n_codes[first:last]) for first, last in self.groups]
        entries, codes = pairwise(self._first_entries.tolist()), pairwise(accumulate([0, *n_codes]))
        each = zip(entries, codes, self._by_group, strict=True)
        return [(slice(*own), slice(*its), indicators) for own, its, indicators in each]

    def _table(self, linear: Linear) -> Array:
        """Return what the entries of all lines add, (n_entries, K)."""
        coefficients = linear.coefficients.T
        table = np.zeros((self._first_entries[-1], coefficients.shape[1]))
        for entries, codes, indicators in self._tables:
            own = coefficients[codes]
            if indicators is None:  # one column; a missing cell adds nothing
                table[entries.start : entries.start + len(own)] = own
            else:
                np.matmul(indicators, own, out=table[entries])
        return table

    def scorer(self, linear: Linear, log_weights: Array) -> Scorer:
        ones, lines = self._ones_and_lines
        constants = linear.constants + log_weights
        nothing = LinearScorer.of(ones, ones, np.zeros((len(constants), 1)), constants)
        return GatherScorer(nothing, lines, self._first_entries[:-1], self._table(linear))

    @cached_property
    def _ones_and_lines(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        lines = np.arange(self.n_lines + 1, dtype=np.int64)
        return lines[-1:], lines[:-1]

    def evaluate(self, values: Array, linear: Linear) -> Array:
        kind = self.for_values(values)
        entries = kind.lines(values).astype(np.intp) + kind._first_entries[:-1]
        result: Array = linear.constants + kind._table(linear)[entries].sum(axis=1)
        return result

    def statistics(self, sums: Array, weight: Array) -> LineStatistics:
        result = np.empty((self.n_sums, len(weight)))
        for entries, codes, indicators in self._tables:
            own = sums[entries]
            if indicators is None:
                result[codes] = own[: codes.stop - codes.start]
            else:
                np.matmul(indicators.T, own, out=result[codes])
        return LineStatistics(weight, np.ascontiguousarray(result.T))

    def split(self, values: Array) -> list[Array]:
        """Cut values of all codes, (..., number of them), into those of each column."""
        return np.split(values, np.cumsum(self.n_codes)[:-1], axis=-1)

    @cached_property
    def _columns(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The column of each code, and the first code of each column."""
        n_codes = np.array(self.n_codes)
        return np.repeat(np.arange(len(n_codes)), n_codes), np.cumsum(n_codes) - n_codes

    def spread(self, values: Array) -> Array:
        """Repeat values of columns, (..., d), for each of their codes."""
        result: Array = values.take(self._columns[0], axis=-1)
        return result

    def column_sums(self, values: Array) -> Array:
        """Sum values of all codes, (..., number of them), over those of each column."""
        return np.add.reduceat(values, self._columns[1], axis=-1)

    def seen(self, stats: LineStatistics) -> Array:
        return self.column_sums(stats.sums)
