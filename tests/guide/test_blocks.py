"""Every Python block of the guide and of README runs as it stands, and prints what it says."""

import contextlib
import io
import os
import re
import shlex
import shutil
import textwrap
import warnings
from pathlib import Path
from typing import NamedTuple

import numba
import pytest
import sklearn
from sklearn.exceptions import ConvergenceWarning

import skem
from skem import datasets

ROOT = Path(skem.__file__).parents[1]
DATA = Path(datasets.__file__).parent / "data"
FILES = [ROOT / "doc/user_guide/penguins.csv", DATA / "faithful.csv", DATA / "airquality.csv"]
PAGES = [
    ROOT / "README.md",
    ROOT / "doc/index.rst",
    ROOT / "doc/installation.rst",
    *sorted((ROOT / "doc/user_guide").glob("*.rst")),
]
# A block of RST, or one of Markdown.
BLOCK = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<rst>\w+)\n\n(?P<lines>(?:(?P=indent)   .*\n|\n)+)"
    r"|^```(?P<md>\w+)\n(?P<text>(?:(?!```).*\n)*)```$",
    re.MULTILINE,
)

pytestmark = pytest.mark.skipif(
    not (ROOT / "doc").is_dir() or bool(vars(numba.config)["DISABLE_JIT"]),
    reason="needs the sources of the guide, and the compiler",
)


class Block(NamedTuple):
    """A block of a page: its language, the line of the page it begins on, and its text."""

    language: str
    line: int
    text: str


def blocks(page):
    source = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        text = textwrap.dedent(match["lines"] or match["text"])
        yield Block(match["rst"] or match["md"], line, text.strip("\n"))


def test_blocks_are_found(tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(
        "Text\n\n.. code-block:: python\n\n   a = 1\n\n   b = 2\n\n"
        "Text\n\n  .. code-block:: text\n\n     1 2\n\n  Text\n"
    )
    assert list(blocks(page)) == [Block("python", 3, "a = 1\n\nb = 2"), Block("text", 11, "1 2")]
    page.write_text("```python\na = 1\n```\n\n```text\n1\n```\n")
    assert list(blocks(page)) == [Block("python", 1, "a = 1"), Block("text", 5, "1")]
    assert sum(len(list(blocks(page))) for page in PAGES) > 20


def run_command(console):
    """Run the first command of a console block, if it is one of ours."""
    from skem.cli import main

    command = console.splitlines()[0].removeprefix("$ ")
    ours = ("skem cluster faithful.csv", "skem cluster penguins.csv", "skem impute airquality.csv")
    if command.startswith(ours):
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(shlex.split(command)[1:]) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page, tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    for package in ("pandas", "pyarrow", "skops"):
        pytest.importorskip(package)
    if "import dask" in page.read_text(encoding="utf-8"):
        pytest.importorskip("dask.array")
    matplotlib.use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for file in FILES:
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    printed = None
    with sklearn.config_context(), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("default", ConvergenceWarning)
        for block in blocks(page):
            if block.language == "console":
                run_command(block.text)
            elif block.language == "python":
                code = compile("\n" * (block.line + 1) + block.text, str(page), "exec")
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    exec(code, names)
                printed = out.getvalue()
            elif block.language == "text" and printed:
                assert lines(printed) == lines(block.text)
                printed = None
    pyplot.close("all")
    assert os.getcwd() == str(tmp_path)


def lines(text):
    """The lines of a text, without white space at their ends."""
    return [line.rstrip() for line in text.strip("\n").splitlines()]
