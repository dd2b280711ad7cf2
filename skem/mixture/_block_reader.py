"""How fitted mixtures of blocks of columns are read, and their rows."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine import Partitions
from skem.families import GaussianParameters
from skem.families.product import ProductFamily
from skem.mixture._layout import Layout, check_same, make_layout, read_table
from skem.mixture._layout_parts import read_blocks, read_parts
from skem.mixture._lazy import TableReader
from skem.mixture._reading import check_complete

__all__ = ["BlockReader"]

# Kinds besides Gaussian ones that are held above the steps of their columns.
_WITH_FLOOR = ("gamma", "lognormal")

Floats: TypeAlias = NDArray[np.floating]


class BlockReader:
    """How mixtures of blocks are read; see `skem.mixture._reading.Reader`."""

    def family(self, estimator: Any) -> ProductFamily:
        """Make the family of what was fitted."""
        layout: Layout = estimator._layout
        return layout.family(float(estimator.reg_covar))

    def read_rows(self, estimator: Any, X: Any, *, reset: bool) -> Floats:
        """Return rows as numbers, with codes of categories; NaN where missing."""
        rows, raw = read_table(estimator, X, reset=reset)
        if reset:
            layout = make_layout(estimator.columns, X, raw)
            if estimator.warm_start and hasattr(estimator, "converged_"):
                check_same(estimator._layout, layout)
            estimator._layout, estimator.kinds_ = layout, layout.encoding.kinds
        layout = estimator._layout
        if rows is not None and layout.is_gaussian:
            return rows
        values = layout.encoding.encode(raw, estimator.handle_unknown)
        layout.check(values)
        return values

    def read_partitions(
        self, estimator: Any, X: Any, sample_weight: Any, *, reset: bool
    ) -> Partitions:
        """Return the rows of a Dask collection as such numbers; they stay where they lie."""
        partitions, layout = read_blocks(estimator, X, sample_weight)
        if estimator.warm_start and hasattr(estimator, "converged_"):
            check_same(estimator._layout, layout)
        estimator._layout, estimator.kinds_ = layout, layout.encoding.kinds
        return partitions

    def part_reader(self, estimator: Any, X: Any) -> TableReader:
        """Say how partitions are read: as they are, since methods encode them."""
        return read_parts(estimator, X)

    def layout(self, estimator: Any) -> Layout:
        """Return what was fitted."""
        result: Layout = estimator._layout
        return result

    def structure(self, estimator: Any) -> str:
        """Return nothing: what was fitted is kept by itself."""
        return ""

    def shape(self, estimator: Any) -> tuple[int, int]:
        """Return the numbers of components and of columns."""
        check_complete(estimator, ("weights_", "parameters_"))
        return len(estimator.weights_), len(estimator._layout.names)

    def column_names(self, estimator: Any, n_features: int) -> list[Any]:
        """Return the names of the columns, or their positions."""
        layout: Layout = estimator._layout
        return layout.names

    def stepped_columns(self, estimator: Any, n_features: int) -> NDArray[np.bool_]:
        """Say which columns may have been recorded in steps: those with densities."""
        stepped = np.zeros(n_features, dtype=bool)
        for block in estimator._layout.blocks:
            stepped[block.columns] = block.kind is None or block.name in _WITH_FLOOR
        return stepped

    def publish_parameters(
        self, layout: Layout, parameters: tuple[Any, ...]
    ) -> list[dict[str, Any]]:
        """Return parameters, in the user's units, as an entry for each block."""
        names = layout.names
        entries = []
        for block, own in zip(layout.blocks, parameters, strict=True):
            entry: dict[str, Any] = {
                "kind": block.name,
                "columns": [names[j] for j in block.columns],
            }
            if block.kind is None:
                entry |= {"means": own.means, "covariances": own.covariances}
                entry["precisions_cholesky"] = own.factors
            elif block.name == "categorical":
                infos = [layout.encoding.columns[j] for j in block.columns]
                entry["categories"] = [list(info.categories or ()) for info in infos]
                entry["probabilities"] = block.kind.split(own.probabilities)
            else:
                entry |= own._asdict()
            entries.append(entry)
        return entries

    def read_parameters(self, estimator: Any, family: ProductFamily) -> tuple[Any, ...]:
        """Read the published parameters back."""
        check_complete(estimator, ("weights_", "parameters_", "_layout"))
        layout: Layout = estimator._layout
        parameters = []
        for block, placed, entry in zip(
            family.blocks, layout.blocks, estimator.parameters_, strict=True
        ):
            if placed.kind is None:
                fields = ("means", "covariances", "precisions_cholesky")
                own = [np.asarray(entry[name], dtype=np.float64) for name in fields]
                parameters.append(GaussianParameters(*own))
                continue
            like = block.family.without_rows(1, block.n_lines)
            values = {name: entry[name] for name in like._fields}
            if placed.name == "categorical":
                values = {"probabilities": np.hstack(entry["probabilities"])}
            own = [np.asarray(value, dtype=np.float64) for value in values.values()]
            parameters.append(type(like)(*own))
        return tuple(parameters)
