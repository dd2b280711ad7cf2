"""What the README and the docstrings show is what comes out."""

import contextlib
import doctest
import io
import re
from pathlib import Path

import pytest
from mixture.tables import many_rows

import skem
from skem import display, mixture

README = Path(__file__).parents[1] / "README.md"
PUBLIC = [
    *(getattr(skem, name) for name in skem.__all__ if name != "__version__"),
    *(getattr(module, name) for module in (display, mixture) for name in module.__all__),
]


@pytest.mark.skipif(not README.exists(), reason="an installed package has no README")
def test_the_snippet_of_the_readme():
    pytest.importorskip("pandas")
    text = README.read_text(encoding="utf-8")
    code, shown = re.search(r"```python\n(.*?)```\s*```text\n(.*?)```", text, re.S).groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == shown


@many_rows
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("thing", sorted(set(PUBLIC), key=str), ids=lambda thing: thing.__name__)
def test_examples_in_docstrings(thing):
    if "Display" in thing.__name__:
        pytest.importorskip("matplotlib").use("agg")
        pytest.importorskip("pandas")
    failures = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in doctest.DocTestFinder().find(thing, thing.__name__, globs={}):
        runner.run(test, out=failures.write)
    assert not failures.getvalue(), failures.getvalue()
