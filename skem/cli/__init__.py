"""The ``skem`` command: ``skem cluster``, ``skem score``, ``skem impute`` and ``skem outliers``.

It parses, calls estimators and prints. Only the parser is imported at once: pyarrow and
scikit-learn wait until a command runs, so that ``skem --help`` is quick.
"""

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from skem._version import __version__
from skem.cli.messages import CommandError, require, say

__all__ = ["main"]

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 130, 141
STREAM = "-"
SCORED = "the table with cluster, probability and log_density added"

# Those of the estimators, which would take long to import.
COVARIANCE_TYPES = (
    *("full", "tied", "diag", "spherical"),
    *("EII", "VII", "EEI", "VEI", "EVI", "VVI"),
    *("EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"),
)
KINDS = (
    *("bernoulli", "categorical", "exponential", "gamma", "geometric", "lognormal"),
    *("negative_binomial", "poisson"),
)
CRITERIA = ("bic", "icl", "aic", "cv")
METHODS = ("mean", "draw", "mode")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    int
        Exit status: 0, or 2 for bad input (one line on standard error says what), 130 if
        interrupted, 141 if the reader of standard output went away.
    """
    lost = _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show is no error
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = _parser().parse_args(argv)
        if lost and arguments.output in (None, STREAM):
            raise CommandError("standard output is closed; name a file with -o")
        _run(arguments)
        sys.stdout.flush()
    except CommandError as error:
        return _fail(f"error: {error}", BAD_INPUT)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except MemoryError:
        return _fail("error: out of memory", BAD_INPUT)
    except OSError as error:
        _silence_stdout()
        return _fail(f"error: {error}", BAD_INPUT)
    return 0


def _replace_closed_streams() -> bool:
    """Let what is written to closed streams vanish; return whether standard output is closed."""
    lost = sys.stdout is None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (until the process ends)
    return lost


def _run(arguments: argparse.Namespace) -> None:
    require("pyarrow")
    from skem.cli import commands

    getattr(commands, arguments.command)(arguments)


def _fail(message: str, status: int) -> int:
    say(message)
    return status


def _silence_stdout() -> None:
    """Keep the interpreter from writing what is still buffered when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see '{self.prog} --help')")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="skem", description="Latent-variable models for tables.")
    parser.add_argument("--version", action="version", version=f"skem {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_cluster(commands)
    _add_score(commands)
    _add_impute(commands)
    _add_outliers(commands)
    return parser


def _add_cluster(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = "Fit mixtures to a table, choose one, and add each row's cluster."
    parser = commands.add_parser("cluster", help=text, description=text)
    _add_table(parser, SCORED)
    _add_scored(parser)
    group = _add_columns(
        parser,
        "all but those of names, dates and constants; numbers are measurements, text and "
        "truth values categories",
    )
    add = group.add_argument
    text = (
        "what columns are, in place of that; KIND is categorical, bernoulli (two values), a "
        "distribution of counts (poisson, negative_binomial, geometric) or of positive amounts "
        "(lognormal, gamma, exponential), or a covariance type; may be given several times"
    )
    add("--kind", type=_kind, action="append", default=[], metavar="KIND=A,B,...", help=text)
    add("--weight-column", metavar="NAME", help="column that holds the rows' weights")
    add("--no-scale", dest="scale", action="store_false", help="do not standardise the columns")
    text = (
        "fit by Dask, part by part: TABLE is a pattern of Parquet files, as 'parts/*.parquet', and "
        "FILE a directory to be made"
    )
    parser.add_argument("--dask", action="store_true", help=text)
    _add_fit(parser.add_argument_group("fit"))
    text = "save the model for 'skem score'"
    parser.add_argument("--save", type=Path, metavar="MODEL.skops", help=text)


def _add_fit(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add(
        "-k",
        type=_k_range,
        default=(1, 9),
        metavar="K|LOW:HIGH",
        help="number of clusters, or a range of which the criterion chooses (default: 1:9)",
    )
    add(
        "--covariance-type",
        choices=[*COVARIANCE_TYPES, "all"],
        default="full",
        metavar="TYPE",
        help="shape of the clusters in columns of numbers: full, tied, diag, spherical, one of "
        "mclust's fourteen models (EII to VVV), or all for those fourteen, of which the criterion "
        "chooses (default: full)",
    )
    add(
        "--criterion",
        choices=CRITERIA,
        default="bic",
        help="what chooses: bic, icl, aic (lower is better) or cv, the held-out log density in "
        "five folds (higher is better; default: bic)",
    )
    text = "starts of each fit (default: 1, for numbers alone by a hierarchical clustering; others "
    text += "are searched for)"
    add("--n-init", type=_count, default=1, metavar="N", help=text)
    text = "added to variances, as a share of the columns' own (default: 1e-6)"
    add("--reg-covar", type=_share, default=1e-6, metavar="SHARE", help=text)
    _add_seed(group, "seed of the random starts (default: 0)")


def _add_score(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = "Score new rows under a model that 'skem cluster --save' wrote."
    parser = commands.add_parser("score", help=text, description=text)
    _add_table(parser, SCORED)
    _add_scored(parser)
    parser.add_argument(
        "--model", type=Path, required=True, metavar="MODEL.skops", help="the saved model"
    )


def _add_impute(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = (
        "Fill the missing cells of a table's columns, of numbers and of categories, by a mixture."
    )
    parser = commands.add_parser("impute", help=text, description=text)
    _add_table(parser, "the filled table")
    _add_columns(parser)
    group = parser.add_argument_group("what cells are filled with")
    group.add_argument(
        "--method",
        choices=METHODS,
        default="mean",
        help="mean: what is expected given the seen cells of the row, the best guess of each cell; "
        "draw: a random draw, which keeps spreads and correlations; mode: what the most probable "
        "component expects (default: mean)",
    )
    _add_seed(group, "seed of the draws, and of the choice of the mixture (default: 0)")


def _add_outliers(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = "Find the odd rows of a table, and say which of their cells are odd."
    parser = commands.add_parser("outliers", help=text, description=text)
    _add_table(parser, "the table with columns that say which rows are outliers, and why,")
    _add_scored(parser)
    _add_columns(parser)
    group = parser.add_argument_group("what is an outlier")
    group.add_argument(
        "--contamination",
        type=_contamination,
        default="auto",
        metavar="auto|SHARE",
        help="auto: rows where the fitted mixture would draw less than 1 %% of its own; or the "
        "share of the rows, at most 0.5 (default: auto)",
    )
    _add_seed(group, "seed of the fit and of the threshold (default: 0)")


def _add_columns(
    parser: argparse.ArgumentParser, default: str = "all numeric ones"
) -> "argparse._ArgumentGroup":
    group = parser.add_argument_group("columns")
    text = f"columns to use (default: {default})"
    group.add_argument("--columns", type=_names, metavar="A,B,...", help=text)
    text = "columns to leave out"
    group.add_argument("--exclude", type=_names, default=[], metavar="A,B,...", help=text)
    return group


def _add_seed(group: "argparse._ArgumentGroup", text: str) -> None:
    group.add_argument("--seed", type=_seed, default=0, help=text)


def _add_scored(parser: argparse.ArgumentParser) -> None:
    text = "show the N least probable rows"
    parser.add_argument("--top", type=_count, metavar="N", help=text)
    text = "leave out rows with a missing value in a column that is used, instead of modelling them"
    parser.add_argument("--drop-missing", action="store_true", help=text)


def _add_table(parser: argparse.ArgumentParser, written: str) -> None:
    text = "a .csv, .tsv (also with .gz) or .parquet file, or - for standard input"
    parser.add_argument("table", metavar="TABLE", help=text)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=f"write {written} to this .csv, .tsv or .parquet file, or - for standard output "
        "(default: show the first rows)",
    )
    text = "threads to use (default: all that are allowed)"
    parser.add_argument("--jobs", type=_jobs, metavar="N", help=text)
    add = parser.add_argument_group("how the table is written").add_argument
    text = "character between the fields of text, or tab or space (default: a comma; tab for .tsv)"
    add("--sep", type=_separator, metavar="CHAR", help=text)
    text = "character before the decimals (default: a point)"
    add("--decimal", choices=[".", ","], default=".", metavar="CHAR", help=text)
    text = "encoding of text, such as cp1252 (default: utf-8)"
    add("--encoding", type=_encoding, default="utf-8", metavar="NAME", help=text)
    text = "the first line is a row; columns are called column1, column2, ..."
    add("--no-header", dest="header", action="store_false", help=text)
    text = "skip lines that begin with TEXT (default: # before the header; '' skips none)"
    add("--comment", metavar="TEXT", help=text)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _k_range(text: str) -> tuple[int, int]:
    low, colon, high = text.partition(":")
    first = _integer(low)
    last = _integer(high) if colon else first
    if not 1 <= first <= last:
        raise argparse.ArgumentTypeError(f"{text!r} is not K or LOW:HIGH with 1 <= LOW <= HIGH")
    return first, last


def _count(text: str) -> int:
    number = _integer(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not at least 1")
    return number


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= share < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not at least 0 and finite")
    return share


def _contamination(text: str) -> str | float:
    if text == "auto":
        return text
    share = _share(text)
    if not 0 < share <= 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto or more than 0 and at most 0.5")
    return share


def _separator(text: str) -> str:
    sep = {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)
    if len(sep) != 1 or sep.isalnum() or sep in '"\r\n\0':
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a character that separates fields, tab or space"
        )
    return sep


def _encoding(text: str) -> str:
    try:
        "".encode(text)
    except LookupError:
        raise argparse.ArgumentTypeError(f"{text!r} is no encoding that Python knows") from None
    return text


def _names(text: str) -> list[str]:
    """Split names at commas; a name with a comma in it stands in double quotes."""
    names = next(csv.reader([text], skipinitialspace=True), [])
    if not names or not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names")
    return names


def _kind(text: str) -> tuple[str, list[str]]:
    kind, equals, names = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KIND=A,B,...")
    if kind not in (*KINDS, *COVARIANCE_TYPES):
        listed = ", ".join((*KINDS, *COVARIANCE_TYPES))
        raise argparse.ArgumentTypeError(f"{kind!r} is no kind; there are {listed}")
    return kind, _names(names)


def _seed(text: str) -> int:
    seed = _integer(text)
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and {2**32 - 1}")
    return seed


def _jobs(text: str) -> int:
    jobs = _integer(text)
    if jobs == 0:
        raise argparse.ArgumentTypeError("0 threads; give a positive number, or -1 for all cores")
    return jobs
