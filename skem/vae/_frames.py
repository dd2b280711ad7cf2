"""Rows in the container that a user asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_container"]


def in_container(
    values: NDArray[Any], container: str, names: NDArray[Any] | None, like: object
) -> Any:
    """Return rows as an array or a frame.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
    container : {'default', 'pandas', 'polars'}
        As `set_output` takes it; 'default' is the array itself.
    names : ndarray of shape (n_features,) or None
        Of the columns; None: x0, x1, ...
    like : object
        A pandas frame of as many rows gives its index.
    """
    if container == "default":
        return values
    columns = [f"x{j}" for j in range(values.shape[1])] if names is None else list(names)
    module = import_module(container)
    if container == "polars":
        return module.DataFrame(np.asarray(values), schema=columns, orient="row")
    index = like.index if isinstance(like, module.DataFrame) else None
    return module.DataFrame(values, columns=columns, index=index)
