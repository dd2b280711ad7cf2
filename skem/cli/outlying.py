"""Outliers: which rows of a table are odd, and which of their cells say so."""

import os
import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from skem import MixtureOutlierDetector
from skem.cli.columns import Features
from skem.cli.files import Table
from skem.cli.messages import CommandError, Progress, count, note, one_line
from skem.cli.search import Compilation
from skem.engine import count_threads

__all__ = ["OUTLIER_COLUMNS", "Outliers", "describe_outliers", "find_outliers"]

OUTLIER_COLUMNS = (
    *("outlier", "outlier_score", "outlier_rank"),
    *("column_1", "expected_1", "column_2", "expected_2"),
)
# Inliers that cells of outliers are compared with.
_COMPARED = 1_000
# A larger share of outliers under 'auto' is remarked on, with so many of the columns that say so.
_MANY, _LOUDEST = 0.05, 3


class Outliers(NamedTuple):
    """What the command adds to the rows that it looked at.

    Attributes
    ----------
    outlier : ndarray of shape (n_rows,), bool
    score : ndarray of shape (n_rows,)
        How far the log density is below the threshold, in nats; positive for outliers.
    columns : ndarray of shape (n_rows, 2), object
        Of an outlier, the names of the columns whose cells are the oddest, given the row's others;
        None where no (other) cell is odder than the column's usually are.
    expected : ndarray of shape (n_rows, 2)
        What would have been expected there; NaN where there is no name.
    """

    outlier: np.ndarray
    score: np.ndarray
    columns: np.ndarray
    expected: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """The rows' places, the oddest first."""
        return np.argsort(-self.score, kind="stable")

    def as_columns(self, used: np.ndarray) -> pa.Table:
        """Return columns of a table of which only some rows were looked at."""
        rank = np.empty(len(self.score), dtype=np.int64)
        rank[self.order] = np.arange(1, len(rank) + 1)
        values = [self.outlier, self.score, rank]
        for i in (0, 1):
            values += [self.columns[:, i], self.expected[:, i]]
        added = {}
        for name, part in zip(OUTLIER_COLUMNS, values, strict=True):
            column = np.zeros(len(used), dtype=part.dtype)
            column[used] = part
            absent = ~used
            absent[used] |= pd.isna(part)
            kind = pa.string() if part.dtype == object else None
            added[name] = pa.array(column, kind, mask=absent)
        return pa.table(added)


def find_outliers(
    table: Table,
    features: Features,
    *,
    contamination: str | float,
    seed: int,
    n_jobs: int | None,
) -> Outliers:
    """Fit a `MixtureOutlierDetector` to a table, and explain the rows that are outliers.

    Parameters
    ----------
    table : Table
        The table.
    features : Features
        Its numeric columns.
    contamination : 'auto' or float
    seed : int
    n_jobs : int or None
        Number of threads; None takes all that are allowed.

    Returns
    -------
    Outliers

    Raises
    ------
    CommandError
        If no mixture can be fitted.
    """
    frame = pd.DataFrame(features.X, columns=list(features.columns))
    detector = MixtureOutlierDetector(contamination=contamination, random_state=seed)
    with Progress(1) as progress, Compilation(progress):
        progress.show(0, "fitting a robust mixture")
        try:
            with (
                threadpool_limits(count_threads(n_jobs)),
                warnings.catch_warnings(record=True) as w,
            ):
                warnings.simplefilter("always")
                detector.fit(frame)
                detector.estimator_.set_params(n_jobs=n_jobs)
                score = -detector.decision_function(frame)
                columns, expected = _explain(detector, frame, score)
        except (ArithmeticError, ValueError) as error:
            raise CommandError(f"{table.name}: {one_line(error)}") from error
    for message in dict.fromkeys(one_line(warning.message) for warning in w):
        note(f"{table.name}: {message}")
    return Outliers(score > 0, score, columns, expected)


def _explain(
    detector: MixtureOutlierDetector, frame: pd.DataFrame, score: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the oddest two columns of each outlier, and what was expected there."""
    outliers, inliers = np.flatnonzero(score > 0), np.flatnonzero(score <= 0)
    columns = np.full((len(frame), 2), None, dtype=object)
    expected = np.full((len(frame), 2), np.nan)
    if not len(outliers):
        return columns, expected
    some = inliers[np.linspace(0, len(inliers) - 1, min(len(inliers), _COMPARED)).astype(int)]
    explained = detector.explain_density(frame.iloc[outliers])
    usual = detector.explain_density(frame.iloc[some])["given_rest"].median().fillna(0.0)
    # Densities of columns in different units differ by constants.
    excess = (explained["given_rest"] - usual).to_numpy()
    excess = np.where(np.isnan(excess), -np.inf, excess)
    names = frame.columns.to_numpy()
    for i in range(min(2, excess.shape[1])):
        place = np.argsort(-excess, axis=1, kind="stable")[:, i]
        pick = np.arange(len(outliers)), place
        odd = excess[pick] > 0
        columns[outliers[odd], i] = names[place[odd]]
        expected[outliers[odd], i] = explained["expected"].to_numpy()[pick][odd]
    return columns, expected


def describe_outliers(
    table: Table, features: Features, found: Outliers, contamination: str | float
) -> str:
    """Describe how many rows are outliers, and what the threshold is.

    Parameters
    ----------
    table : Table
    features : Features
    found : Outliers
    contamination : 'auto' or float

    Returns
    -------
    str
        Some lines.
    """
    number, total = int(found.outlier.sum()), len(found.score)
    threshold = (
        "rows where a mixture fitted to the bulk of them would draw less than 1 % of its own"
        if contamination == "auto"
        else f"the {100 * float(contamination):g} % of the rows that are the least probable"
    )
    many = ""
    if contamination == "auto" and number > _MANY * total:
        many = f"\n{_say_many(found)}"
    return (
        f"{one_line(os.path.basename(table.name))}: {count(total, 'row')}, "
        f"{count(len(features.columns), 'column')}; {count(number, 'outlier')} "
        f"({100 * number / total:.1f} %)\n  ({threshold}){many}"
    )


def _say_many(found: Outliers) -> str:
    """Say where many outliers come from, and what to do."""
    loudest = found.columns[found.outlier, 0]
    names, counts = np.unique(loudest[pd.notna(loudest)].astype(str), return_counts=True)
    most = np.argsort(-counts, kind="stable")[:_LOUDEST]
    told = ", ".join(f"{one_line(names[i])} ({counts[i]:,})" for i in most)
    cells = f", and most often have their oddest cell in {told}" if told else ""
    return (
        f"  These are many{cells}: columns with long tails\n  or few values are unlike the normal "
        "distributions of the mixture. --contamination 0.01 flags the least probable 1 % instead."
    )
