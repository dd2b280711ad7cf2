"""What columns of whole numbers might be besides measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy
from scipy.stats import norm

from skem.columns.read import RawColumn

__all__ = ["MOST_VALUES", "Likelier", "likelier_kinds", "note_counts"]

# Columns with more different values are measurements.
MOST_VALUES = 20


def note_counts(raw: Sequence[RawColumn]) -> tuple[str, ...]:
    """Return a note for each column of few whole numbers that another kind is likelier for.

    Log-likelihoods are those of one component; the normal density is taken for the probability of
    a whole number.
    """
    notes = []
    for column in raw:
        found = None
        if column.numbers is not None:
            found = likelier_kinds(column.numbers, column.counts)
        if found:
            listed = " and ".join(f"{name!r} {value:.1f}" for name, value in found.others.items())
            notes.append(
                f"column {column.name!r} has {found.n_values} different whole numbers and was "
                "taken as Gaussian. With one component its log-likelihood is "
                f"{found.gaussian:.1f}, as {listed}: if it is a count or a category, declare it "
                "in 'columns'."
            )
    return tuple(notes)


class Likelier(NamedTuple):
    """How likely a column of few whole numbers is by different kinds, with one component.

    Attributes
    ----------
    n_values : int
        Number of different ones.
    gaussian : float
        Log-likelihood as measurements.
    others : dict of str to float
        Those of the kinds that are likelier.
    """

    n_values: int
    gaussian: float
    others: dict[str, float]


def likelier_kinds(
    numbers: NDArray[np.float64], times: NDArray[np.int64] | None = None
) -> Likelier | None:
    """Say which kinds a column of few whole numbers is likelier by than as measurements.

    Parameters
    ----------
    numbers : ndarray of shape (n_rows,)
        NaN where missing.
    times : ndarray of shape (n_rows,), default=None
        How often each of them was counted, if not once.

    Returns
    -------
    likelier : Likelier or None
        None where there is no such kind, or values are many or no whole numbers.
    """
    seen = ~np.isnan(numbers)
    values = numbers[seen]
    if not len(values) or not (values == np.floor(values)).all():
        return None
    distinct, where = np.unique(values, return_inverse=True)
    counts = np.bincount(where, None if times is None else times[seen])
    total = counts.sum()
    if not 1 < len(distinct) <= min(MOST_VALUES, total // 2):
        return None
    mean = counts @ distinct / total
    deviation = np.sqrt(counts @ np.square(distinct - mean) / total)
    gaussian = float(counts @ norm(mean, deviation).logpdf(distinct))
    others = {"categorical": float(counts @ np.log(counts / total))}
    if distinct[0] >= 0:
        poisson = xlogy(distinct, mean) - mean - gammaln(distinct + 1.0)
        others["poisson"] = float(counts @ poisson)
    better = {name: value for name, value in others.items() if value > gaussian}
    return Likelier(len(distinct), gaussian, better) if better else None
