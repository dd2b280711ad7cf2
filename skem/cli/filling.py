"""Filling: a table whose missing cells are what a mixture expects, or draws, there."""

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from skem import MixtureImputer
from skem.cli.categories import Categories, put_text
from skem.cli.cells import fill, is_boolean, numbers
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
from skem.impute._table import Table as Rows
from skem.mixture._summary import plus_minus

__all__ = ["Filled", "describe", "fill_table", "note_left"]

_WHAT = {
    "mean": "conditional means{}, given what a row has",
    "mode": "the conditional means{} of each row's most probable component",
    "draw": "a draw from what the mixture says, given what a row has",
}
_OF_CATEGORIES = " (of categories, the most probable)"


class Filled(NamedTuple):
    """A filled table.

    Attributes
    ----------
    table : Table
        The table with its cells filled.
    features : Features
        Its columns of numbers, as they were.
    X : ndarray of shape (n_rows, n_columns)
        Their values.
    categories : Categories
        Its columns of categories, as they were.
    texts : dict
        All cells of each of these, by name.
    rounded : tuple of str
        The columns of whole numbers or truth values that were filled with such.
    mixture : mixture or None
        What filled them; None where nothing was missing.
    """

    table: Table
    features: Features
    X: np.ndarray
    categories: Categories
    texts: dict[str, list[Any]]
    rounded: tuple[str, ...] = ()
    mixture: Any = None

    @property
    def missing(self) -> np.ndarray:
        """Which cells were missing, of numbers and then of categories."""
        return np.hstack([self.features.missing, self.categories.missing(self.table.n_rows)])


def fill_table(
    table: Table,
    features: Features,
    categories: Categories,
    *,
    method: str,
    seed: int,
    n_jobs: int | None,
) -> Filled:
    """Fill the missing cells of a table's columns by a mixture that is fitted to it.

    Parameters
    ----------
    table : Table
        The table.
    features : Features
        Its numeric columns, of all rows.
    categories : Categories
        Its columns of categories.
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
    filled = Filled(table, features, features.X, categories, dict(categories.cells))
    if not filled.missing.any():
        return filled
    imputer = MixtureImputer(method=method, random_state=seed)
    truth = [_holds_truth(table, name) for name in features.columns]
    with Progress(1) as progress, warnings.catch_warnings(), Compilation(progress):
        warnings.simplefilter("ignore")
        progress.show(0, "choosing and fitting a mixture")
        try:
            with threadpool_limits(count_threads(n_jobs)):
                if categories.cells or any(truth):
                    X, texts = _impute_kinds(imputer, features, categories, truth)
                    said = []
                else:
                    rows, names = Rows(features.X, features.missing), np.array(features.columns)
                    said = [text for _, text in imputer._fit(rows, None, names)]
                    X, texts = imputer.estimator_.impute(features.X, method, random_state=seed), {}
        except (ArithmeticError, ValueError) as error:
            raise CommandError(f"{table.name}: cannot be imputed: {one_line(error)}") from error
    for message in said:
        note(f"{table.name}: {one_line(message).partition(': ')[0]}")
    filled = filled._replace(X=X, texts=texts, mixture=imputer.estimator_)
    return _put_back(filled)


def _holds_truth(table: Table, name: str) -> bool:
    return is_boolean(table.columns.column(table.names.index(name)))


def _impute_kinds(
    imputer: MixtureImputer, features: Features, categories: Categories, truth: list[bool]
) -> tuple[np.ndarray, dict[str, list[Any]]]:
    """Return the filled numbers, and the filled cells of columns of categories."""
    columns: dict[str, pa.Array] = {}
    for name, x, is_truth in zip(features.columns, features.X.T, truth, strict=True):
        columns[name] = pa.array(x == 1.0, mask=np.isnan(x)) if is_truth else pa.array(x)
    for name, cells in categories.cells.items():
        columns[name] = pa.array(cells, pa.large_string())
    filled = imputer.fit_transform(pa.table(columns))
    X = features.X.copy()
    for j, name in enumerate(features.columns):
        X[:, j] = filled.column(name).to_pylist()
    return X, {name: filled.column(name).to_pylist() for name in categories.names}


def _put_back(filled: Filled) -> Filled:
    """Put what was imputed into the table."""
    table, X, rounded = filled.table, filled.X, []
    columns, decimal = table.columns, table.dialect.decimal
    missing = filled.features.missing
    for j in np.flatnonzero(missing.any(axis=0)):
        name = filled.features.columns[j]
        gap = missing[:, j]
        old = columns.column(table.names.index(name))
        cells = fill(old, gap, X[gap, j], decimal)
        put = numbers(cells, decimal).values[gap]
        whole = (put == np.rint(put)).all()
        if ((put != X[gap, j]).any() or _holds_truth(table, name)) and whole:
            rounded.append(name)
        X[gap, j] = put
        columns = _set(columns, table.names.index(name), cells)
    for name, gap in zip(filled.texts, filled.categories.missing(table.n_rows).T, strict=True):
        if gap.any():
            place = table.names.index(name)
            texts = [filled.texts[name][row] for row in np.flatnonzero(gap).tolist()]
            columns = _set(columns, place, put_text(columns.column(place), gap, texts))
    return filled._replace(table=replace(table, columns=columns), rounded=tuple(rounded))


def _set(columns: pa.Table, place: int, cells: pa.ChunkedArray) -> pa.Table:
    return columns.set_column(place, columns.schema.field(place).with_type(cells.type), cells)


def note_left(reader: Reader, features: Features, categories: Categories) -> None:
    """Note the columns whose empty cells stay."""
    counts = {
        name: int(reader.numbers(name).missing.sum())
        for name in reader.table.names
        if name and name not in (*features.columns, *categories.names)
    }
    left = joined(f"{quoted(name)} ({number:,})" for name, number in counts.items() if number)
    if left:
        note(f"{reader.table.name}: empty cells stay in columns that are not used: {left}")


def describe(filled: Filled, method: str) -> str:
    """Describe what was filled, with what, and by which mixture.

    Parameters
    ----------
    filled : Filled
        The table.
    method : str
        The imputer's.

    Returns
    -------
    str
        Several lines.
    """
    table, missing, mixture = filled.table, filled.missing, filled.mixture
    n_numbers, n_categories = len(filled.features.columns), len(filled.categories.names)
    title = f"{one_line(os.path.basename(table.name))}: {count(table.n_rows, 'row')}, "
    parts = [count(n_numbers, "numeric column")] if n_numbers or not n_categories else []
    parts += [count(n_categories, "column") + " of categories"] if n_categories else []
    title += ", ".join(parts)
    if mixture is None:
        return f"{title}; no cell of these is missing, so nothing was filled"
    rows = count(int(missing.any(axis=1).sum()), "row")
    lines = [
        ["column", "filled", "share", "cells seen", "cells filled"],
        *_describe_columns(filled),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    kept = "; of categories, the most frequent" if n_categories else ""
    what = _WHAT[method].format(_OF_CATEGORIES if n_categories else "")
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
        f"  (mean ± standard deviation{kept})",
        "",
        f"Filled with {what}, by a mixture of {_say_mixture(mixture)},",
        "which was chosen by how well it fills seen cells that are hidden from it.",
    ]
    if filled.rounded:
        whole = joined(map(quoted, filled.rounded))
        parts.append(f"Rounded, as the column has whole numbers or truth values: {whole}")
    empty = int(missing.all(axis=1).sum())
    if empty:
        what = "number" if not n_categories else "value"
        parts.append(f"Without any {what}: {count(empty, 'row')}, filled as any row of the mixture")
    return "\n".join(parts)


def _describe_columns(filled: Filled) -> Iterator[list[str]]:
    """Return what is said of each column in which cells were missing."""
    n_numbers = len(filled.features.columns)
    names = (*filled.features.columns, *filled.categories.names)
    for j, (name, gap) in enumerate(zip(names, filled.missing.T, strict=True)):
        if not gap.any():
            continue
        if j < n_numbers:
            x = filled.X[:, j]
            told = [plus_minus(part.mean(), part.std()) for part in (x[~gap], x[gap])]
        else:
            cells = np.array(filled.texts[name], dtype=object)
            told = [_most_frequent(part) for part in (cells[~gap], cells[gap])]
        share = f"{100 * gap.mean():.1f} %"
        yield [shorten(name, WIDEST), f"{gap.sum():,}", share, *told]


def _most_frequent(cells: np.ndarray) -> str:
    ((text, number),) = Counter(cells.tolist()).most_common(1)
    return f"{shorten(text, WIDEST)} {100 * number / len(cells):.0f} %"


def _say_mixture(mixture: Any) -> str:
    """Return the number of components, and their covariances' type."""
    components = count(mixture.n_components, "component")
    types = [getattr(mixture, "covariance_type", None)]
    if types == [None]:
        types = [entry["kind"] for entry in mixture.parameters_ if "covariances" in entry]
    if mixture.n_components == 1 or not types:
        return components
    return f"{components} with {types[0]} covariance"
