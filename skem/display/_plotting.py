"""matplotlib, imported when a picture is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BESIDE", "palette_of", "point_size", "pyplot", "sample_rows"]

# Where a legend stands: to the right of the axes, which it then can't cover.
BESIDE: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}


def pyplot(owner: str) -> Any:
    """Import pyplot, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f'{owner} needs matplotlib: pip install "skem[plot]"') from error
    return plt


def sample_rows(n_rows: int, max_points: int) -> NDArray[np.intp]:
    """Return the rows to draw, in order: all, or a random sample that is the same each time."""
    if max_points < 1:
        raise ValueError(f"max_points must be at least 1, got {max_points}.")
    if n_rows <= max_points:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).choice(n_rows, max_points, replace=False))


def point_size(n_points: int, largest: float) -> float:
    """Return an area in square points that shrinks as points cover each other."""
    return largest * min(1.0, max(0.15, (500.0 / max(n_points, 1)) ** 0.5))


def palette_of(plt: Any, n_components: int, colors: Sequence[Any] | None) -> NDArray[Any]:
    """Return one RGBA color for each component, shape (n_components, 4)."""
    from matplotlib.colors import to_rgba_array

    if colors is None:
        if n_components <= 10:
            return plt.get_cmap("tab10")(np.arange(n_components))
        return plt.get_cmap("turbo")(np.linspace(0.0, 1.0, n_components))
    if len(colors) != n_components:
        raise ValueError(
            f"colors must have one color for each of the {n_components} components, "
            f"got {len(colors)}."
        )
    return to_rgba_array(colors)
