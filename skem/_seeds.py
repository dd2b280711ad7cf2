"""Random numbers from a seed, as `numpy.random.RandomState` and scikit-learn make them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["generator"]


class _Zeros(np.random.SeedSequence):
    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        return [0] * n_words  # numpy reads them one by one, from an array in 12 times the time


_ZEROS = _Zeros(0)


def generator(seed: int | np.random.RandomState | None) -> np.random.RandomState:
    """Return what scikit-learn's `check_random_state` does, in a twentieth of the time.

    ``RandomState(seed)`` asks the system for random numbers before it hears of the seed, which
    takes as long as the M-steps of a small fit.
    """
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
        return check_random_state(seed)
    result = np.random.RandomState(np.random.MT19937(_ZEROS))
    result.seed(int(seed))
    return result
