"""Scores and sums of blocks of lines that are independent given the component."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from skem.engine import Tile, TilePlan
from skem.engine.tiles import Gaps
from skem.kernels.arguments import LinearSpace
from skem.scoring.gather import GatherScorer
from skem.scoring.linear import LinearScorer
from skem.scoring.scorer import Array, Assigning, Scorer, Sums, normalise, responsibilities

__all__ = ["Part", "ProductScorer"]


class Part(NamedTuple):
    """A block's scorer, and where its lines are in a tile.

    Attributes
    ----------
    scorer : Scorer
        As if its lines were all of a tile: ``[z_1 .. z_d, 1, |z|^2]``.
    first, n_lines : int
    """

    scorer: Scorer
    first: int
    n_lines: int

    @property
    def is_fused(self) -> bool:
        """Whether the scorer is linear in products of lines and ones, which need no own tile."""
        scorer = self.scorer
        return (
            isinstance(scorer, LinearScorer)
            and max(scorer.left.max(initial=0), scorer.right.max(initial=0)) <= self.n_lines
        )


class _Room(NamedTuple):
    """Scratch: that of the fused scorer, and a tile and scratch for each other part."""

    fused: LinearSpace
    others: tuple[tuple[Tile, Any], ...]


@dataclass(frozen=True)
class _MakeRoom:
    """Makes the scratch; equal where the parts' scratch is of one kind."""

    others: tuple[tuple[int, Callable[[TilePlan], Any]], ...]

    def __call__(self, plan: TilePlan) -> _Room:
        plans = [replace(plan, n_features=n_lines) for n_lines, _ in self.others]
        others = [(Tile(own), make(own)) for own, (_, make) in zip(plans, self.others, strict=True)]
        return _Room(LinearScorer.space(plan), tuple(others))


@dataclass(frozen=True)
class ProductScorer(Assigning):
    """Adds up the scores of blocks.

    Blocks whose scores are linear in products of lines are one `LinearScorer`: one matrix product
    scores them all, and one more sums them. Each of the others has a tile of its own.

    Sums: those of the fused scorer, whose last line sums the responsibilities, then the others'.

    Parameters
    ----------
    parts : tuple of Part
    n_lines : int
        Of the whole tile.
    constants : ndarray of shape (n_components,)
        Added to the scores, in nats.
    base : int, default=None
        A line that is added to every component's scores.
    """

    parts: tuple[Part, ...]
    n_lines: int
    constants: Array
    base: int | None = field(default=None, kw_only=True)

    @cached_property
    def others(self) -> tuple[int, ...]:
        """Which of the parts are not fused."""
        return tuple(i for i, part in enumerate(self.parts) if not part.is_fused)

    @cached_property
    def fused(self) -> LinearScorer:
        """The fused parts as one scorer, with one more pair: ones."""
        left, right, coefficients = [], [], []
        constants = self.constants
        for part in self.parts:
            if not part.is_fused:
                continue
            scorer = part.scorer
            assert isinstance(scorer, LinearScorer)
            places = np.append(np.arange(part.first, part.first + part.n_lines), self.n_lines)
            left.append(places[scorer.left])
            right.append(places[scorer.right])
            coefficients.append(scorer.coefficients)
            constants = constants + scorer.constants
        lines = [] if self.base is None else [self.base]
        last = np.array([*lines, self.n_lines], dtype=np.int64)
        left.append(last)
        right.append(np.full_like(last, self.n_lines))
        of_last = np.zeros((len(constants), len(last)))
        of_last[:, :-1] = 1.0
        return LinearScorer(
            np.concatenate(left).astype(np.int64),
            np.concatenate(right).astype(np.int64),
            np.hstack([*coefficients, of_last]),
            constants,
            hard=self.hard,
        )

    @property
    def space(self) -> Callable[[TilePlan], _Room]:
        """Scratch of all parts."""
        chosen = [self.parts[i] for i in self.others]
        return _MakeRoom(tuple((part.n_lines, part.scorer.space) for part in chosen))

    @property
    def summed_about(self) -> Array:
        """The origin; parts may be summed about other points."""
        return np.zeros(())

    def add_constants(self, log_weights: Array) -> ProductScorer:
        return replace(self, constants=self.constants + log_weights)

    def split_sums(self, sums: Sums) -> tuple[Array, list[Sums]]:
        """Return the summed responsibilities (K,), and the sums of each part's own scorer."""
        fused, rest = sums[0], list(sums[1:])
        start = 0
        result: list[Sums] = []
        for part in self.parts:
            if part.is_fused:
                assert isinstance(part.scorer, LinearScorer)
                stop = start + part.scorer.coefficients.shape[1]
                result.append((fused[start:stop],))
                start = stop
            else:
                n_arrays = len(part.scorer.zeros())
                result.append(tuple(rest[:n_arrays]))
                del rest[:n_arrays]
        return fused[-1], result

    def score(self, tile: Tile, space: _Room) -> None:
        self.fused.score(tile, space.fused)
        n_rows = tile.n_rows
        for i, (own, own_space) in zip(self.others, space.others, strict=True):
            part = self.parts[i]
            _enter(part, tile, own)
            part.scorer.score(own, own_space)
            tile.scores[:, :n_rows] += own.scores[:, :n_rows]

    def normalise(self, tile: Tile, space: _Room) -> float:
        if not self.others:
            return self.fused.normalise(tile, space.fused)
        return normalise(self, tile, space, hard=self.hard)

    def zeros(self) -> Sums:
        others = [self.parts[i].scorer.zeros() for i in self.others]
        return (*self.fused.zeros(), *(array for sums in others for array in sums))

    def accumulate(self, tile: Tile, space: _Room, sums: Sums) -> None:
        self.fused.accumulate(tile, space.fused, sums[:1])
        start = 1
        for i, (own, own_space) in zip(self.others, space.others, strict=True):
            part = self.parts[i]
            _enter(part, tile, own)
            stop = start + len(part.scorer.zeros())
            part.scorer.accumulate(own, own_space, sums[start:stop])
            start = stop

    def expect(self, tile: Tile, space: _Room, sums: Sums) -> float:
        if not self.others:
            return self.fused.expect(tile, space.fused, sums)
        total = self.normalise(tile, space)
        responsibilities(tile)
        self.accumulate(tile, space, sums)
        return total


def _enter(part: Part, tile: Tile, own: Tile) -> None:
    """Put a part's lines into its own tile, which shares the rows' weights and responsibilities."""
    first, n_lines = part.first, part.n_lines
    _, n_places = own.hold(tile.n_rows)
    own.share(tile)
    if isinstance(part.scorer, GatherScorer):
        own.values = tile.values[first : first + n_lines]  # it reads nothing else
        return
    lines = own.values[:n_lines, :n_places]
    lines[:] = tile.values[first : first + n_lines, :n_places]
    own.values[n_lines, :n_places] = tile.values[-2, :n_places]
    np.einsum("ij,ij->j", lines, lines, out=own.values[n_lines + 1, :n_places])
    if tile.gaps is not None:
        own.gaps = _gaps_within(tile.gaps, first, n_lines)


def _gaps_within(gaps: Gaps, first: int, n_lines: int) -> Gaps | None:
    """Return the gaps in some of the lines; None if there are none."""
    missing = gaps.missing[:, first : first + n_lines]
    if not missing.any():
        return None
    new = np.append(True, (missing[1:] != missing[:-1]).any(axis=1))
    return Gaps(gaps.first[np.append(new, True)], np.ascontiguousarray(missing[new]))
