"""The two commands, from parsed arguments to printed summary."""

import os
from argparse import Namespace

from skem.cli.columns import features, note_constant, note_left_out, row_weights, used_columns
from skem.cli.files import Table, check_target, read_table, write_table
from skem.cli.messages import CommandError, require
from skem.cli.model import SUFFIX, Scores, load_model, save_model
from skem.cli.report import first_rows, score_summary, summary
from skem.cli.search import search

__all__ = ["cluster", "score"]


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
    _check_output(arguments)
    if arguments.save is not None:
        require("skops.io")
        check_target(arguments.save, SUFFIX)
    table = read_table(arguments.table)
    weight = arguments.weight_column
    columns = used_columns(table, arguments.columns, weight)
    X = features(table, columns)
    weights = row_weights(table, weight)
    rows = len(X) if weights is None else int((weights > 0).sum())
    low, high = arguments.k
    if low > rows:
        some = "rows" if weights is None else "rows of positive weight"
        raise CommandError(f"{table.path}: {rows} {some}, fewer than k = {low} components")
    if arguments.columns is None:
        note_left_out(table, columns, weight)
    note_constant(table, columns, X)
    found = search(
        X,
        columns,
        range(low, min(high, rows) + 1),
        weights=weights,
        scale=arguments.scale,
        covariance_type=arguments.covariance_type,
        random_state=arguments.seed,
        n_jobs=arguments.jobs,
    )
    scores = found.model.score(X)
    _write(arguments, table, scores)
    if arguments.save is not None:
        save_model(found.model, arguments.save)
    left_out = f"k above {rows} left out: there are no more rows" if high > rows else ""
    print(summary(table, found, scores, weight=weight, remark=left_out))
    _print_rows(arguments, table, scores)
    if arguments.save is not None:
        print(f"Saved the model to {arguments.save}")


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
    table = read_table(arguments.table)
    X = features(table, model.columns)
    model.mixture.set_params(n_jobs=arguments.jobs)
    try:
        scores = model.score(X)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise CommandError(f"{table.path}: cannot be scored: {error}") from error
    _write(arguments, table, scores)
    print(score_summary(table, model, scores))
    _print_rows(arguments, table, scores)


def _check_output(arguments: Namespace) -> None:
    """Refuse, before any work, an output file that cannot or should not be written."""
    output = arguments.output
    if output is None:
        return
    check_target(output)
    if output.suffix.lower() == ".parquet":
        require("pyarrow")
    if output.exists() and arguments.table.exists() and os.path.samefile(output, arguments.table):
        raise CommandError(f"{output}: is the table itself; write to another file")


def _write(arguments: Namespace, table: Table, scores: Scores) -> None:
    """Write the output file, if one is wanted, before anything is printed."""
    if arguments.output is not None:
        write_table(table, scores._asdict(), arguments.output)


def _print_rows(arguments: Namespace, table: Table, scores: Scores) -> None:
    """Show the first rows, or where all of them are."""
    if arguments.output is None:
        print(f"\n{first_rows(table, scores)}")
    else:
        print(f"\nWrote {len(table.frame):,} rows to {arguments.output}")
