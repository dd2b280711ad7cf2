"""Dask's collections, told without importing Dask."""

from __future__ import annotations

__all__ = ["check_in_memory", "is_collection"]

_HOMES = ("dask", "dask_expr")


def is_collection(X: object) -> bool:
    """Say whether something is one of Dask's collections."""
    return any(kind.__module__.partition(".")[0] in _HOMES for kind in type(X).__mro__)


def check_in_memory(X: object, who: str, instead: str) -> None:
    """Raise TypeError where a Dask collection is given to what needs all rows in memory.

    Parameters
    ----------
    X : object
    who : str
        What needs them.
    instead : str
        What the user can do, as a sentence without its full stop.
    """
    if is_collection(X):
        raise TypeError(
            f"{who} needs its rows in memory, but X is a {type(X).__module__}."
            f"{type(X).__name__}. {instead}, or call X.compute() if there is room for the table"
        )
