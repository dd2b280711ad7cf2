"""Statistics of a user's own shape as flat vectors, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import prod
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layout", "describe", "difference", "flatten", "names", "rebuild", "split"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """What statistics are made of: a number or an array, or a tuple or dict of layouts.

    Attributes
    ----------
    kind : str
        "array" (a number is one of shape ``()``), or the name of the type of the tuple or dict.
    shape : tuple of int
        Of an array.
    labels : tuple of str
        How the parts of a tuple or dict are written: ``.mean``, ``[0]``, ``['mean']``.
    parts : tuple of Layout
    make : callable
        Makes the tuple or dict from a list of its parts.
    """

    kind: str
    shape: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    parts: tuple[Layout, ...] = ()
    # Left out of comparisons: a named tuple may be declared anew in each call.
    make: Callable[[list[Any]], Any] | None = field(default=None, compare=False)


def describe(value: object) -> str:
    """Return a type's name with an article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def flatten(statistics: Any, name: str) -> tuple[Array, Layout]:
    """Return all numbers in one float64 vector of its own memory, and how they were arranged.

    Raises
    ------
    TypeError
        If something is no number, array, tuple or dict; `name` and its labels say where.
    """
    pieces: list[Array] = []
    layout = _collect(statistics, name, pieces)
    return np.concatenate(pieces) if pieces else np.empty(0), layout


def _collect(value: Any, name: str, pieces: list[Array]) -> Layout:
    if isinstance(value, tuple | dict):
        parts, labels, make = _open(value)
        layouts = [
            _collect(p, name + label, pieces) for p, label in zip(parts, labels, strict=True)
        ]
        return Layout(type(value).__name__, labels=labels, parts=tuple(layouts), make=make)
    if not (isinstance(value, Real) or type(value) is np.ndarray):
        raise TypeError(
            f"{name} is {describe(value)}: statistics must be numbers, NumPy arrays, or (named) "
            "tuples or dicts of them"
        )
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, but has the dtype {array.dtype}")
    pieces.append(array.astype(np.float64).ravel())
    return Layout("array", array.shape)


def _open(
    value: tuple[Any, ...] | dict[Any, Any],
) -> tuple[tuple[Any, ...], tuple[str, ...], Callable[[list[Any]], Any]]:
    """Return the parts of a tuple or dict, how they are written, and what puts them together."""
    if isinstance(value, dict):
        keys = tuple(value)

        def make(parts: list[Any]) -> dict[Any, Any]:
            return dict(zip(keys, parts, strict=True))

        return tuple(value.values()), tuple(f"[{key!r}]" for key in keys), make
    fields, named = getattr(value, "_fields", None), getattr(type(value), "_make", tuple)
    if fields is not None:
        return tuple(value), tuple(f".{key}" for key in fields), named
    return value, tuple(f"[{i}]" for i in range(len(value))), tuple


def rebuild(layout: Layout, vector: Array) -> Any:
    """Arrange a vector's numbers as they were; arrays have memory of their own."""
    return _arrange(layout, iter(split(layout, vector)))


def _arrange(layout: Layout, pieces: Iterator[Array]) -> Any:
    if layout.make is not None:
        return layout.make([_arrange(part, pieces) for part in layout.parts])
    piece = next(pieces)
    return piece[0] if layout.shape == () else piece.reshape(layout.shape).copy()


def split(layout: Layout, vector: Array) -> list[Array]:
    """Return the pieces of a vector that were one number or array each."""
    ends = list(accumulate((prod(shape) for _, shape in _leaves(layout, "")), initial=0))
    return [vector[start:end] for start, end in pairwise(ends)]


def names(layout: Layout, name: str) -> list[str]:
    """Return how the numbers and arrays are written, in the order of the vector."""
    return [leaf for leaf, _ in _leaves(layout, name)]


def _leaves(layout: Layout, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    if layout.make is None:
        yield name, layout.shape
    for label, part in zip(layout.labels, layout.parts, strict=True):
        yield from _leaves(part, name + label)


def difference(wanted: Layout, given: Layout, name: str) -> str:
    """Say in words where two layouts first differ."""
    if wanted.kind != given.kind:
        return f"{name} is of kind {given.kind}, and was of kind {wanted.kind} before"
    if wanted.shape != given.shape:
        return f"{name} has the shape {given.shape}, and had {wanted.shape} before"
    if wanted.labels != given.labels:
        have, had = ", ".join(given.labels), ", ".join(wanted.labels)
        return f"{name} has the parts {have}, and had {had} before"
    parts = zip(wanted.labels, wanted.parts, given.parts, strict=True)
    label, old, new = next(part for part in parts if part[1] != part[2])
    return difference(old, new, name + label)
