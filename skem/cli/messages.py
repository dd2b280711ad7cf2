"""What the command says on standard error: errors, notes and the progress bar."""

import contextlib
import importlib
import shutil
import sys
from collections.abc import Iterable
from types import ModuleType, TracebackType
from typing import TextIO

__all__ = [
    "CommandError",
    "Progress",
    "count",
    "joined",
    "note",
    "one_line",
    "quoted",
    "require",
    "say",
    "shorten",
    "terminal_width",
]


class CommandError(Exception):
    """Bad input; the message is printed as one line and the exit status is 2."""


def one_line(text: object) -> str:
    """Return `text` on a single line, control characters replaced by ``?``.

    Parameters
    ----------
    text : object
        What to print: a string, a column name or an exception.

    Returns
    -------
    str
        The text with each run of white space turned into one space, so that a column name
        or another library's message can break neither the line nor the terminal.
    """
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))


def shorten(text: object, length: int) -> str:
    """Return `text` on a single line of at most `length` characters.

    Parameters
    ----------
    text : object
        What to print.
    length : int
        The most characters; what is cut off is shown as three dots.

    Returns
    -------
    str
        The text or its beginning.
    """
    line = one_line(text)
    return line if len(line) <= length else line[: length - 3] + "..."


def count(number: int, noun: str) -> str:
    """Write a number with its noun, which gets an ``s`` unless the number is 1."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def quoted(name: str) -> str:
    """Write a name in quotes, on one line and not too long."""
    return repr(shorten(name, 40))


def joined(texts: Iterable[str]) -> str:
    """Write texts separated by commas; of more than fifteen the first twelve."""
    shown = list(texts)
    if len(shown) > 15:
        shown[12:] = [f"and {len(shown) - 12:,} more"]
    return ", ".join(shown)


def terminal_width() -> int:
    """Return how many characters a line of the terminal has; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def say(text: str) -> None:
    """Print one line on standard error, if there is one that can be written to."""
    with contextlib.suppress(OSError):
        print(f"skem: {one_line(text)}", file=sys.stderr, flush=True)


def note(text: str) -> None:
    """Print a remark that does not stop the command on standard error."""
    say(f"note: {text}")


def require(name: str) -> ModuleType:
    """Import an optional dependency, or say how to install it.

    Parameters
    ----------
    name : str
        Name of the module.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    CommandError
        If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise CommandError(f'the command needs {package}: pip install "skem[tabular]"') from error


class Progress:
    """A bar on one line of a terminal; nothing at all anywhere else.

    Parameters
    ----------
    total : int
        Number of steps.
    stream : text stream, default=None
        Where to draw; None means standard error.
    """

    width = 24

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self.stream = sys.stderr if stream is None else stream
        self.enabled = self.stream.isatty()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._draw("")

    def show(self, done: int, text: str, total: int | None = None) -> None:
        """Draw the bar with `done` of the steps finished, then `text`; `total` corrects theirs."""
        self.total = self.total if total is None else total
        full = self.width * done // self.total
        self._draw(f"[{'#' * full}{'.' * (self.width - full)}] {done}/{self.total}  {text}")

    def say(self, text: str) -> None:
        """Write a line that stays, above the bar."""
        self._draw(f"skem: {text}\n")

    def _draw(self, line: str) -> None:
        if self.enabled:
            self.stream.write(f"\r\x1b[K{line}")
            self.stream.flush()
