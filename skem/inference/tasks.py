"""What inference does with rows: tasks that an engine runs, here or where the rows are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import Source, Tile, TilePlan, Workplace
from skem.scoring import Scorer, Scores, Sums, expect_tile, responsibilities

__all__ = [
    "Assign",
    "Certainty",
    "ComputeResponsibilities",
    "ComputeScores",
    "Expect",
    "ExpectedScale",
    "ExpectedSums",
    "LogDensity",
    "LogNormaliser",
    "RowShares",
    "Summarise",
]

Array: TypeAlias = NDArray[np.float64]
Values: TypeAlias = NDArray[Any]


class ExpectedSums(NamedTuple):
    """What an E-step adds up.

    Attributes
    ----------
    sums : tuple of ndarray
        A scorer's sums.
    log_normaliser : float
        ``sum_n w_n log sum_k exp(score_nk)``, in nats.
    """

    sums: Sums
    log_normaliser: float


def _add(total: ExpectedSums, result: ExpectedSums) -> ExpectedSums:
    for sums, more in zip(total.sums, result.sums, strict=True):
        sums += more
    return ExpectedSums(total.sums, total.log_normaliser + result.log_normaliser)


@dataclass(frozen=True)
class Expect:
    """An E-step.

    Parameters
    ----------
    scorer : Scorer
        Scores the rows.
    summer : Scorer
        Sums their statistics; may be the same.
    """

    scorer: Scorer
    summer: Scorer
    in_order: ClassVar[bool] = False

    def part(self, start: int, stop: int) -> Expect:
        """Return the same: nothing belongs to single rows."""
        return self

    def begin(self, source: Source, plan: TilePlan) -> None:
        """Begin with the first group's sums."""

    def visit(self, source: Source, group: int, workplace: Workplace) -> ExpectedSums:
        """Return a group's sums."""
        sums, tile = self.summer.zeros(), workplace.tile
        space = workplace.space(self.scorer.space)
        alike = self.summer is self.scorer
        spaces = space, space if alike else workplace.space(self.summer.space)
        log_normaliser = 0.0
        for start, stop in source.tiles(workplace.plan, group):
            source.load(start, stop, tile)
            log_normaliser += expect_tile(self.scorer, self.summer, tile, spaces, sums)
        return ExpectedSums(sums, log_normaliser)

    def add(self, total: ExpectedSums, result: ExpectedSums) -> ExpectedSums:
        """Add a group's sums."""
        return _add(total, result)


@dataclass(frozen=True)
class LogNormaliser:
    """The bound's share of the rows alone: an E-step that sums no statistics."""

    scorer: Scores
    in_order: ClassVar[bool] = False

    def part(self, start: int, stop: int) -> LogNormaliser:
        """Return the same: nothing belongs to single rows."""
        return self

    def begin(self, source: Source, plan: TilePlan) -> None:
        """Begin with the first group's share."""

    def visit(self, source: Source, group: int, workplace: Workplace) -> float:
        """Return a group's weighted log normalisers, in nats."""
        total, tile = 0.0, workplace.tile
        space = workplace.space(self.scorer.space)
        for start, stop in source.tiles(workplace.plan, group):
            source.load(start, stop, tile)
            total += self.scorer.normalise(tile, space)
        return total

    def add(self, total: float, result: float) -> float:
        """Add a group's share."""
        return total + result


class RowShares(Protocol):
    """Responsibilities of rows that are given, not computed; plain data that pickles."""

    def rows(self, index: slice | NDArray[np.intp]) -> Array:
        """Return those of some rows, shape (n, n_components)."""

    def part(self, start: int, stop: int) -> RowShares:
        """Return those of the rows from ``start`` to ``stop``, numbered from zero."""


@dataclass(frozen=True)
class Summarise:
    """Sums of statistics for given responsibilities, which are asked for in the rows' order.

    Parameters
    ----------
    summer : Scorer
        Says about which points moments are summed.
    shares : RowShares
    """

    summer: Scorer
    shares: RowShares
    in_order: ClassVar[bool] = True

    def part(self, start: int, stop: int) -> Summarise:
        """Return the task for a source of the rows from ``start`` to ``stop`` alone."""
        return replace(self, shares=self.shares.part(start, stop))

    def begin(self, source: Source, plan: TilePlan) -> None:
        """Begin with the first group's sums."""

    def visit(self, source: Source, group: int, workplace: Workplace) -> ExpectedSums:
        """Return a group's sums."""
        sums, tile = self.summer.zeros(), workplace.tile
        space = workplace.space(self.summer.space)
        for start, stop in source.tiles(workplace.plan, group):
            source.load(start, stop, tile)
            resp = self.shares.rows(source.places(start, stop))[source.kept(start, stop)]
            weights = tile.weights[: tile.n_rows, None]
            np.multiply(resp, weights, out=tile.resp[: tile.n_rows])
            self.summer.accumulate(tile, space, sums)
        return ExpectedSums(sums, 0.0)

    def add(self, total: ExpectedSums, result: ExpectedSums) -> ExpectedSums:
        """Add a group's sums."""
        return _add(total, result)


class Block(NamedTuple):
    """Answers for some rows of the user's table."""

    rows: slice | NDArray[np.intp]
    values: Values


@dataclass(frozen=True)
class _Evaluate:
    """An answer for each row; rows of weight zero must not be among them.

    Parameters
    ----------
    scorer : Scores
    dtype : numpy dtype
        Of the answers.
    """

    scorer: Scores
    dtype: Any = np.float64
    in_order: ClassVar[bool] = False

    def begin(self, source: Source, plan: TilePlan) -> Values:
        """Make room for all answers."""
        return self._room(source.n_rows, plan.n_components)

    def visit(self, source: Source, group: int, workplace: Workplace) -> Block:
        """Return the answers for a group."""
        tile, space = workplace.tile, workplace.space(self.scorer.space)
        tiles = source.tiles(workplace.plan, group)
        first = tiles[0][0]
        values = self._room(tiles[-1][1] - first, workplace.plan.n_components)
        for start, stop in tiles:
            source.load(start, stop, tile)
            self._answer(tile, space, values[start - first : stop - first])
        return Block(source.places(first, tiles[-1][1]), values)

    def add(self, total: Values, result: Block) -> Values:
        """Put a group's answers into their places."""
        total[result.rows] = result.values
        return total

    def _room(self, n_rows: int, n_components: int) -> Values:
        return np.empty(n_rows, self.dtype)

    def _answer(self, tile: Tile, space: Any, out: Values) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class LogDensity(_Evaluate):
    """The log of the sum of each row's exponentiated scores, in nats."""

    def _answer(self, tile: Tile, space: Any, out: Values) -> None:
        self.scorer.normalise(tile, space)
        out[:] = tile.log_normaliser[: tile.n_rows]


@dataclass(frozen=True)
class ExpectedScale(_Evaluate):
    """Each row's expected latent scale, by a `LatentScaleScorer`."""

    def _answer(self, tile: Tile, space: Any, out: Values) -> None:
        scorer: Any = self.scorer
        scorer.expected_scales(tile, space, out)


@dataclass(frozen=True)
class Assign(_Evaluate):
    """Each row's component of the highest score, the first of equals."""

    dtype: Any = np.int64

    def _answer(self, tile: Tile, space: Any, out: Values) -> None:
        self.scorer.score(tile, space)
        kernels.normalise.best_component(tile.scores, tile.n_rows, out)


@dataclass(frozen=True)
class ComputeResponsibilities(_Evaluate):
    """Responsibilities of each row, shape (n_rows, n_components)."""

    def _room(self, n_rows: int, n_components: int) -> Values:
        return np.empty((n_rows, n_components), self.dtype)

    def _answer(self, tile: Tile, space: Any, out: Values) -> None:
        self.scorer.normalise(tile, space)
        responsibilities(tile)
        out[:] = tile.resp[: tile.n_rows]


@dataclass(frozen=True)
class Certainty(_Evaluate):
    """Each row's log density, in nats, and its largest responsibility, shape (n_rows, 2)."""

    def _room(self, n_rows: int, n_components: int) -> Values:
        return np.empty((n_rows, 2), self.dtype)

    def _answer(self, tile: Tile, space: Any, out: Values) -> None:
        self.scorer.normalise(tile, space)
        responsibilities(tile)
        out[:, 0] = tile.log_normaliser[: tile.n_rows]
        out[:, 1] = tile.resp[: tile.n_rows].max(axis=1)


@dataclass(frozen=True)
class ComputeScores(_Evaluate):
    """Scores of each row, shape (n_rows, n_components), which is the transpose of an array."""

    def _room(self, n_rows: int, n_components: int) -> Values:
        return np.empty((n_components, n_rows), self.dtype).T

    def _answer(self, tile: Tile, space: Any, out: Values) -> None:
        self.scorer.score(tile, space)
        out[:] = tile.scores[:, : tile.n_rows].T
