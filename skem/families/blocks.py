"""Blocks of columns side by side: where their lines are, their statistics, their coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families.gaussian import GaussianFamily
from skem.families.kinds.family import KindFamily
from skem.families.parameters import Array

__all__ = ["Block", "Parts", "ProductCoordinates", "ProductStatistics", "place_blocks"]

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
    """

    family: Any
    columns: NDArray[np.intp]
    first: int
    n_lines: int

    @property
    def is_gaussian(self) -> bool:
        """Whether the lines are the columns, which origins and scales are of use for."""
        return isinstance(self.family, GaussianFamily)


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
        blocks.append(Block(family, columns, first, n_lines))
        first += n_lines
    return tuple(blocks), first if base else None
