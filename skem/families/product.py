"""Blocks of columns that are independent given the component, each with a family of its own.

Statistics, parameters, priors and posteriors are the blocks', side by side. Scores add up; so do
log likelihoods, log priors and divergences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from skem.engine import Blocks, LinesOfBlocks, has_gaps
from skem.families.blocks import (
    Block,
    Parts,
    ProductCoordinates,
    ProductStatistics,
    fill_features,
    lines_of,
    place_blocks,
    related_columns,
    units_by_column,
    values_by_decree,
)
from skem.families.cutting import cut_along_axis
from skem.families.parameters import Array
from skem.scoring import Layout, Part, ProductScorer, Scorer, Sums, lay_out

__all__ = ["Block", "ProductCoordinates", "ProductFamily", "ProductStatistics", "make_product"]


@dataclass(frozen=True, eq=False)
class ProductFamily:
    """Components whose blocks of columns are independent.

    Parameters
    ----------
    blocks : tuple of Block
    base : int or None
        A line of log densities that all components share; None: there is none.
    """

    blocks: tuple[Block, ...]
    base: int | None = None

    def _each(self, *data: Parts) -> Any:
        """Go through blocks' families and what there is for each."""
        return zip((block.family for block in self.blocks), *data, strict=True)

    def _replaced(self, families: Sequence[Any]) -> Self:
        pairs = zip(self.blocks, families, strict=True)
        return replace(self, blocks=tuple(block._replace(family=new) for block, new in pairs))

    @property
    def n_lines(self) -> int:
        """Number of lines of a tile."""
        last = self.blocks[-1]
        n_lines = last.n_lines if last.seen is None else 2 * last.n_lines
        return last.first + n_lines + (self.base is not None)

    @property
    def n_columns(self) -> int:
        """Number of columns of the rows."""
        return sum(len(block.columns) for block in self.blocks)

    @property
    def alone(self) -> Any:
        """The family of the only block, if there is but one and its lines are the columns."""
        only = self.blocks[0]
        return only.family if len(self.blocks) == 1 and only.is_gaussian else None

    @property
    def single(self) -> Any:
        """The family of the only block, if its lines are all: its scorers are the product's."""
        return self.blocks[0].family if len(self.blocks) == 1 and self.base is None else None

    # --- rows -------------------------------------------------------------------------------

    @property
    def maker(self) -> LinesOfBlocks | None:
        """What makes lines of rows: the family, unless the rows are the lines."""
        return self if self.alone is None else None

    def lines(self, X: NDArray[np.floating]) -> Blocks:
        """Return what tiles are loaded with; see `skem.engine.blocks.LinesOfBlocks`."""
        return lines_of(self.blocks, X, base=self.base is not None)

    def features(self, X: NDArray[np.floating], origin: Array, scale: Array) -> Array:
        """Return what tells rows apart, NaN where cells are missing."""
        return np.hstack([block.features(X, origin, scale) for block in self.blocks])

    def n_products(self, n_features: int) -> int:
        if self.alone is not None:
            return int(self.alone.n_products(n_features))
        each = sum(block.n_products for block in self.blocks)
        return each + 1 + (self.base is not None)

    def units(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        own = (
            block.family.units(mean[block.columns], deviation[block.columns])
            for block in self.blocks
        )
        return units_by_column(self.blocks, own)

    def _product(self, scorers: Sequence[Scorer], constants: Array) -> Scorer:
        if self.single is not None:
            return scorers[0].add_constants(constants)
        parts = tuple(
            Part(scorer, block.first, block.n_lines, block.seen)
            for block, scorer in zip(self.blocks, scorers, strict=True)
        )
        layout = self._layout(parts)
        return ProductScorer(parts, layout, constants, has_base=self.base is not None)

    def _layout(self, parts: tuple[Part, ...]) -> Layout:
        """Say how parts come together: parts of the same types, always the same way."""
        types = tuple(part.types for part in parts)
        if types not in self._layouts:
            self._layouts[types] = lay_out(parts, self.n_lines, self.base)
        return self._layouts[types]

    @cached_property
    def _layouts(self) -> dict[tuple[tuple[type, ...], ...], Layout]:
        return {}

    def scorer(self, parameters: Parts, log_weights: Array) -> Scorer:
        if self.single is not None:
            result: Scorer = self.single.scorer(parameters[0], log_weights)
            return result
        none = np.zeros_like(log_weights)
        scorers = [family.scorer(own, none) for family, own in self._each(parameters)]
        return self._product(scorers, log_weights)

    def summer(self, n_components: int, n_features: int) -> Scorer:
        scorers = [block.family.summer(n_components, block.n_lines) for block in self.blocks]
        return self._product(scorers, np.zeros(n_components))

    def statistics(self, scorer: Scorer, sums: Sums) -> ProductStatistics:
        if self.single is not None:
            only = self.single.statistics(scorer, sums)
            return ProductStatistics(only.weight, (only,))
        product = cast(ProductScorer, scorer)
        weight, own = product.split_sums(sums)
        each = zip(self.blocks, product.parts, own, strict=True)
        parts = tuple(block.family.statistics(part.scorer, mine) for block, part, mine in each)
        return ProductStatistics(weight, parts)

    def better_summer(
        self, stats: ProductStatistics, scorer: Scorer, parameters: Parts | None
    ) -> Scorer | None:
        """Make a scorer that sums more exactly in those blocks that need it."""
        own = (None,) * len(self.blocks) if parameters is None else parameters
        if self.single is not None:
            summer: Scorer | None = self.single.better_summer(stats.parts[0], scorer, own[0])
            return summer
        product = cast(ProductScorer, scorer)
        each = zip(self.blocks, stats.parts, product.parts, own, strict=True)
        better = [
            block.family.better_summer(part, placed.scorer, mine)
            for block, part, placed, mine in each
        ]
        if all(one is None for one in better):
            return None
        kept = zip(product.parts, better, strict=True)
        parts = tuple(part if one is None else part._replace(scorer=one) for part, one in kept)
        return replace(product, parts=parts, layout=self._layout(parts))

    # --- statistics and parameters ----------------------------------------------------------

    def _combine(self, name: str, weight: Array, *data: Parts, more: Any = ()) -> ProductStatistics:
        parts = [getattr(family, name)(*own, *more) for family, *own in self._each(*data)]
        return ProductStatistics(weight, tuple(parts))

    def add(self, a: ProductStatistics, b: ProductStatistics) -> ProductStatistics:
        return self._combine("add", a.weight + b.weight, a.parts, b.parts)

    def scale(self, stats: ProductStatistics, factor: float) -> ProductStatistics:
        return self._combine("scale", factor * stats.weight, stats.parts, more=(factor,))

    def merge(self, stats: ProductStatistics, a: int, b: int) -> ProductStatistics:
        weight = stats.weight.copy()
        weight[a], weight[b] = weight[a] + weight[b], 0.0
        return self._combine("merge", weight, stats.parts, more=(a, b))

    def split_into(
        self, stats: ProductStatistics, parts: ProductStatistics, split: int, free: int
    ) -> ProductStatistics:
        weight = stats.weight.copy()
        weight[[split, free]] = parts.weight[2 * split : 2 * split + 2]
        return self._combine("split_into", weight, stats.parts, parts.parts, more=(split, free))

    def take(self, data: Any, index: NDArray[np.intp]) -> Any:
        if isinstance(data, ProductStatistics):
            return self._combine("take", data.weight[index], data.parts, more=(index,))
        return tuple(family.take(own, index) for family, own in self._each(data))

    def nothing(self, n_components: int, n_features: int) -> ProductStatistics:
        parts = [block.family.nothing(n_components, block.n_lines) for block in self.blocks]
        return ProductStatistics(np.zeros(n_components), tuple(parts))

    def mode(self, stats: ProductStatistics, prior: Parts, previous: Parts) -> Parts:
        each = self._each(stats.parts, prior, previous)
        return tuple(family.mode(*own) for family, *own in each)

    def log_likelihood(self, stats: ProductStatistics, parameters: Parts) -> float:
        each = self._each(stats.parts, parameters)
        return sum(family.log_likelihood(*own) for family, *own in each)

    def log_prior(self, parameters: Parts, prior: Parts) -> float:
        return sum(family.log_prior(*own) for family, *own in self._each(parameters, prior))

    def flat_prior(self, n_features: int) -> Parts:
        """Prior under which the mode is the maximum-likelihood estimate."""
        return tuple(block.family.flat_prior(block.n_lines) for block in self.blocks)

    def without_rows(self, n_components: int, n_features: int) -> Parts:
        return tuple(
            block.family.without_rows(n_components, block.n_lines) for block in self.blocks
        )

    # --- searching, extrapolating -----------------------------------------------------------

    def parameters_that_overfit(self, n_components: int, n_features: int) -> int:
        """Count those of a Gaussian block alone, which is fitted as it is by itself."""
        alone = self.alone
        return 0 if alone is None else int(alone.parameters_that_overfit(n_components, n_features))

    def rows_needed(self, n_features: int) -> int:
        return max(int(block.family.rows_needed(block.n_lines)) for block in self.blocks)

    def cuts(self, parameters: Parts, rows: Array, share: Array) -> Iterator[Array]:
        """Across the first principal axis of each component's features."""
        if self.alone is not None:
            yield from self.alone.cuts(parameters[0], rows, share)
        else:
            yield cut_along_axis(rows, share)

    def distances(self, stats: ProductStatistics, component: int, parameters: Parts) -> Array:
        each = self._each(stats.parts, parameters)
        total: Array = sum(family.distances(part, component, own) for family, part, own in each)
        return total

    def coordinates(
        self, prior: Parts, total: float, reference: ProductStatistics
    ) -> ProductCoordinates:
        each = self._each(prior, reference.parts)
        parts = tuple(family.coordinates(own, total, part) for family, own, part in each)
        k = len(reference.weight)
        pairs = zip(parts, reference.parts, strict=True)
        sizes = [len(coordinates.encode(part)) - k for coordinates, part in pairs]
        return ProductCoordinates(parts, np.cumsum(sizes)[:-1], k)

    # --- posteriors -------------------------------------------------------------------------

    def posterior(self, prior: Parts, stats: ProductStatistics) -> Parts:
        return tuple(family.posterior(*own) for family, *own in self._each(prior, stats.parts))

    def expected_parameters(self, posterior: Parts) -> Parts:
        return tuple(family.expected_parameters(own) for family, own in self._each(posterior))

    def expected_scorer(self, posterior: Parts, parameters: Parts, log_weights: Array) -> Scorer:
        if self.single is not None:
            only: Scorer = self.single.expected_scorer(posterior[0], parameters[0], log_weights)
            return only
        none = np.zeros_like(log_weights)
        each = self._each(posterior, parameters)
        scorers = [family.expected_scorer(*own, none) for family, *own in each]
        return self._product(scorers, log_weights)

    def expected_log_likelihood(
        self, stats: ProductStatistics, posterior: Parts, parameters: Parts
    ) -> float:
        each = self._each(stats.parts, posterior, parameters)
        return sum(family.expected_log_likelihood(*own) for family, *own in each)

    def divergence(self, posterior: Parts, parameters: Parts, prior: Parts) -> float:
        each = self._each(posterior, parameters, prior)
        return sum(family.divergence(*own) for family, *own in each)

    # --- what estimators ask ----------------------------------------------------------------

    @property
    def floor(self) -> Parts | None:
        """The blocks' floors; None where nothing is held."""
        floors = tuple(block.family.floor for block in self.blocks)
        return None if all(floor is None for floor in floors) else floors

    def with_floor(self, floor: Parts | None) -> Self:
        floors = (None,) * len(self.blocks) if floor is None else floor
        return self._replaced([family.with_floor(own) for family, own in self._each(floors)])

    def find_floor(self, variances: Array, one: Parts) -> Parts | None:
        floors = []
        for block, own in zip(self.blocks, one, strict=True):
            steps = variances[block.columns]
            floors.append(block.family.find_floor(steps, own) if (steps > 0).any() else None)
        return None if all(floor is None for floor in floors) else tuple(floors)

    def for_rows(self, X: NDArray[np.floating], *, gappy: bool, more: bool = False) -> Self:
        """Return the family for the missing cells of rows.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_columns)
        gappy : bool
            Whether any cell is missing.
        more : bool, default=False
            Whether other rows may follow, in which other cells are missing.
        """
        if self.alone is not None:
            return self._replaced([self.alone.for_rows(X, gappy=gappy, more=more)])
        families = []
        for block in self.blocks:
            own = X[:, block.columns]
            own_gaps = gappy and has_gaps(own)
            families.append(block.family.for_rows(own, gappy=own_gaps, more=more))
        pairs = zip(families, (block.columns for block in self.blocks), strict=True)
        return type(self)(*place_blocks(list(pairs), base=self.base is not None))

    def with_gaps(self, start: Callable[[], Parts]) -> Self:
        """Return the family with another start, where `for_rows` found missing cells."""

        def part(place: int) -> Any:
            return start()[place]

        families = [block.family for block in self.blocks]
        return self._replaced(
            [
                family.with_gaps(partial(part, place)) if family.has_gaps else family
                for place, family in enumerate(families)
            ]
        )

    def regularised(self) -> Self:
        return self._replaced([block.family.regularised() for block in self.blocks])

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return sum(block.family.n_parameters(n_components, block.n_lines) for block in self.blocks)

    def related_columns(self, n_features: int) -> NDArray[np.bool_]:
        return related_columns(self.blocks, n_features)

    def values_by_decree(self, constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return values_by_decree(self.blocks, constant)

    def typical_units(self, weights: Array, parameters: Parts) -> tuple[Array, Array]:
        own = (family.typical_units(weights, own) for family, own in self._each(parameters))
        return units_by_column(self.blocks, own)

    def standardise(self, parameters: Parts, origin: Array, scale: Array) -> Parts:
        return tuple(
            block.family.standardise(own, origin[block.columns], scale[block.columns])
            for block, own in zip(self.blocks, parameters, strict=True)
        )

    def restore(self, parameters: Parts, origin: Array, scale: Array) -> Parts:
        return tuple(
            block.family.restore(own, origin[block.columns], scale[block.columns])
            for block, own in zip(self.blocks, parameters, strict=True)
        )

    def log_prior_jacobian(self, prior: Parts, log_scale: Array, n_components: int) -> float:
        return sum(
            block.family.log_prior_jacobian(own, log_scale[block.columns], n_components)
            for block, own in zip(self.blocks, prior, strict=True)
        )

    def sample(
        self, parameters: Parts, labels: NDArray[np.int64], rng: np.random.RandomState
    ) -> Array:
        """Draw one row of each labelled component, (len(labels), n_columns)."""
        rows = np.empty((len(labels), self.n_columns))
        for block, own in zip(self.blocks, parameters, strict=True):
            rows[:, block.columns] = block.family.sample(own, labels, rng)
        return rows

    def fill(self, features: Array) -> Array:
        """Put something likely into the missing cells (NaN) of rows' features."""
        if self.alone is not None:
            only: Array = self.alone.fill(features)
            return only
        return fill_features(self.blocks, features)


def make_product(pairs: Sequence[tuple[Any, NDArray[np.intp]]], *, base: bool) -> ProductFamily:
    """Put families of blocks side by side.

    Parameters
    ----------
    pairs : sequence of (GaussianFamily or KindFamily, ndarray of intp)
        The families, and the columns of each.
    base : bool
        Whether log densities have parts that all components share (`Kind.log_base`).
    """
    return ProductFamily(*place_blocks(pairs, base=base))
