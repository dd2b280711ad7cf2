"""Texts of parameters that several docstrings share, each written once.

`read_entries` reads the shared texts from one string in numpydoc's form, and `fill_docstring` puts
them into the docstrings that name them. A docstring is whole once its class or function is made, so
`help`, Sphinx and notebooks know nothing of this.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

__all__ = ["fill_docstring", "read_entries"]

_Documented = TypeVar("_Documented")

_HEADER = re.compile(r"(\w+) :")
_PLACE = re.compile(r"^( *)\{(\w+)\}$", re.MULTILINE)


def read_entries(text: str) -> dict[str, str]:
    """Read the entries of a numpydoc section.

    Parameters
    ----------
    text : str
        Entries, one after the other: ``name : type`` and the lines below it that are indented
        more. Blank lines between entries don't matter.

    Returns
    -------
    entries : dict of str to str
        Each name and its entry, header and all, without indentation.

    Raises
    ------
    ValueError
        If a line that isn't indented is no such header, or a name comes twice.
    """
    entries: dict[str, str] = {}
    for entry in re.split(r"\n+(?=\S)", inspect.cleandoc(text)):
        header = _HEADER.match(entry)
        if header is None:
            raise ValueError(f"expected 'name : type', got {entry.splitlines()[0]!r}")
        name = header[1]
        if name in entries:
            raise ValueError(f"{name!r} is described twice")
        entries[name] = entry
    return entries


def fill_docstring(entries: Mapping[str, str]) -> Callable[[_Documented], _Documented]:
    """Fill shared entries into the docstring of a class, function or property.

    A line that holds nothing but a name in braces, such as ``{tol}``, is replaced by the entry of
    that name, indented as the line is. Below a `classmethod` or `staticmethod` it is applied to
    the function, so this decorator comes last.

    Parameters
    ----------
    entries : mapping of str to str
        Entries by name, as `read_entries` returns them. Not all need be taken.

    Returns
    -------
    decorator : callable
        Changes ``__doc__`` and returns the same object. Where docstrings are left out
        (``python -OO``), it does nothing.

    Raises
    ------
    ValueError
        By the decorator, so at import: if a name in braces is none of `entries`.

    Examples
    --------
    >>> shared = read_entries('''
    ... tol : float, default=1e-3
    ...     Gain at which a fit has converged.
    ... ''')
    >>> @fill_docstring(shared)
    ... class Estimator:
    ...     '''What it does.
    ...
    ...     Parameters
    ...     ----------
    ...     {tol}
    ...     alpha : float, default=0.0
    ...         Written here, since no other class has it.
    ...     '''
    >>> Estimator.__doc__.splitlines()[4:6]
    ['    tol : float, default=1e-3', '        Gain at which a fit has converged.']
    """

    def decorator(documented: _Documented) -> _Documented:
        def entry(place: re.Match[str]) -> str:
            indent, name = place.groups()
            if name not in entries:
                known = ", ".join(sorted(entries))
                owner = getattr(documented, "__qualname__", documented)
                raise ValueError(f"the docstring of {owner} names {{{name}}}; known are {known}")
            return re.sub(r"^(?=.)", indent, entries[name], flags=re.MULTILINE)

        if documented.__doc__ is not None:
            documented.__doc__ = _PLACE.sub(entry, documented.__doc__)
        return documented

    return decorator
