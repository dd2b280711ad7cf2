"""What the command says on standard error: errors, notes and the progress bar."""

import importlib
import sys
from types import ModuleType, TracebackType
from typing import TextIO

__all__ = ["CommandError", "Progress", "note", "one_line", "require"]


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


def note(text: str) -> None:
    """Print a remark that does not stop the command on standard error."""
    print(f"skem: note: {one_line(text)}", file=sys.stderr)


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

    def show(self, done: int, text: str) -> None:
        """Draw the bar with `done` of the steps finished, then `text`."""
        full = self.width * done // self.total
        self._draw(f"[{'#' * full}{'.' * (self.width - full)}] {done}/{self.total}  {text}")

    def _draw(self, line: str) -> None:
        if self.enabled:
            self.stream.write(f"\r\x1b[K{line}")
            self.stream.flush()
