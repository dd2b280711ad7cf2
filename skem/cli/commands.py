"""The commands, from parsed arguments to printed summary."""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from skem.cli.columns import Features, Reader, Request
from skem.cli.files import ADDED, STREAM, Table, check_target, read_table, write_table
from skem.cli.filling import describe, fill_table, note_empty
from skem.cli.kinds import Kinds, choose_kinds, note_left_out
from skem.cli.many import cluster_parts
from skem.cli.messages import CommandError, Progress, count, require
from skem.cli.mixed import MixedFeatures, read_known, read_mixed
from skem.cli.mixed_model import MixedModel
from skem.cli.mixed_search import search_mixed
from skem.cli.model import Model, Scores
from skem.cli.noting import note_counts, note_gaps, note_header, note_ids, note_same
from skem.cli.report import score_summary, summary
from skem.cli.rows import filled_rows, first_rows, least_probable, odd_rows
from skem.cli.saving import SUFFIX, load_model, save_model
from skem.cli.search import MATRIX_TYPES, Compilation, Search, search
from skem.cli.text import Dialect

__all__ = ["cluster", "impute", "outliers", "score"]

IN_LARGEST = ", put into the largest cluster"


def cluster(arguments: Namespace) -> None:
    """Fit mixtures to a table, choose one, and write the table with its clusters.

    Parameters
    ----------
    arguments : Namespace
        The parsed command line.

    Raises
    ------
    CommandError
        If the input is bad or a file cannot be written.
    """
    if arguments.dask:
        cluster_parts(arguments)
        return
    _check_output(arguments)
    if arguments.save is not None:
        require("skops.io")
        check_target(arguments.save, SUFFIX)
    table = _read(arguments)
    weight = arguments.weight_column
    request = Request(arguments.columns, arguments.exclude, weight, arguments.drop_missing)
    reader = Reader(table)
    kinds = choose_kinds(reader, request, arguments.kind)
    features = _read_columns(reader, request, kinds)
    ks, unfit = _numbers_of_clusters(arguments, table, features, len(kinds.numbers))
    _remark(reader, request, features, kinds)
    note_gaps(reader, features, IN_LARGEST)
    found = _search(arguments, features, kinds, ks)
    if kinds.are_numbers and found.best.k == 1 < ks[-1]:
        # Columns of few values hide clusters from Gaussian components.
        note_counts(reader, _measured(features, kinds))
    scores = _score(found.model, features)
    _write(arguments, table, features, scores)
    if arguments.save is not None:
        save_model(found.model, arguments.save)
    report = summary(table, found, scores, weight=weight, remark=unfit)
    _print(arguments, report)
    _print_rows(arguments, table, features, scores)
    if arguments.save is not None:
        _print(arguments, f"Saved the model to {arguments.save}")


def _read_columns(reader: Reader, request: Request, kinds: Kinds) -> Features | MixedFeatures:
    """Read columns of the kinds that were chosen; each must have a value."""
    features: Features | MixedFeatures
    if kinds.are_numbers:
        features = reader.read(kinds.numbers, request.weight, drop_missing=request.drop_missing)
    else:
        features = read_mixed(reader, request, kinds)
    reader.check_seen(features)
    return features


def _remark(
    reader: Reader, request: Request, features: Features | MixedFeatures, kinds: Kinds
) -> None:
    """Note what is left out, and what is odd about the columns that are used."""
    if request.columns is None:
        note_left_out(reader, kinds)
        note_header(reader)
        note_ids(reader, _measured(features, kinds))
    note_same(reader, features.constant)
    if isinstance(features, MixedFeatures):
        note_counts(reader, _measured(features, kinds))


def _measured(features: Features | MixedFeatures, kinds: Kinds) -> dict[str, np.ndarray]:
    """Return the values of each column of measurements."""
    return {name: features.values(name) for name in kinds.numbers}


def _search(
    arguments: Namespace, features: Features | MixedFeatures, kinds: Kinds, ks: range
) -> Search:
    """Fit mixtures of what the columns are, and choose one."""
    options: dict[str, Any] = {
        "scale": arguments.scale,
        "covariance_type": arguments.covariance_type,
        "criterion": arguments.criterion,
        "n_init": arguments.n_init,
        "reg_covar": arguments.reg_covar,
        "random_state": arguments.seed,
        "n_jobs": arguments.jobs,
    }
    if isinstance(features, MixedFeatures):
        return search_mixed(features, kinds, ks, **options)
    options["init_params"] = "hierarchical" if arguments.n_init == 1 else "auto"
    return search(features.X, features.columns, ks, weights=features.weights, **options)


def _score(model: Model | MixedModel, features: Features | MixedFeatures) -> Scores:
    if isinstance(model, MixedModel):
        assert isinstance(features, MixedFeatures)
        return model.score(features)
    assert isinstance(features, Features)
    return model.score(features.X)


def score(arguments: Namespace) -> None:
    """Score the rows of a table under a saved model.

    Parameters
    ----------
    arguments : Namespace
        The parsed command line.

    Raises
    ------
    CommandError
        If the input is bad, the model is refused or a file cannot be written.
    """
    _check_output(arguments)
    model = load_model(arguments.model)
    table = _read(arguments)
    reader = Reader(table)
    features: Features | MixedFeatures
    if isinstance(model, MixedModel):
        features = read_known(reader, model.infos, drop_missing=arguments.drop_missing)
    else:
        features = reader.read(model.columns, drop_missing=arguments.drop_missing)
    note_gaps(reader, features, IN_LARGEST)
    model.mixture.set_params(n_jobs=arguments.jobs)
    try:
        with Progress(1) as progress, Compilation(progress):
            scores = _score(model, features)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise CommandError(f"{table.name}: cannot be scored: {error}") from error
    _write(arguments, table, features, scores)
    _print(arguments, score_summary(table, model, scores))
    _print_rows(arguments, table, features, scores)


def impute(arguments: Namespace) -> None:
    """Fill the missing cells of a table's columns of numbers and categories.

    Parameters
    ----------
    arguments : Namespace
        The parsed command line.

    Raises
    ------
    CommandError
        If the input is bad, no mixture can be fitted or a file cannot be written.
    """
    _check_output(arguments)
    table = _read(arguments, added=())
    reader = Reader(table)
    request = Request(arguments.columns, arguments.exclude)
    kinds = choose_kinds(reader, request, arguments.kind)
    features = _read_columns(reader, request, kinds)
    _remark(reader, request, features, kinds)
    note_empty(reader, features.columns)
    filled = fill_table(
        table,
        features,
        kinds,
        method=arguments.method,
        seed=arguments.seed,
        n_jobs=arguments.jobs,
    )
    if arguments.output is not None:
        write_table(filled.table, pa.table({}), arguments.output)
    _print(arguments, describe(filled, arguments.method))
    _say_written(arguments, table)
    if arguments.output is None and filled.mixture is not None:
        rows = np.flatnonzero(filled.missing.any(axis=1))
        _print(arguments, f"\n{filled_rows(filled.table, rows)}")


def outliers(arguments: Namespace) -> None:
    """Say which rows of a table are outliers, and which of their cells are odd.

    Parameters
    ----------
    arguments : Namespace
        The parsed command line.

    Raises
    ------
    CommandError
        If the input is bad, no mixture can be fitted or a file cannot be written.
    """
    require("pandas")
    from skem.cli.outlying import OUTLIER_COLUMNS, describe_outliers, find_outliers

    _check_output(arguments)
    table = _read(arguments, OUTLIER_COLUMNS)
    request = Request(arguments.columns, arguments.exclude, drop_missing=arguments.drop_missing)
    reader = Reader(table)
    kinds = choose_kinds(reader, request, numbers_only=True)
    features = _read_columns(reader, request, kinds)
    assert isinstance(features, Features)
    _remark(reader, request, features, kinds)
    note_gaps(reader, features)
    found = find_outliers(
        table,
        features,
        contamination=arguments.contamination,
        seed=arguments.seed,
        n_jobs=arguments.jobs,
    )
    added = found.as_columns(features.used)
    if arguments.output is not None:
        write_table(table, added, arguments.output)
    _print(arguments, describe_outliers(table, features, found, arguments.contamination))
    number = arguments.top
    if number is None and arguments.output is None:
        number = int(found.outlier.sum())
    if number:
        rows = np.flatnonzero(features.used)[found.order][:number]
        _print(arguments, f"\n{odd_rows(table, added, rows, shorten=arguments.top is None)}")
    _say_written(arguments, table)


def _check_output(arguments: Namespace) -> None:
    """Refuse, before any work, an output file that cannot or should not be written."""
    output = arguments.output
    if output is None or output == STREAM:
        return
    check_target(Path(output))
    source = Path(arguments.table)
    if os.path.exists(output) and source.exists() and os.path.samefile(output, source):
        raise CommandError(f"{output}: is the table itself; write to another file")


def _read(arguments: Namespace, added: Sequence[str] = ADDED) -> Table:
    """Read the table as the options say that it is written."""
    tabs = arguments.table.lower().endswith((".tsv", ".tsv.gz"))
    sep = arguments.sep or ("\t" if tabs else ",")
    if sep == arguments.decimal:
        hint = " (a decimal comma needs --sep ';' or another)" if arguments.sep is None else ""
        raise CommandError(f"--sep and --decimal are both {sep!r}{hint}")
    dialect = Dialect(
        sep, arguments.decimal, arguments.encoding, arguments.header, arguments.comment
    )
    table = read_table(arguments.table, dialect, added)
    to_parquet = arguments.output is not None and arguments.output.lower().endswith(".parquet")
    if to_parquet and table.names.count("") > 1:
        raise CommandError(
            f"{arguments.output}: Parquet cannot hold two columns without a name; write to .csv"
        )
    return table


def _numbers_of_clusters(
    arguments: Namespace, table: Table, features: Features | MixedFeatures, n_columns: int
) -> tuple[range, str]:
    """Return the numbers to try, those that the rows can bear, and what to say of others.

    ``n_columns`` is the number of measurements. A single number of clusters is the user's own; of a
    range those are left out that leave clusters fewer rows, on average, than their covariances
    take: one more than the columns for matrices of their own, else two.
    """
    low, high = arguments.k
    n_rows, some = int(features.used.sum()), "rows"
    if features.weights is not None:
        n_rows, some = int((features.weights > 0).sum()), "rows of positive weight"
    if low > n_rows:
        raise CommandError(f"{table.name}: {n_rows} {some}, fewer than k = {low} components")
    each = max(n_columns + 1, 2) if arguments.covariance_type in MATRIX_TYPES else 2
    most = max(low, n_rows // each)
    if high <= most:
        return range(low, high + 1), ""
    return range(low, most + 1), (
        f"k above {most} left out: a cluster would have fewer than {each} of {n_rows} {some} on "
        "average"
    )


def _print(arguments: Namespace, text: str) -> None:
    """Print to standard output, or to standard error if the table goes there."""
    print(text, file=sys.stderr if arguments.output == STREAM else sys.stdout)


def _write(
    arguments: Namespace, table: Table, features: Features | MixedFeatures, scores: Scores
) -> None:
    """Write the output file, if one is wanted, before anything is printed."""
    if arguments.output is not None:
        write_table(table, scores.as_columns(features.used), arguments.output)


def _print_rows(
    arguments: Namespace, table: Table, features: Features | MixedFeatures, scores: Scores
) -> None:
    """Show the least probable rows, if wanted, and the first rows or where all of them are."""
    added = scores.as_columns(features.used)
    if arguments.top is not None:
        _print(arguments, f"\n{least_probable(table, added, arguments.top)}")
    if arguments.output is None and arguments.top is None:
        _print(arguments, f"\n{first_rows(table, added)}")
    gaps = table.n_rows - len(scores.cluster)
    _say_written(arguments, table, f", {gaps:,} of them without a cluster" if gaps else "")


def _say_written(arguments: Namespace, table: Table, empty: str = "") -> None:
    """Say that all rows were written, if they were written to a file."""
    if arguments.output not in (None, STREAM):
        _print(arguments, f"\nWrote {count(table.n_rows, 'row')} to {arguments.output}{empty}")
