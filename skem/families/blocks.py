"""Blocks of columns side by side: where their lines are, their statistics, their coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine import Blocks
from skem.families.gaussian import GaussianFamily
from skem.families.kinds.family import KindFamily
from skem.families.parameters import Array

__all__ = [
    "Block",
    "Parts",
    "ProductCoordinates",
    "ProductStatistics",
    "fill_features",
    "lines_of",
    "place_blocks",
    "related_columns",
    "units_by_column",
    "values_by_decree",
]

Parts: TypeAlias = tuple[Any, ...]


class ProductStatistics(NamedTuple):
    """Statistics of all blocks.

    Attributes
    ----------
    weight : ndarray of shape (K,)
        Summed responsibilities.
    parts : tuple
        The blocks' statistics.
    """

    weight: Array
    parts: Parts


class Block(NamedTuple):
    """Columns, and the family that they have in every component.

    Attributes
    ----------
    family : GaussianFamily or KindFamily
    columns : ndarray of shape (d,), intp
        Of the rows.
    first, n_lines : int
        Where the block's lines are in a tile.
    seen : int, default=None
        The first of as many lines of ones, with zeros where a cell is missing; None: there are
        none.
    """

    family: Any
    columns: NDArray[np.intp]
    first: int
    n_lines: int
    seen: int | None = None

    @property
    def n_products(self) -> int:
        """Number of products that a component's scores are linear in."""
        own = int(self.family.n_products(self.n_lines))
        return own if self.seen is None else own + self.n_lines

    @property
    def is_gaussian(self) -> bool:
        """Whether the lines are the columns, which origins and scales are of use for."""
        return isinstance(self.family, GaussianFamily)

    @property
    def n_features(self) -> int:
        """Number of the block's features."""
        if self.is_gaussian:
            return self.n_lines
        none = np.zeros((0, len(self.columns)))
        return int(self.family.kind.features(none).shape[1])

    def features(self, X: NDArray[np.floating], origin: Array, scale: Array) -> Array:
        """Return what tells rows apart in these columns, NaN where cells are missing."""
        own = self.columns
        if self.is_gaussian:
            standardised: Array = (X[:, own] - origin[own]) / scale[own]
            return standardised
        features: Array = self.family.kind.features(X[:, own])
        return features


class ProductCoordinates(NamedTuple):
    """Statistics as flat vectors: twice the roots of weights, then each block's coordinates."""

    parts: tuple[Any, ...]
    ends: NDArray[np.intp]
    n_components: int

    def encode(self, stats: ProductStatistics) -> Array:
        """Return the coordinates of statistics."""
        k = self.n_components
        pairs = zip(self.parts, stats.parts, strict=True)
        vectors = [coordinates.encode(part) for coordinates, part in pairs]
        return np.concatenate([vectors[0][:k], *(vector[k:] for vector in vectors)])

    def decode(self, vector: Array) -> ProductStatistics | None:
        """Return the statistics of given coordinates, or None if no rows could have them."""
        k = self.n_components
        own = np.split(vector[k:], self.ends)
        parts = []
        for coordinates, piece in zip(self.parts, own, strict=True):
            part = coordinates.decode(np.concatenate([vector[:k], piece]))
            if part is None:
                return None
            parts.append(part)
        return ProductStatistics(parts[0].weight, tuple(parts))


def place_blocks(
    pairs: Sequence[tuple[Any, NDArray[np.intp]]], *, base: bool
) -> tuple[tuple[Block, ...], int | None]:
    """Say where the lines of blocks are, and the line of the base."""
    blocks, first = [], 0
    for family, columns in pairs:
        n_lines = family.kind.n_lines if isinstance(family, KindFamily) else len(columns)
        seen = first + n_lines if needs_seen_lines(family) and len(pairs) > 1 else None
        blocks.append(Block(family, columns, first, n_lines, seen))
        first += n_lines if seen is None else 2 * n_lines
    return tuple(blocks), first if base else None


def needs_seen_lines(family: Any) -> bool:
    """Whether lines say which cells are seen: in Gaussian blocks with gaps and no covariances."""
    return isinstance(family, GaussianFamily) and family.has_gaps and not family.has_matrices


def lines_of(blocks: Sequence[Block], X: NDArray[np.floating], *, base: bool) -> Blocks:
    """Return what tiles are loaded with; see `skem.engine.blocks.LinesOfBlocks`."""
    lines, columns = [], []
    shared = np.zeros(len(X))
    for block in blocks:
        values = X[:, block.columns]
        if block.is_gaussian:
            lines.append(values)
            columns.append(block.columns)
            if block.seen is not None:
                lines.append(~np.isnan(values))
                columns.append(np.full(block.n_lines, -1, dtype=np.intp))
            continue
        lines.append(block.family.kind.lines(values))
        columns.append(np.full(block.n_lines, -1, dtype=np.intp))
        if base:
            shared += block.family.kind.log_base(values)
    if base:
        lines.append(shared[:, None])
        columns.append(np.full(1, -1, dtype=np.intp))
    return Blocks(np.ascontiguousarray(np.hstack(lines)), np.concatenate(columns))


def units_by_column(
    blocks: Sequence[Block], units: Iterable[tuple[Array, Array]]
) -> tuple[Array, Array]:
    """Put blocks' origins and scales into the places of their columns."""
    n_columns = sum(len(block.columns) for block in blocks)
    origin, scale = np.empty(n_columns), np.empty(n_columns)
    for block, (own_origin, own_scale) in zip(blocks, units, strict=True):
        origin[block.columns], scale[block.columns] = own_origin, own_scale
    return origin, scale


def related_columns(blocks: Sequence[Block], n_features: int) -> NDArray[np.bool_]:
    """Return which columns depend on each other within a component: none of two blocks."""
    related = np.zeros((n_features, n_features), dtype=bool)
    for block in blocks:
        own = np.ix_(block.columns, block.columns)
        related[own] = block.family.related_columns(len(block.columns))
    return related


def values_by_decree(blocks: Sequence[Block], constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say in which constant columns the variance is `reg_covar` alone, block by block."""
    result = np.zeros_like(constant)
    for block in blocks:
        result[block.columns] = block.family.values_by_decree(constant[block.columns])
    return result


def fill_features(blocks: Sequence[Block], features: Array) -> Array:
    """Put something likely into the missing cells (NaN) of rows' features.

    In Gaussian blocks conditional means under `gap_start`, elsewhere the columns' means.
    """
    filled, start = features.copy(), 0
    for block in blocks:
        own = slice(start, start + block.n_features)
        if block.is_gaussian:
            filled[:, own] = block.family.fill(features[:, own])
        start = own.stop
    rest = np.isnan(filled)
    if rest.any():
        seen = np.maximum((~rest).sum(axis=0), 1)
        means = np.where(rest, 0.0, filled).sum(axis=0) / seen
        filled = np.where(rest, means, filled)
    return filled
