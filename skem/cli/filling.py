"""Filling: a table whose missing cells are what a mixture expects, or draws, there."""

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from skem import MixtureImputer
from skem.cli.cells import fill, is_text, numbers, words
from skem.cli.columns import Features, Reader
from skem.cli.files import Table
from skem.cli.kinds import Kinds
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
from skem.cli.mixed import MixedFeatures
from skem.cli.rows import WIDEST
from skem.cli.search import Compilation
from skem.columns import read_columns
from skem.engine import count_threads
from skem.impute._mixed_choice import choose_mixed
from skem.impute._table import Table as Rows
from skem.mixture._summary import plus_minus

__all__ = ["Filled", "describe", "fill_table", "note_empty"]

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
    columns : tuple of str
        Its columns that are used.
    missing : ndarray of shape (n_rows, n_columns), bool
        Which of their cells were missing.
    categories : tuple of str
        Those of these columns that hold categories.
    rounded : tuple of str
        Columns of whole numbers that were filled with such.
    mixture : mixture or None
        What filled them; None where nothing was missing.
    """

    table: Table
    columns: tuple[str, ...]
    missing: np.ndarray
    categories: tuple[str, ...]
    rounded: tuple[str, ...] = ()
    mixture: Any = None

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of the table."""
        return self.table.columns.column(self.table.names.index(name))


def fill_table(
    table: Table,
    features: Features | MixedFeatures,
    kinds: Kinds,
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
    features : Features or MixedFeatures
        Its columns that are used, of all rows.
    kinds : Kinds
        What they are.
    method : {'mean', 'mode', 'draw'}
        As for `MixtureImputer`, whose default mixture it is; of columns that the user declared it
        is chosen in the same way.
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
    filled = Filled(table, features.columns, features.missing, kinds.coded)
    if not filled.missing.any():
        return filled
    imputer = MixtureImputer(method=method, random_state=seed)
    said: list[str] = []
    with Progress(1) as progress, warnings.catch_warnings(), Compilation(progress):
        warnings.simplefilter("ignore")
        progress.show(0, "choosing and fitting a mixture")
        try:
            with threadpool_limits(count_threads(n_jobs)):
                if isinstance(features, MixedFeatures):
                    cells = _impute_mixed(imputer, features.rows, kinds)
                else:
                    cells, said = _impute_numbers(imputer, features)
        except (ArithmeticError, ValueError) as error:
            raise CommandError(f"{table.name}: cannot be imputed: {one_line(error)}") from error
    for message in said:
        note(f"{table.name}: {one_line(message).partition(': ')[0]}")
    return _put_back(filled._replace(mixture=imputer.estimator_), cells)


def _impute_numbers(
    imputer: MixtureImputer, features: Features
) -> tuple[list[np.ndarray], list[str]]:
    """Return the filled columns, and what the fit warns of."""
    rows, names = Rows(features.X, features.missing), np.array(features.columns)
    said = [text for _, text in imputer._fit(rows, None, names)]
    seed = imputer.random_state
    filled = imputer.estimator_.impute(features.X, imputer.method, random_state=seed)
    return list(filled.T), said


def _impute_mixed(imputer: MixtureImputer, rows: pa.Table, kinds: Kinds) -> list[np.ndarray]:
    """Return the filled columns: objects where they are text, else numbers."""
    if kinds.declared:
        rng, blocks_of = check_random_state(imputer.random_state), partial(_blocks, kinds)
        imputer.estimator = choose_mixed(rows, read_columns(rows), None, rng, blocks_of)
    return [
        np.array(column.to_pylist(), dtype=object if is_text(column) else np.float64)
        for column in imputer.fit_transform(rows).columns
    ]


def _blocks(kinds: Kinds, covariance_type: str) -> list[tuple[str, list[str]]]:
    """Return the blocks of columns of each kind, of which measurements are one."""
    default = [(covariance_type, kinds.numbers), ("categorical", kinds.categories)]
    return [(kind, list(names)) for kind, names in [*default, *kinds.declared] if names]


def _put_back(filled: Filled, cells: list[np.ndarray]) -> Filled:
    """Put what was imputed into the table."""
    table, rounded = filled.table, []
    columns, decimal = table.columns, table.dialect.decimal
    for name, gap, values in zip(filled.columns, filled.missing.T, cells, strict=True):
        if not gap.any():
            continue
        column = fill(filled.column(name), gap, values[gap], decimal)
        if name not in filled.categories:
            put = numbers(column, decimal).values[gap]
            if (put != values[gap]).any() and (put == np.rint(put)).all():
                rounded.append(name)
        place = table.names.index(name)
        field = columns.schema.field(place).with_type(column.type)
        columns = columns.set_column(place, field, column)
    return filled._replace(table=replace(table, columns=columns), rounded=tuple(rounded))


def note_empty(reader: Reader, used: Sequence[str]) -> None:
    """Note the columns that are not used and have empty cells, which stay."""
    counts = {
        name: int(reader.numbers(name).missing.sum())
        for name in reader.table.names
        if name and name not in used
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
    n_categories = len(filled.categories)
    n_numbers = len(filled.columns) - n_categories
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
        parts.append(f"Rounded, as the column has whole numbers: {whole}")
    empty = int(missing.all(axis=1).sum())
    if empty:
        what = "number" if not n_categories else "value"
        parts.append(f"Without any {what}: {count(empty, 'row')}, filled as any row of the mixture")
    return "\n".join(parts)


def _describe_columns(filled: Filled) -> Iterator[list[str]]:
    """Return what is said of each column in which cells were missing."""
    decimal = filled.table.dialect.decimal
    for name, gap in zip(filled.columns, filled.missing.T, strict=True):
        if not gap.any():
            continue
        column = filled.column(name)
        if name not in filled.categories:
            x = numbers(column, decimal).values
            told = [plus_minus(part.mean(), part.std()) for part in (x[~gap], x[gap])]
        else:
            cells = np.array(words(column).to_pylist(), dtype=object)
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
