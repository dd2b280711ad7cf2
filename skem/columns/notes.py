"""What columns of whole numbers might be besides measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy
from scipy.stats import norm

from skem.columns.read import RawColumn

__all__ = ["Likelier", "likelier_kinds", "note_counts"]

# Columns with more different values are measurements.
_MOST_VALUES = 20


def note_counts(raw: Sequence[RawColumn]) -> tuple[str, ...]:
    """Return a note for each column of few whole numbers that another kind is likelier for.

    Log-likelihoods are those of one component; the normal density is taken for the probability of
    a whole number.
    """
    notes = []
    for column in raw:
        found = None if column.numbers is None else likelier_kinds(column.numbers)
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


def likelier_kinds(numbers: NDArray[np.float64]) -> Likelier | None:
    """Say which kinds a column of few whole numbers is likelier by than as measurements.

    Parameters
    ----------
    numbers : ndarray of shape (n_rows,)
        NaN where missing.

    Returns
    -------
    likelier : Likelier or None
        None where there is no such kind, or values are many or no whole numbers.
    """
    values = numbers[~np.isnan(numbers)]
    if not len(values) or not (values == np.floor(values)).all():
        return None
    distinct, counts = np.unique(values, return_counts=True)
    if not 1 < len(distinct) <= min(_MOST_VALUES, len(values) // 2):
        return None
    gaussian = float(norm(values.mean(), values.std()).logpdf(values).sum())
    others = {"categorical": float((counts * np.log(counts / len(values))).sum())}
    if distinct[0] >= 0:
        rate = values.mean()
        poisson = xlogy(values, rate) - rate - gammaln(values + 1.0)
        others["poisson"] = float(poisson.sum())
    better = {name: value for name, value in others.items() if value > gaussian}
    return Likelier(len(distinct), gaussian, better) if better else None
