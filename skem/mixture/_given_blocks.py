"""Parameters of blocks of columns that a fit is to start from."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem._parameters import check_shape
from skem.families.product import Block, ProductFamily
from skem.mixture._given import check_components
from skem.mixture._layout import Layout, PlacedKind
from skem.mixture._units import Units

__all__ = ["read_given"]

Array: TypeAlias = NDArray[np.float64]

_POSITIVE = ("rates", "shapes", "sizes", "variances")


def read_given(
    entries: Any, layout: Layout, family: ProductFamily, units: Units, n_components: int
) -> tuple[Any, ...]:
    """Return given parameters of each block in the table's units, None where there are none.

    Parameters
    ----------
    entries : list of dict or None
        As ``parameters_`` of an estimator has them.
    layout : Layout
    family : ProductFamily
    units : Units
    n_components : int

    Raises
    ------
    ValueError
        If they are not those of such blocks.
    """
    if not isinstance(entries, list | tuple) or len(entries) != len(layout.blocks):
        raise ValueError(
            "The parameter 'parameters_init' should be a list with an entry (a dict, or None) for "
            f"each of the {len(layout.blocks)} blocks {[block.name for block in layout.blocks]}"
        )
    found: list[Any] = []
    for block, placed, entry in zip(family.blocks, layout.blocks, entries, strict=True):
        if entry is None:
            found.append(None)
            continue
        names = [layout.names[j] for j in placed.columns]
        try:
            own = _read(block, placed, entry, layout, n_components)
        except ValueError as error:
            raise ValueError(
                f"The parameter 'parameters_init' has a bad entry for the {placed.name!r} "
                f"column(s) {names}: {error}"
            ) from error
        of_block = units.of_columns(block.columns)
        found.append(block.family.standardise(own, of_block.origin, of_block.scale))
    return tuple(found)


def _read(block: Block, placed: PlacedKind, entry: Any, layout: Layout, k: int) -> Any:
    if not isinstance(entry, dict):
        raise ValueError(f"it should be a dict or None, but is {entry!r}")
    _check_same(placed, entry, layout)
    d = len(placed.columns)
    fields = ("means", "covariances")
    if placed.kind is not None:
        fields = block.family.without_rows(1, block.n_lines)._fields
    lacks = [name for name in fields if name not in entry]
    if lacks:
        raise ValueError(f"it lacks {', '.join(lacks)}")
    if placed.kind is None:
        means = check_shape("means", entry["means"], (k, d))
        return check_components(block.family, means, entry["covariances"])
    like = block.family.without_rows(k, block.n_lines)
    values = {name: entry[name] for name in fields}
    if placed.name == "categorical":
        shapes = [(k, n) for n in placed.kind.n_categories]
        pairs = zip(entry["probabilities"], shapes, strict=True)
        parts = [check_shape("probabilities", own, shape) for own, shape in pairs]
        if any(np.abs(part.sum(axis=1) - 1.0).max() > 1e-6 for part in parts):
            raise ValueError("the probabilities of a column should sum to one")
        values = {"probabilities": np.hstack(parts)}
    own = [check_shape(name, values[name], np.shape(getattr(like, name))) for name in fields]
    parameters = type(like)(*own)
    _check_range(placed, parameters)
    return parameters


def _check_same(placed: PlacedKind, entry: dict[str, Any], layout: Layout) -> None:
    """Raise ValueError for an entry that says that it is of another block."""
    infos = [layout.encoding.columns[j] for j in placed.columns]
    expected = {
        "kind": placed.name,
        "columns": [info.name for info in infos],
        "categories": [list(info.categories or ()) for info in infos],
    }
    for name, value in expected.items():
        if name in entry and entry[name] != value:
            raise ValueError(f"its {name!r} is {entry[name]}, but the fit has {value}")


def _check_range(placed: PlacedKind, parameters: Any) -> None:
    """Raise ValueError for parameters that no density has."""
    probabilities = getattr(parameters, "probabilities", None)
    if probabilities is not None and not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities should be from 0 to 1")
    for name, values in parameters._asdict().items():
        if name in _POSITIVE and (values < 0).any():
            raise ValueError(f"{name} should not be negative")
    with np.errstate(all="ignore"):
        linear = placed.kind.coefficients(parameters)
    if not all(np.isfinite(part).all() for part in linear):
        raise ValueError(
            f"no {placed.name} density has the parameters "
            f"{ {name: value.tolist() for name, value in parameters._asdict().items()} }"
        )
