"""What the examples of docstrings show is what comes out."""

import doctest
import io

import pytest
from mixture.tables import many_rows

import skem
from skem import display, mixture

PUBLIC = [
    *(getattr(skem, name) for name in skem.__all__ if name != "__version__"),
    *(getattr(module, name) for module in (display, mixture) for name in module.__all__),
]


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
