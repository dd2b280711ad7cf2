"""What a model of one's own must be able to do, and calls of it that check what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from numbers import Real
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.em._statistics import Layout, describe, difference, flatten, names, rebuild, split

__all__ = ["CheckedModel", "Expected", "Model", "noting"]

Array: TypeAlias = NDArray[np.float64]


class Model(Protocol):
    """What `fit` asks of a model; no base class is needed.

    ``expect`` may take the rows' weights, too: ``expect(X, theta, weight)``. Besides, a model may
    have ``start(X, rng)``, ``log_prior(theta)`` and ``coordinates(statistics)``: see `fit`.
    """

    @property
    def expect(self) -> Callable[..., tuple[Any, Any]]:
        """Return statistics and bound of a block: ``expect(X, theta)``, or with ``weight``, too."""
        ...

    def maximise(self, statistics: Any, theta: Any) -> Any:
        """Return the parameters that are best for the sum of all blocks' statistics."""
        ...


class Expected(NamedTuple):
    """What an E-step found in some rows, or in all.

    Attributes
    ----------
    statistics : ndarray
        All in one vector.
    layout : Layout
    bound : float
        In nats.
    """

    statistics: Array
    layout: Layout
    bound: float


_ARGUMENTS = {
    "expect": ("X", "theta"),
    "maximise": ("statistics", "theta"),
    "log_prior": ("theta",),
    "start": ("X", "rng"),
    "coordinates": ("statistics",),
}
_NEEDED = ("expect", "maximise")
_PAIR = ("statistics", "bound")


@contextmanager
def noting(note: str) -> Iterator[None]:
    """Add to an error, whatever its type, where it was raised."""
    try:
        yield
    except Exception as error:
        error.add_note(note)
        raise


class CheckedModel:
    """A model, and checks of what it returns.

    Parameters
    ----------
    model : Model

    Raises
    ------
    TypeError
        If a method is missing, or takes other arguments.

    Attributes
    ----------
    name : str
    takes_weight : bool
    """

    def __init__(self, model: Any) -> None:
        if inspect.isclass(model):
            name = model.__name__
            raise TypeError(f"The model must be an object, but is the class {name}: give {name}()")
        self.model, self.name = model, type(model).__name__
        missing = [
            f"{method}({', '.join(_ARGUMENTS[method])})"
            for method in _NEEDED
            if not callable(getattr(model, method, None))
        ]
        if missing:
            raise TypeError(f"The model {self.name} has no method {' and no '.join(missing)}")
        signature = _signature(model.expect)
        self.takes_weight = signature is not None and "weight" in signature.parameters
        for method, arguments in _ARGUMENTS.items():
            if self.has(method):
                weighted = method == "expect" and self.takes_weight
                self._check_signature(method, arguments, ("weight",) if weighted else ())

    def has(self, method: str) -> bool:
        """Say whether the model has an optional method; None stands for none."""
        return getattr(self.model, method, None) is not None

    def _check_signature(
        self, method: str, arguments: tuple[str, ...], keywords: tuple[str, ...]
    ) -> None:
        signature = _signature(getattr(self.model, method))
        if signature is None:
            return
        try:
            signature.bind(*arguments, **dict.fromkeys(keywords))
        except TypeError as error:
            also = "; weights are to be called `weight`" if method == "expect" else ""
            raise TypeError(
                f"{self.name}.{method} must take ({', '.join(arguments + keywords)}), but takes "
                f"{signature}{also}"
            ) from error

    def expect(self, X: Any, theta: Any, weight: Array) -> Expected:
        """Return the statistics and the bound of some rows."""
        weighted = {"weight": weight} if self.takes_weight else {}
        result = self.model.expect(X, theta, **weighted)
        # A named tuple of two statistics, without the bound, would pass for the pair.
        fields = getattr(result, "_fields", _PAIR)
        if not isinstance(result, tuple) or len(result) != 2 or fields != _PAIR:
            raise TypeError(
                f"{self.name}.expect must return (statistics, bound), but returned "
                f"{describe(result)}{f' of {len(result)}' if isinstance(result, tuple) else ''}"
            )
        statistics, layout = flatten(result[0], "statistics")
        if not len(statistics):
            raise ValueError(
                f"The statistics of {self.name}.expect hold no number: there is nothing that "
                "maximise could learn from"
            )
        bound = self._number(result[1], "the bound of expect", "sum it over the rows")
        return self._finite(Expected(statistics, layout, bound))

    def _number(self, value: Any, what: str, advice: str) -> float:
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        if not isinstance(value, Real):
            shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
            raise TypeError(
                f"{self.name}: {what} must be one number, but is {describe(value)}{shape}; {advice}"
            )
        return float(value)

    def _finite(self, expected: Expected) -> Expected:
        bound = expected.bound
        if not np.isfinite(bound):
            why = (
                "the rows are impossible at these parameters: start elsewhere, or keep "
                "probabilities above zero"
                if bound == -np.inf
                else "a density has no limit there: give a log_prior, or keep variances above zero"
                if bound == np.inf
                else "look for logarithms of negative numbers, 0 / 0 and missing values"
            )
            raise ValueError(f"{self.name}.expect returned a bound of {bound}: {why}")
        if not np.isfinite(expected.statistics).all():
            parts = split(expected.layout, expected.statistics)
            named = zip(names(expected.layout, "statistics"), parts, strict=True)
            name, part = next(pair for pair in named if not np.isfinite(pair[1]).all())
            raise ValueError(
                f"{self.name}.expect returned {name} with {part[~np.isfinite(part)][0]}, though "
                f"with a finite bound ({bound:g})"
            )
        return expected

    def add(self, total: Expected, more: Expected) -> Expected:
        """Return the sum of two blocks."""
        self.check_layout(total.layout, more.layout)
        return Expected(total.statistics + more.statistics, total.layout, total.bound + more.bound)

    def check_layout(self, wanted: Layout, given: Layout) -> None:
        """Raise ValueError if statistics have changed their shape."""
        if wanted != given:
            raise ValueError(
                f"{self.name}.expect must return statistics of one shape for all blocks and "
                f"iterations, but {difference(wanted, given, 'statistics')}"
            )

    def maximise(self, layout: Layout, statistics: Array, theta: Any) -> Any:
        """Return new parameters; the old ones, and the statistics, stay what they are."""
        with noting(f"Raised by {self.name}.maximise"):
            result = self.model.maximise(rebuild(layout, statistics), deepcopy(theta))
        if result is None:
            raise TypeError(f"{self.name}.maximise returned None: it must return the new theta")
        return result

    def log_prior(self, theta: Any) -> float:
        """Return the log density of parameters; 0 without a prior."""
        if not self.has("log_prior"):
            return 0.0
        with noting(f"Raised by {self.name}.log_prior"):
            value = self.model.log_prior(theta)
        value = self._number(value, "log_prior", "add up its parts")
        if not np.isfinite(value):
            raise ValueError(
                f"{self.name}.log_prior returned {value}: the parameters must have a positive, "
                "finite prior density"
            )
        return value

    def start(self, X: Any, rng: np.random.RandomState) -> Any:
        """Draw parameters to start from."""
        with noting(f"Raised by {self.name}.start"):
            theta = self.model.start(X, rng)
        if theta is None:
            raise TypeError(f"{self.name}.start returned None: it must return a theta")
        return theta


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """Return what a function takes; None for compiled ones that don't tell."""
    try:
        return inspect.signature(function)
    except ValueError:
        return None
