"""What columns of whole numbers might be besides measurements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln, xlogy
from scipy.stats import norm

from skem.columns.read import RawColumn

__all__ = ["note_counts"]

# Columns with more different values are measurements.
_MOST_VALUES = 20


def note_counts(raw: Sequence[RawColumn]) -> tuple[str, ...]:
    """Return a note for each column of few whole numbers that another kind is likelier for.

    Log-likelihoods are those of one component; the normal density is taken for the probability of
    a whole number.
    """
    notes = []
    for column in raw:
        if column.numbers is None:
            continue
        values = column.numbers[~np.isnan(column.numbers)]
        if not len(values) or not (values == np.floor(values)).all():
            continue
        distinct, counts = np.unique(values, return_counts=True)
        if not 1 < len(distinct) <= min(_MOST_VALUES, len(values) // 2):
            continue
        gaussian = float(norm(values.mean(), values.std()).logpdf(values).sum())
        others = {"categorical": float((counts * np.log(counts / len(values))).sum())}
        if distinct[0] >= 0:
            rate = values.mean()
            poisson = xlogy(values, rate) - rate - gammaln(values + 1.0)
            others["poisson"] = float(poisson.sum())
        better = {name: value for name, value in others.items() if value > gaussian}
        if better:
            listed = " and ".join(f"{name!r} {value:.1f}" for name, value in better.items())
            notes.append(
                f"column {column.name!r} has {len(distinct)} different whole numbers and was "
                f"taken as Gaussian. With one component its log-likelihood is {gaussian:.1f}, as "
                f"{listed}: if it is a count or a category, declare it in 'columns'."
            )
    return tuple(notes)
