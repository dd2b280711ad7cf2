"""Noise: the box that it is as dense as, and what estimators publish of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families import NoisyFamily
from skem.mixture._units import Units

__all__ = [
    "NOISE",
    "NoiseBox",
    "draw_noise",
    "measure_box",
    "n_noise",
    "published_weights",
    "with_noise_of",
]

Array: TypeAlias = NDArray[np.float64]

NOISE = -1
"""The label of rows that are noise."""

# Rows looked through at a time.
_ROWS = 16_384
# Principal axes along which rows spread less, against the widest, are rounding.
_ROUNDING = 1e-7


class NoiseBox(NamedTuple):
    """Where noise is.

    Attributes
    ----------
    low, high : ndarray of shape (D,)
        Ends of the box along its axes.
    axes : ndarray of shape (D, D)
        A row times this has the coordinates that these are ends of.
    log_widths : ndarray of shape (D,)
        In the user's units. Their sum is the logarithm of the volume; the density of some of a
        row's cells is that of their widths.
    """

    low: Array
    high: Array
    axes: Array
    log_widths: Array


def _blocks(X: NDArray[np.floating], weights: Array | None) -> Iterator[tuple[Array, Array]]:
    """Go through the rows of positive weight, and these weights."""
    for start in range(0, len(X), _ROWS):
        rows = np.asarray(X[start : start + _ROWS], dtype=np.float64)
        own = np.ones(len(rows)) if weights is None else weights[start : start + _ROWS]
        yield (rows, own) if weights is None else (rows[own > 0], own[own > 0])


def _ends(X: NDArray[np.floating], weights: Array | None, axes: Array | None) -> Array:
    """Least and largest coordinates of rows, (2, D); missing cells don't count."""
    ends: Array = np.full((2, X.shape[1]), np.nan)
    for block, _ in _blocks(X, weights):
        rows = block if axes is None else block @ axes
        ends[0] = np.fmin(ends[0], np.fmin.reduce(rows, axis=0, initial=np.nan))
        ends[1] = np.fmax(ends[1], np.fmax.reduce(rows, axis=0, initial=np.nan))
    return ends


def _principal_axes(X: NDArray[np.floating], weights: Array | None, units: Units) -> Array | None:
    """Axes of the correlations between columns, in the columns' own units; None for missing cells.

    Of correlations, so that no column's unit counts.
    """
    total, squares = 0.0, np.zeros((X.shape[1], X.shape[1]))
    for block, own in _blocks(X, weights):
        rows = (block - units.origin) / units.column_scale
        if np.isnan(rows).any():
            return None
        total += float(own.sum())
        squares += (own * rows.T) @ rows
    values, vectors = np.linalg.eigh(squares / total)
    if values[0] <= _ROUNDING**2 * values[-1]:
        return None
    return np.asarray(vectors / units.column_scale[:, None], dtype=np.float64)


def measure_box(
    noise: bool | float,
    X: NDArray[np.floating],
    weights: Array | None,
    units: Units,
    names: Sequence[object],
) -> NoiseBox:
    """Return the smaller of two boxes around the rows: along the columns, or principal axes.

    Parameters
    ----------
    noise : True or float
        A float is the volume that counts.
    X : ndarray of shape (n_rows, D)
    weights : ndarray of shape (n_rows,) or None
    units : Units
    names : sequence
        Of the columns.

    Raises
    ------
    ValueError
        If a column is constant, so that the box has no volume, or there is but one row.
    """
    n_rows = len(X) if weights is None else int(np.count_nonzero(weights))
    if n_rows < 2:
        raise ValueError(f"noise={noise!r} needs two rows or more, but got n_samples = {n_rows}")
    if units.constant.any():
        listed = [names[j] for j in np.flatnonzero(units.constant).tolist()]
        raise ValueError(
            f"noise={noise!r} is as dense as a box around the rows, but column(s) {listed} of X "
            "are constant, so that the box has no volume: drop them, or set noise=False"
        )
    low, high = _ends(X, weights, None)
    axes = np.eye(X.shape[1])
    log_widths: Array = np.log(high - low)
    log_volume = float(log_widths.sum())
    turned = _principal_axes(X, weights, units)
    if turned is not None:
        ends = _ends(X, weights, turned)
        # In columns' units: the axes are a rotation of scaled columns.
        other = float(np.log(ends[1] - ends[0]).sum() + np.log(units.column_scale).sum())
        if other < log_volume:
            (low, high), axes, log_volume = ends, turned, other
    if not isinstance(noise, bool | np.bool_):
        log_volume = float(np.log(noise))
    log_widths += (log_volume - log_widths.sum()) / len(log_widths)
    return NoiseBox(low, high, axes, log_widths)


def draw_noise(box: NoiseBox, n_rows: int, rng: np.random.RandomState) -> Array:
    """Draw rows from a box, (n_rows, D)."""
    inside = box.low + (box.high - box.low) * rng.uniform(size=(n_rows, len(box.low)))
    return np.asarray(np.linalg.solve(box.axes.T, inside.T).T, dtype=np.float64)


def n_noise(estimator: Any) -> int:
    """Count the components of a fitted estimator that are noise: one or none."""
    record = getattr(estimator, "_record", None)
    return int(record is not None and record.units.box is not None)


def published_weights(weights: Array, n_components: int) -> dict[str, Any]:
    """Return fitted attributes for weights of which any after the components' are noise."""
    attributes: dict[str, Any] = {"weights_": weights[:n_components]}
    if len(weights) > n_components:
        attributes["noise_weight_"] = float(weights[-1])
    return attributes


def with_noise_of(estimator: Any, family: Any) -> Any:
    """Return the family with the noise that a fitted estimator found, in the user's units."""
    if not n_noise(estimator):
        return family
    return NoisyFamily(family, NoiseBox(*estimator._record.units.box).log_widths)
