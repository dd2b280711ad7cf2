"""Shared texts of parameters, and whether docstrings say what signatures do."""

import ast
import inspect
import pydoc
import re
import subprocess
import sys
from importlib import import_module

import pytest

from skem._docstrings import fill_docstring, read_entries

SHARED = read_entries("""
    tol : float, default=1e-3
        Gain at which a fit has converged.

        - {'set'} is no place to fill;
        - nor is 100 %s.

    kind : {'a', 'b'}, \
default='a'
        Which.
    X : array-like
        Rows.
""")


@fill_docstring(SHARED)
class Estimator:
    """Something with shared parameters.

    Parameters
    ----------
    {tol}

    alpha : float, default=0.0
        Its own {tol}.

    {kind}

    Attributes
    ----------
    n_iter_ : int
        Iterations.
    """

    def __init__(self, tol=1e-3, *, alpha=0.0, kind="a"):
        self.tol = tol

    @fill_docstring(SHARED)
    def fit(self, X):
        """Fit.

        Parameters
        ----------
        {X}
        """
        return self

    @property
    @fill_docstring(SHARED)
    def size(self):
        """Size.

        {X}
        """

    @classmethod
    @fill_docstring(SHARED)
    def make(cls, X):
        """Make.

        Parameters
        ----------
        {X}
        """


WHOLE = """\
Something with shared parameters.

Parameters
----------
tol : float, default=1e-3
    Gain at which a fit has converged.

    - {'set'} is no place to fill;
    - nor is 100 %s.

alpha : float, default=0.0
    Its own {tol}.

kind : {'a', 'b'}, default='a'
    Which.

Attributes
----------
n_iter_ : int
    Iterations."""


def test_docstring_is_whole():
    assert inspect.getdoc(Estimator) == WHOLE
    assert (
        inspect.getdoc(Estimator.fit) == "Fit.\n\nParameters\n----------\nX : array-like\n    Rows."
    )
    assert inspect.getdoc(Estimator.make).endswith("X : array-like\n    Rows.")
    assert inspect.getdoc(Estimator.size) == "Size.\n\nX : array-like\n    Rows."


def test_help_and_inspect_see_the_object_itself():
    text = pydoc.render_doc(Estimator, renderer=pydoc.plaintext)
    assert "class Estimator(builtins.object)" in text
    assert "Estimator(tol=0.001, *, alpha=0.0, kind='a')" in text
    assert " |  tol : float, default=1e-3\n |      Gain at which a fit has converged.\n" in text
    assert list(inspect.signature(Estimator.fit).parameters) == ["self", "X"]
    assert "@fill_docstring(SHARED)\n    def fit(self, X):" in inspect.getsource(Estimator.fit)
    assert (Estimator.__module__, Estimator.fit.__qualname__) == (__name__, "Estimator.fit")


def test_numpydoc_reads_it():
    docscrape = pytest.importorskip("numpydoc.docscrape")
    parameters = docscrape.ClassDoc(Estimator)["Parameters"]
    assert [(name, kind) for name, kind, _ in parameters] == [
        ("tol", "float, default=1e-3"),
        ("alpha", "float, default=0.0"),
        ("kind", "{'a', 'b'}, default='a'"),
    ]


def test_name_that_is_not_shared_is_an_error():
    with pytest.raises(
        ValueError, match=r"docstring of \S*broken names \{tolerance\}; known are X, kind"
    ):

        @fill_docstring(SHARED)
        def broken(tolerance):
            """Fail.

            {tolerance}
            """


def test_docstrings_may_be_left_out():
    code = """
from skem._docstrings import fill_docstring
@fill_docstring({})
class Estimator:
    '''{nothing}'''
assert Estimator.__doc__ is None, Estimator.__doc__
print("left out")"""
    command = [sys.executable, "-OO", "-c", f"import sys; sys.path[:0] = {sys.path}{code}"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "left out\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a : int\n    One.\nA line.", "expected 'name : type', got 'A line.'"),
        ("a : int\n    One.\na : int\n    Two.", "'a' is described twice"),
        ("One.", "expected 'name : type', got 'One.'"),
    ],
)
def test_entries_that_cannot_be_read(text, message):
    with pytest.raises(ValueError, match=message):
        read_entries(text)


def public_objects():
    """Map names to what the packages export, and to the methods that skem itself defines."""
    names = {}
    for package in ("skem", "skem.mixture", "skem.vae", "skem.display", "skem.datasets"):
        module = import_module(package)
        for name in filter(str.isidentifier, module.__all__):
            value = getattr(module, name)
            if callable(value):
                names.setdefault(value, name)
            for method in public_methods(value):
                names.setdefault(method, f"{name}.{method.__name__}")
    return {name: value for value, name in names.items()}


def public_methods(owner):
    """The public methods of a class that skem defines, class methods as functions."""
    for name in dir(owner) if inspect.isclass(owner) else ():
        value = getattr(owner, name)
        value = getattr(value, "__func__", value)
        ours = inspect.isfunction(value) and value.__module__.startswith("skem.")
        if ours and not name.startswith("_"):
            yield value


PUBLIC = public_objects()


def documented(value):
    """Triples (name, type, text) of an object's parameters as numpydoc reads them."""
    docscrape = pytest.importorskip("numpydoc.docscrape")
    sections = docscrape.NumpyDocString(inspect.getdoc(value))
    # A named tuple's fields are both; they are described as attributes.
    entries = sections["Attributes" if hasattr(value, "_fields") else "Parameters"]
    return [(name, kind, text) for names, kind, text in entries for name in names.split(", ")]


def defaults(value):
    """Map the names of an object's parameters, in order, to their defaults."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {
        stars.get(parameter.kind, "") + name: parameter.default
        for name, parameter in inspect.signature(value).parameters.items()
        if name not in {"self", "cls"}
    }


def stated_default(name, kind, text):
    """The default that an entry states; without a type it refers to another class's."""
    if kind:
        _, found, default = kind.partition("default=")
        return ast.literal_eval(default) if found else inspect.Parameter.empty
    other = re.match(r"As (?:for|in) `(\w+)`", text[0])[1]
    return defaults(PUBLIC[other])[name]


each_public = pytest.mark.parametrize("name", PUBLIC)


@each_public
def test_each_parameter_is_described_once_and_in_order(name):
    assert [name for name, _, _ in documented(PUBLIC[name])] == list(defaults(PUBLIC[name]))


@each_public
def test_defaults_are_as_described(name):
    given = defaults(PUBLIC[name])
    for parameter, kind, text in documented(PUBLIC[name]):
        if kind != "Ignored":
            stated = stated_default(parameter, kind, text)
            assert repr(stated) == repr(given[parameter]), parameter


@each_public
def test_no_place_is_left_to_fill(name):
    assert not re.search(r"^ *\{\w+\}$", inspect.getdoc(PUBLIC[name]), re.MULTILINE)
