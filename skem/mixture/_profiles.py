"""What a fitted mixture of blocks found, as a table for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families import GaussianParameters
from skem.mixture._held import held_columns
from skem.mixture._layout import Layout, PlacedKind
from skem.mixture._record import FitRecord
from skem.mixture._summary import (
    PrintedTable,
    count,
    expected_sizes,
    lines_of_shares,
    origin_of,
    plus_minus,
    say_held,
    short_name,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BlockSummary", "ColumnProfile", "Profile", "profile_columns", "summarise_blocks"]

Array: TypeAlias = NDArray[np.float64]

# A table that prints has a line for each category of a column, or of many for the most frequent.
_MOST_CATEGORIES, _SHOWN_CATEGORIES = 15, 10


class Profile(NamedTuple):
    """What one column, or a category of it, is in each cluster.

    Attributes
    ----------
    column : str or int
    what : str
        A category, or what the values are.
    values : ndarray of shape (n_components,)
    deviations : ndarray of shape (n_components,) or None
        Of Gaussian columns, standard deviations.
    is_share : bool
        Whether values are probabilities.
    """

    column: Any
    what: str
    values: Array
    deviations: Array | None = None
    is_share: bool = False


@dataclass(frozen=True, repr=False, eq=False)
class BlockSummary(PrintedTable):
    """The clusters of a mixture of blocks: how large they are, and what their columns are like.

    ``summary()`` of a mixture returns it. Printed, it is a table with a line for each column, or
    each category of one; a notebook shows it as an HTML table.

    Parameters
    ----------
    title : str
        What was fitted, in one line.
    kinds : dict
        What each column was taken for.
    weights : ndarray of shape (n_components,)
        Shares of the clusters.
    sizes : ndarray of shape (n_components,) or None
        Expected numbers of rows.
    profiles : tuple of Profile
    notes : tuple of str, default=()
        What a user may want to declare otherwise, and where clusters are held at the width that
        the recording of a column allows.
    """

    title: str
    kinds: dict[Any, str]
    weights: Array
    sizes: Array | None
    profiles: tuple[Profile, ...]
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a pandas frame.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each cluster, numbered from 0. The columns have two levels:
            ``("cluster", "weight")``, ``("cluster", "size")`` (where known), then the columns of
            the rows, with the categories' shares, ``"mean"`` and ``"std"``, or rates.
        """
        import pandas as pd

        values: dict[tuple[Any, str], Array] = {("cluster", "weight"): self.weights}
        if self.sizes is not None:
            values["cluster", "size"] = self.sizes
        for profile in self.profiles:
            values[profile.column, profile.what] = profile.values
            if profile.deviations is not None:
                values[profile.column, "std"] = profile.deviations
        index = pd.RangeIndex(len(self.weights), name="cluster")
        return pd.DataFrame(
            np.column_stack(list(values.values())), index, pd.MultiIndex.from_tuples(list(values))
        )

    def _lines(self) -> list[list[str]]:
        lines = lines_of_shares(self.weights, self.sizes)
        for column, group in groupby(self.profiles, key=lambda profile: profile.column):
            profiles = list(group)
            name = short_name(f"x{column}" if isinstance(column, int) else str(column))
            if profiles[0].is_share and self.kinds[column] == "categorical":
                lines.append([name, *[""] * len(self.weights)])
                lines += self._lines_of_categories(profiles)
                continue
            for profile in profiles:
                if profile.deviations is not None:
                    cells = map(plus_minus, profile.values, profile.deviations)
                    lines.append([name, *cells])
                else:
                    lines.append([f"{name} ({short_name(profile.what)})", *_cells(profile)])
        return lines

    def _lines_of_categories(self, profiles: list[Profile]) -> list[list[str]]:
        """Return a line for each category; of many for the most frequent, and one for the rest."""
        shown = profiles
        if len(profiles) > _MOST_CATEGORIES:
            shares = [float(self.weights @ profile.values) for profile in profiles]
            frequent = np.sort(np.argsort(-np.array(shares), kind="stable")[:_SHOWN_CATEGORIES])
            shown = [profiles[j] for j in frequent]
        lines = [[f"  {short_name(profile.what)}", *_cells(profile)] for profile in shown]
        if len(shown) < len(profiles):
            rest = 1.0 - np.sum([profile.values for profile in shown], axis=0)
            others = f"  ({len(profiles) - len(shown)} others)"
            lines.append([others, *(f"{max(share, 0.0):.3f}" for share in rest)])
        return lines

    def _note(self) -> str:
        measured = any(profile.deviations is not None for profile in self.profiles)
        shares = any(profile.is_share for profile in self.profiles)
        others = any(p.deviations is None and not p.is_share for p in self.profiles)
        words = {
            "size: expected number of rows": self.sizes is not None,
            "mean ± standard deviation": measured,
            "shares of categories": shares,
            "parameters of other columns": others,
        }
        notes = "".join(f"\n  Note: {note}" for note in self.notes)
        return "; ".join(text for text, there in words.items() if there) + notes


def _cells(profile: Profile) -> Iterator[str]:
    return (f"{value:.3f}" if profile.is_share else f"{value:.4g}" for value in profile.values)


class ColumnProfile(NamedTuple):
    """What one column is in each component, whatever its kind.

    Attributes
    ----------
    column : str
    categories : tuple of str or None
        None: the column holds numbers.
    values : ndarray of shape (n_components, n_categories) or (n_components,)
        Probabilities of the categories, or expected values.
    deviations : ndarray of shape (n_components,) or None
        Standard deviations of numbers; NaN where they are not known.
    """

    column: str
    categories: tuple[str, ...] | None
    values: Array
    deviations: Array | None = None


def profile_columns(estimator: Any) -> list[ColumnProfile]:
    """Return the profiles of a fitted mixture's columns, in the table's order."""
    if not isinstance(getattr(estimator, "_layout", None), Layout):
        summary = estimator.summary()
        each = zip(summary.columns, summary.means.T, summary.deviations.T, strict=True)
        return [ColumnProfile(name, None, means, spread) for name, means, spread in each]
    layout: Layout = estimator._layout
    family = estimator._kind.family(estimator)
    parameters = estimator._kind.read_parameters(estimator, family)
    profiles: dict[int, ColumnProfile] = {}
    for block, placed, own in zip(family.blocks, layout.blocks, parameters, strict=True):
        for j, values, spread in _block_profiles(block.family, placed, own):
            info = layout.encoding.columns[j]
            name = f"x{info.name}" if isinstance(info.name, int) else str(info.name)
            known = None
            if spread is None:
                known = tuple(map(str, info.categories or range(values.shape[1])))
            profiles[j] = ColumnProfile(name, known, values, spread)
    return [profiles[j] for j in sorted(profiles)]


def _block_profiles(
    family: Any, placed: PlacedKind, parameters: Any
) -> Iterator[tuple[int, Array, Array | None]]:
    """Return each column's place, shares or means, and deviations of numbers."""
    columns = placed.columns.tolist()
    if placed.kind is None:
        spread = np.sqrt(family.column_variances(parameters))
        yield from zip(columns, parameters.means.T, spread.T, strict=True)
    elif placed.name == "categorical":
        for j, shares in zip(columns, placed.kind.split(parameters.probabilities), strict=True):
            yield j, shares, None
    elif placed.name == "bernoulli":
        for j, p in zip(columns, parameters.probabilities.T, strict=True):
            yield j, np.column_stack([1.0 - p, p]), None
    else:
        k = len(parameters[0])
        means = placed.kind.impute(parameters, np.eye(k))
        spread = placed.kind.deviations(parameters)
        yield from zip(columns, means.T, spread.T, strict=True)


def summarise_blocks(estimator: Any) -> BlockSummary:
    """Describe the components of a fitted mixture of blocks."""
    layout: Layout = estimator._layout
    k = len(estimator.weights_)
    name = type(estimator).__name__
    family = estimator._kind.family(estimator)
    profiles = [
        profile
        for block, placed, entry in zip(
            family.blocks, layout.blocks, estimator.parameters_, strict=True
        )
        for profile in _profiles(block.family, placed, entry, layout)
    ]
    places = {column: place for place, column in enumerate(layout.names)}
    profiles.sort(key=lambda profile: places[profile.column])
    kinds = ", ".join(_count_kinds(layout))
    return BlockSummary(
        f"{name}: {count(k, 'cluster')}, {kinds}, {origin_of(estimator)}",
        dict(estimator.kinds_),
        np.asarray(estimator.weights_, dtype=np.float64),
        expected_sizes(estimator),
        tuple(profiles),
        (*layout.notes, *_note_held(estimator, family, layout)),
    )


def _note_held(estimator: Any, family: Any, layout: Layout) -> Iterator[str]:
    """Say where clusters are held at the floor of recorded steps in Gaussian blocks."""
    record: FitRecord | None = getattr(estimator, "_record", None)
    if record is None or not record.weight or record.units.floor is None:
        return
    weights = estimator.weights_
    held = np.zeros((len(weights), len(layout.names)), dtype=bool)
    each = zip(family.blocks, layout.blocks, estimator.parameters_, record.units.floor, strict=True)
    for block, placed, entry, floor in each:
        if placed.kind is None:
            units = record.units.of_columns(block.columns)._replace(floor=floor)
            components = _components(entry)
            held[:, block.columns] = held_columns(block.family, weights, components, units)
    told = say_held([str(name) for name in layout.names], held)
    if told:
        yield told


def _count_kinds(layout: Layout) -> Iterator[str]:
    for block in layout.blocks:
        yield f"{count(len(block.columns), block.name + ' column')}"


def _profiles(
    family: Any, placed: PlacedKind, entry: dict[str, Any], layout: Layout
) -> Iterator[Profile]:
    columns = entry["columns"]
    if placed.kind is None:
        components = _components(entry)
        means, variances = components.means, family.column_variances(components)
        for j, column in enumerate(columns):
            yield Profile(column, "mean", means[:, j], np.sqrt(variances[:, j]))
    elif placed.name == "categorical":
        pairs = zip(entry["categories"], entry["probabilities"], strict=True)
        for column, (categories, shares) in zip(columns, pairs, strict=True):
            for category, share in zip(categories, np.transpose(shares), strict=True):
                yield Profile(column, str(category), share, is_share=True)
    elif placed.name == "bernoulli":
        shares = np.transpose(entry["probabilities"])
        for position, column, share in zip(placed.columns, columns, shares, strict=True):
            known = layout.encoding.columns[position].categories or (0, 1)
            yield Profile(column, str(known[1]), share, is_share=True)
    else:
        for j, column in enumerate(columns):
            for field, values in entry.items():
                if isinstance(values, np.ndarray) and values.ndim == 2:
                    what = field.removesuffix("ies") + "y" if field.endswith("ies") else field[:-1]
                    yield Profile(column, what, values[:, j])


def _components(entry: dict[str, Any]) -> GaussianParameters:
    """Read the published parameters of a Gaussian block."""
    names = ("means", "covariances", "precisions_cholesky")
    return GaussianParameters(*(np.asarray(entry[name], dtype=np.float64) for name in names))
