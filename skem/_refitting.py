"""What a fit leaves of the one before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["check_same_names", "kept_on_failure"]


@contextmanager
def kept_on_failure(estimator: Any) -> Iterator[None]:
    """Leave an estimator as it was if what is done within fails or is interrupted.

    What is known of columns is set first, and parameters last: those of one fit beside the columns
    of another would give wrong answers.
    """
    known = vars(estimator)
    before = dict(known)
    try:
        yield
    except BaseException:
        # scikit-learn still has to tell callbacks that the fit is over, and keeps there whom.
        of_callbacks = {name: value for name, value in known.items() if "callback" in name}
        known.clear()
        known.update(before | of_callbacks)
        raise


def check_same_names(estimator: Any, before: Any) -> None:
    """Raise ValueError if a fit that goes on has columns of other names than the one before."""
    names = getattr(estimator, "feature_names_in_", None)
    if before is None or names is None or np.array_equal(before, names):
        return
    raise ValueError(
        f"X has the columns {list(names)}, but was fitted with {list(before)}: a fit that goes on "
        "(warm_start=True) can't change them. Fit a new estimator, or set warm_start=False"
    )
