"""Scores and sums of blocks of lines that are independent given the component."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine import Tile, TilePlan
from skem.engine.tiles import Gaps
from skem.kernels.arguments import LinearModel
from skem.scoring.gather import GatherScorer
from skem.scoring.linear import LinearScorer
from skem.scoring.linear_gaps import LinearGapScorer
from skem.scoring.scorer import Array, Assigning, Scorer, Sums, normalise, responsibilities
from skem.scoring.seen import linear_in_seen, sums_of_seen

__all__ = ["Layout", "Part", "ProductScorer", "lay_out"]

Index: TypeAlias = NDArray[np.int64]


class Part(NamedTuple):
    """A block's scorer, and where its lines are in a tile.

    Attributes
    ----------
    scorer : Scorer
        As if its lines were all of a tile: ``[z_1 .. z_d, 1, |z|^2]``.
    first, n_lines : int
    seen : int, default=None
        The first of as many lines of ones, with zeros where a cell is missing; None: there are
        none.
    """

    scorer: Scorer
    first: int
    n_lines: int
    seen: int | None = None

    @property
    def types(self) -> tuple[type, ...]:
        """What, for a given family, says where its scorer finds its lines."""
        scorer = self.scorer
        return (type(scorer), type(getattr(scorer, "complete", None)))

    @property
    def is_fused(self) -> bool:
        """Whether scores are linear in what the whole tile has, and need no tile of their own.

        In products of lines and ones, in indicators of codes, or in which cells are seen.
        """
        scorer = self.scorer
        if isinstance(scorer, LinearGapScorer):
            return self.seen is not None
        return isinstance(scorer, GatherScorer) or (
            isinstance(scorer, LinearScorer)
            and max(line.max(initial=0) for line in scorer.model[:2]) <= self.n_lines
        )

    def pairs(self, ones: int) -> tuple[Index, Index]:
        """Return the lines whose products a fused scorer is linear in; ``ones`` is that of ones."""
        own = np.arange(self.first, self.first + self.n_lines)
        if isinstance(self.scorer, LinearScorer):
            places = np.append(own, ones)
            return places[self.scorer.model.left], places[self.scorer.model.right]
        if isinstance(self.scorer, LinearGapScorer) and self.seen is not None:
            to_ones = np.full(2 * self.n_lines, ones)
            seen = np.arange(self.seen, self.seen + self.n_lines)
            return np.concatenate([own, own, seen]), np.concatenate([own, to_ones])
        return own[:0], own[:0]

    def linear(self) -> tuple[Array, Array]:
        """Return the coefficients of these products, (n_pairs, K), and constants (K,)."""
        if isinstance(self.scorer, LinearScorer):
            return self.scorer.model.coefficients, self.scorer.model.constants
        if isinstance(self.scorer, LinearGapScorer):
            return linear_in_seen(self.scorer)
        assert isinstance(self.scorer, GatherScorer)
        return self.scorer.table[:0], self.scorer.constants


class Layout(NamedTuple):
    """How parts come together; the same for all parameters of a family.

    Attributes
    ----------
    fused, others : tuple of int
        Which parts are fused, and which are not.
    rows : tuple of slice or Index
        Which of the fused sums are each part's; of others, none.
    left, right : ndarray of shape (n_pairs,), int64
        Lines whose products the fused parts are linear in: first of two lines, then lines as they
        are, in their order, and last of all ones.
    order, ones : Index
        The parts' pairs (and the base) in that order, and those that are ones.
    lines, first : ndarray of shape (n_code_lines,), int64
        Lines that hold codes, and the entry of each one's code 0.
    """

    fused: tuple[int, ...]
    others: tuple[int, ...]
    rows: tuple[slice | Index, ...]
    left: Index
    right: Index
    order: Index
    ones: Index
    lines: Index
    first: Index


def lay_out(parts: Sequence[Part], n_lines: int, base: int | None) -> Layout:
    """Say how parts come together.

    Parameters
    ----------
    parts : sequence of Part
    n_lines : int
        Of the whole tile.
    base : int or None
        A line that is added to every component's scores.
    """
    fused = tuple(i for i, part in enumerate(parts) if part.is_fused)
    others = tuple(i for i in range(len(parts)) if i not in fused)
    rows: list[slice | Index] = [slice(0)] * len(parts)
    nothing = np.zeros(0, np.int64)
    lines, first, n_entries = [nothing], [nothing], 0
    for i, scorer in ((i, parts[i].scorer) for i in fused):
        if isinstance(scorer, GatherScorer):
            lines.append(parts[i].first + scorer.lines)
            first.append(n_entries + scorer.first)
            stop = n_entries + len(scorer.table) + 1  # one more for all rows
            rows[i], n_entries = slice(n_entries, stop), stop
    pairs = [parts[i].pairs(n_lines) for i in fused]
    of_base = np.zeros(0, np.int64) if base is None else np.array([base])
    left, right = map(np.concatenate, zip(*pairs, (of_base, 0 * of_base + n_lines), strict=True))
    of_ones = (left == n_lines) & (right == n_lines)
    kept = np.flatnonzero(~of_ones)
    order = kept[np.lexsort((left[kept], right[kept] == n_lines))]
    row = np.full(len(left), n_entries + len(order))
    row[order] = n_entries + np.arange(len(order))
    start = 0
    for i, (own, _) in zip(fused, pairs, strict=True):
        if not isinstance(parts[i].scorer, GatherScorer):
            rows[i] = row[start : start + len(own)]
        start += len(own)
    return Layout(
        fused,
        others,
        tuple(rows),
        np.append(left[order], n_lines).astype(np.int64),
        np.append(right[order], n_lines).astype(np.int64),
        order,
        np.flatnonzero(of_ones),
        np.concatenate(lines).astype(np.int64),
        np.concatenate(first).astype(np.int64),
    )


class _Room(NamedTuple):
    """Scratch: that of the fused scorer, and a tile and scratch for each other part."""

    fused: Any
    others: tuple[tuple[Tile, Any], ...]


@dataclass(frozen=True)
class _MakeRoom:
    """Makes the scratch; equal where the parts' scratch is of one kind."""

    fused: Callable[[TilePlan], Any]
    others: tuple[tuple[int, Callable[[TilePlan], Any]], ...]

    def __call__(self, plan: TilePlan) -> _Room:
        plans = [replace(plan, n_features=n_lines) for n_lines, _ in self.others]
        others = [(Tile(own), make(own)) for own, (_, make) in zip(plans, self.others, strict=True)]
        return _Room(self.fused(plan), tuple(others))


@dataclass(frozen=True)
class ProductScorer(Assigning):
    """Adds up the scores of blocks.

    Blocks whose scores are linear in products of lines, or looked up by codes, are one scorer:
    one kernel scores and sums them all. Each of the others has a tile of its own.

    Sums: those of the fused scorer, whose last line sums the responsibilities, then the others'.

    Parameters
    ----------
    parts : tuple of Part
    layout : Layout
        What `lay_out` makes of such parts.
    constants : ndarray of shape (n_components,)
        Added to the scores, in nats.
    has_base : bool, default=False
        Whether there is a line that is added to every component's scores.
    """

    parts: tuple[Part, ...]
    layout: Layout
    constants: Array
    has_base: bool = field(default=False, kw_only=True)

    @cached_property
    def fused(self) -> LinearScorer | GatherScorer:
        """The fused parts as one scorer, with one more pair: ones."""
        layout = self.layout
        parts = [self.parts[i] for i in layout.fused]
        coefficients, constants = [], self.constants
        for part in parts:
            own, added = part.linear()
            coefficients.append(own)
            constants = constants + added
        nothing = np.zeros((1, len(constants)))
        if self.has_base:
            coefficients.append(nothing + 1.0)
        joined = np.concatenate(coefficients) if coefficients else nothing[:0]
        constants = constants + joined[layout.ones].sum(axis=0)
        joined = np.concatenate([joined[layout.order], nothing])
        model = LinearModel(layout.left, layout.right, joined, constants)
        linear = LinearScorer(model, hard=self.hard)
        if not len(layout.lines):
            return linear
        tables = [
            table
            for part in parts
            if isinstance(part.scorer, GatherScorer)
            for table in (part.scorer.table, nothing)
        ]
        table = np.concatenate(tables)
        return GatherScorer(linear, layout.lines, layout.first, table, hard=self.hard)

    @property
    def space(self) -> Callable[[TilePlan], _Room]:
        """Scratch of all parts."""
        chosen = [self.parts[i] for i in self.layout.others]
        others = tuple((part.n_lines, part.scorer.space) for part in chosen)
        return _MakeRoom(self.fused.space, others)

    @property
    def summed_about(self) -> Array:
        """The origin; parts may be summed about other points."""
        return np.zeros(())

    def add_constants(self, log_weights: Array) -> ProductScorer:
        return replace(self, constants=self.constants + log_weights)

    def split_sums(self, sums: Sums) -> tuple[Array, list[Sums]]:
        """Return the summed responsibilities (K,), and the sums of each part's own scorer."""
        fused, rest = sums[0], list(sums[1:])
        weight = fused[-1]
        result: list[Sums] = []
        for i, part in enumerate(self.parts):
            own = fused[self.layout.rows[i]]
            if i in self.layout.others:
                n_arrays = len(part.scorer.zeros())
                result.append(tuple(rest[:n_arrays]))
                del rest[:n_arrays]
            elif isinstance(part.scorer, LinearGapScorer):
                result.append(sums_of_seen(part.scorer, weight, own))
            else:
                if isinstance(part.scorer, GatherScorer):
                    own[-1] = weight
                result.append((own,))
        return weight, result

    def score(self, tile: Tile, space: _Room) -> None:
        self.fused.score(tile, space.fused)
        n_rows = tile.n_rows
        for i, (own, own_space) in zip(self.layout.others, space.others, strict=True):
            part = self.parts[i]
            _enter(part, tile, own)
            part.scorer.score(own, own_space)
            tile.scores[:, :n_rows] += own.scores[:, :n_rows]

    def normalise(self, tile: Tile, space: _Room) -> float:
        if not self.layout.others:
            return self.fused.normalise(tile, space.fused)
        return normalise(self, tile, space, hard=self.hard)

    def zeros(self) -> Sums:
        others = [self.parts[i].scorer.zeros() for i in self.layout.others]
        return (*self.fused.zeros(), *(array for sums in others for array in sums))

    def accumulate(self, tile: Tile, space: _Room, sums: Sums) -> None:
        self.fused.accumulate(tile, space.fused, sums[:1])
        start = 1
        for i, (own, own_space) in zip(self.layout.others, space.others, strict=True):
            part = self.parts[i]
            _enter(part, tile, own)
            stop = start + len(part.scorer.zeros())
            part.scorer.accumulate(own, own_space, sums[start:stop])
            start = stop

    def expect(self, tile: Tile, space: _Room, sums: Sums) -> float:
        if not self.layout.others:
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
