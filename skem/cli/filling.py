"""Filling: a table whose missing numbers are what a mixture expects, or draws, there."""

import os
import warnings
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from skem import EMGaussianMixture, MixtureImputer
from skem.cli.cells import fill, numbers
from skem.cli.columns import Features, Reader
from skem.cli.files import Table
from skem.cli.messages import (
    CommandError,
    Progress,
    count,
    joined,
    note,
    one_line,
    quoted,
    shorten,
)
from skem.cli.rows import WIDEST
from skem.cli.search import Compilation
from skem.engine import count_threads
from skem.mixture._summary import plus_minus

__all__ = ["Filled", "describe", "fill_table", "note_left"]

_WHAT = {
    "mean": "conditional means, given what a row has",
    "mode": "the conditional means of each row's most probable component",
    "draw": "a draw from what the mixture says, given what a row has",
}


class Filled(NamedTuple):
    """A filled table.

    Attributes
    ----------
    table : Table
        The table with its cells filled.
    X : ndarray of shape (n_rows, n_columns)
        The values of its numeric columns.
    rounded : tuple of str
        The columns of whole numbers or truth values that were filled with such.
    mixture : EMGaussianMixture or None
        What filled them; None where nothing was missing.
    """

    table: Table
    X: np.ndarray
    rounded: tuple[str, ...]
    mixture: EMGaussianMixture | None


def fill_table(
    table: Table, features: Features, *, method: str, seed: int, n_jobs: int | None
) -> Filled:
    """Fill the missing cells of a table's numeric columns by a mixture that is fitted to it.

    Parameters
    ----------
    table : Table
        The table.
    features : Features
        Its numeric columns, of all rows.
    method : {'mean', 'mode', 'draw'}
        As for `MixtureImputer`, whose default mixture it is.
    seed : int
        Of the choice of the mixture, and of draws.
    n_jobs : int or None
        Number of threads; None takes all that are allowed.

    Returns
    -------
    Filled
        Columns keep their types, and cells that were there are what they were.

    Raises
    ------
    CommandError
        If no mixture can be fitted.
    """
    missing = features.missing
    if not missing.any():
        return Filled(table, features.X, (), None)
    imputer = MixtureImputer(method=method, random_state=seed)
    names = np.array(features.columns, dtype=object)
    with Progress(1) as progress, warnings.catch_warnings(), Compilation(progress):
        warnings.simplefilter("ignore")
        progress.show(0, "choosing and fitting a mixture")
        try:
            with threadpool_limits(count_threads(n_jobs)):
                said = imputer._fit(features.X, None, names)
                X = imputer.estimator_.impute(features.X, method, random_state=seed)
        except (ArithmeticError, ValueError) as error:
            raise CommandError(f"{table.name}: cannot be imputed: {one_line(error)}") from error
    for _, message in said:
        note(f"{table.name}: {one_line(message).partition(': ')[0]}")
    columns, decimal, rounded = table.columns, table.dialect.decimal, []
    for j in np.flatnonzero(missing.any(axis=0)):
        place = table.names.index(features.columns[j])
        gap = missing[:, j]
        cells = fill(columns.column(place), gap, X[gap, j], decimal)
        put = numbers(cells, decimal).values[gap]
        if (put != X[gap, j]).any() and (put == np.rint(put)).all():
            rounded.append(features.columns[j])
        X[gap, j] = put
        columns = columns.set_column(
            place, columns.schema.field(place).with_type(cells.type), cells
        )
    return Filled(replace(table, columns=columns), X, tuple(rounded), imputer.estimator_)


def note_left(reader: Reader, features: Features) -> None:
    """Note the columns whose empty cells stay."""
    counts = {
        name: int(reader.numbers(name).missing.sum())
        for name in reader.table.names
        if name and name not in features.columns
    }
    left = joined(f"{quoted(name)} ({number:,})" for name, number in counts.items() if number)
    if left:
        note(f"{reader.table.name}: empty cells stay in columns that are not used: {left}")


def describe(features: Features, filled: Filled, method: str) -> str:
    """Describe what was filled, with what, and by which mixture.

    Parameters
    ----------
    features : Features
        The numeric columns as they were.
    filled : Filled
        What came of them.
    method : str
        The imputer's.

    Returns
    -------
    str
        Several lines.
    """
    table, missing, mixture = filled.table, features.missing, filled.mixture
    title = f"{one_line(os.path.basename(table.name))}: {count(table.n_rows, 'row')}, "
    title += count(len(features.columns), "numeric column")
    if mixture is None:
        return f"{title}; no cell of these is missing, so nothing was filled"
    rows = count(int(missing.any(axis=1).sum()), "row")
    lines = [["column", "filled", "share", "cells seen", "cells filled"]]
    for j in np.flatnonzero(missing.any(axis=0)):
        gap, x = missing[:, j], filled.X[:, j]
        spreads = [plus_minus(part.mean(), part.std()) for part in (x[~gap], x[gap])]
        name = shorten(features.columns[j], WIDEST)
        lines.append([name, f"{gap.sum():,}", f"{100 * gap.mean():.1f} %", *spreads])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    components = count(mixture.n_components, "component")
    shape = f" with {mixture.covariance_type} covariance" if mixture.n_components > 1 else ""
    parts = [
        f"{title}; filled {count(int(missing.sum()), 'cell')} in {rows}",
        "",
        *(
            f"  {line[0]:<{widths[0]}}  "
            + "  ".join(
                f"{text:>{width}}" for text, width in zip(line[1:], widths[1:], strict=True)
            )
            for line in lines
        ),
        "  (mean ± standard deviation)",
        "",
        f"Filled with {_WHAT[method]}, by a mixture of {components}{shape},",
        "which was chosen by how well it fills seen cells that are hidden from it.",
    ]
    if filled.rounded:
        whole = joined(map(quoted, filled.rounded))
        parts.append(f"Rounded, as the column has whole numbers or truth values: {whole}")
    empty = int(missing.all(axis=1).sum())
    if empty:
        parts.append(f"Without any number: {count(empty, 'row')}, filled as any row of the mixture")
    return "\n".join(parts)
