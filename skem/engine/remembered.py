"""What was made of small arrays, for whoever asks for the same again.

A grid, cross-validation and a bootstrap fit many mixtures to one table, each of which grows a tree
of its rows and looks for the steps of its columns.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Remembered"]

Value = TypeVar("Value")
Given: TypeAlias = "NDArray[Any] | None"

# Arrays of more bytes are not looked at: what is made of them is seldom asked for twice.
_MOST_BYTES = 1 << 18
# Folds of a cross-validation, and then some.
_MOST = 16


class Remembered(Generic[Value]):
    """Values by what arrays hold; the latest asked for are kept, and the arrays are not."""

    def __init__(self) -> None:
        self._values: OrderedDict[bytes, Value] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, make: Callable[[], Value], *arrays: Given) -> Value:
        """Return ``make()``, which depends on these arrays alone; the same object for the same.

        It must not be changed.
        """
        if sum(0 if array is None else array.nbytes for array in arrays) > _MOST_BYTES:
            return make()
        key = _digest(arrays)
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > _MOST:
                self._values.popitem(last=False)
        return value


def _digest(arrays: tuple[Given, ...]) -> bytes:
    """Return 16 bytes that tell dtypes, shapes and values."""
    digest = blake2b(digest_size=16)
    for array in arrays:
        if array is None:
            digest.update(b"none")
        else:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
