"""The ``skem`` command: ``skem cluster`` and ``skem score``.

It parses, calls estimators and prints. Only the parser is imported at once: pandas and
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
from skem.cli.messages import CommandError, one_line, require

__all__ = ["main"]

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 130, 141

# Those of the estimators, which would take long to import.
COVARIANCE_TYPES = (
    *("full", "tied", "diag", "spherical"),
    *("EII", "VII", "EEI", "VEI", "EVI", "VVI"),
    *("EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"),
)


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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show is no error
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = _parser().parse_args(argv)
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


def _run(arguments: argparse.Namespace) -> None:
    require("pandas")
    from skem.cli import commands

    getattr(commands, arguments.command)(arguments)


def _fail(message: str, status: int) -> int:
    print(f"skem: {one_line(message)}", file=sys.stderr)
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
    return parser


def _add_cluster(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = "Fit Gaussian mixtures to a table, choose by BIC, and add each row's cluster."
    parser = commands.add_parser("cluster", help=text, description=text)
    add = parser.add_argument
    _add_shared(parser)
    add(
        "-k",
        type=_k_range,
        default=(1, 9),
        metavar="K|LOW:HIGH",
        help="number of clusters, or a range of which BIC chooses (default: 1:9)",
    )
    add(
        "--columns",
        type=_names,
        metavar="A,B,...",
        help="columns to use (default: all numeric ones)",
    )
    add(
        "--covariance-type",
        choices=[*COVARIANCE_TYPES, "all"],
        default="full",
        metavar="TYPE",
        help="shape of the clusters: full, tied, diag, spherical, one of mclust's fourteen models "
        "(EII to VVV), or all for those fourteen, of which BIC chooses (default: full)",
    )
    add("--weight-column", metavar="NAME", help="column that holds the rows' weights")
    add("--no-scale", dest="scale", action="store_false", help="do not standardise the columns")
    add("--seed", type=_seed, default=0, help="seed of the random starts (default: 0)")
    add("--save", type=Path, metavar="MODEL.skops", help="save the model for 'skem score'")


def _add_score(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = "Score new rows under a model that 'skem cluster --save' wrote."
    parser = commands.add_parser("score", help=text, description=text)
    _add_shared(parser)
    parser.add_argument(
        "--model", type=Path, required=True, metavar="MODEL.skops", help="the saved model"
    )


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Path, metavar="TABLE", help="a .csv or .parquet file")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write the table with cluster, probability and log_density added "
        "to this .csv or .parquet file (default: show the first rows)",
    )
    parser.add_argument(
        "--jobs", type=_jobs, metavar="N", help="threads to use (default: all that are allowed)"
    )


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


def _names(text: str) -> list[str]:
    """Split names at commas; a name with a comma in it stands in double quotes."""
    names = next(csv.reader([text], skipinitialspace=True), [])
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names")
    return names


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
