"""Where an iteration starts from, if not from the statistics at hand, and when a run has settled.

An M-step and the E-step after it map statistics to statistics, and a fit ends at a fixed point of
that map. So what is extrapolated are statistics, whatever they are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.em._model import CheckedModel, noting
from skem.em._statistics import Layout, flatten, rebuild, split
from skem.inference.extrapolation import ACCELERATIONS, Extrapolation

__all__ = ["Accelerator"]

Array: TypeAlias = NDArray[np.float64]

# After as many plain iterations since a guess was good, their gains alone tell of convergence.
_PATIENCE = 5
# Relative to the largest number: statistics that come back this near are the same.
_SAME = 1e-6


class _Coordinates(NamedTuple):
    """Two functions, from statistics (all in one vector) to coordinates and back."""

    encode: Callable[[Array], Array]
    decode: Callable[[Array], Array | None]


class Accelerator:
    """Guesses statistics, and says when the gains have settled.

    Plain iterations may gain little where a guess still finds much. So a run has converged when
    a plain iteration gained at most `tol`, and the last guess changed the bound by at most `tol`
    (or none was good for long). After a guess that was not good, or gained at most `tol`, the
    next iteration is plain.

    Parameters
    ----------
    model : CheckedModel
    layout : Layout
        Of the statistics.
    tol : float
        In nats.
    method : str or None
        One of `ACCELERATIONS`; None: never guess.
    """

    def __init__(self, model: CheckedModel, layout: Layout, tol: float, method: str | None) -> None:
        self.model, self.layout, self.tol = model, layout, tol
        self.extrapolation: Extrapolation | None = None
        if method is not None:
            self.extrapolation = ACCELERATIONS[method]()
        self.coordinates: _Coordinates | None = None
        # What the parameters at hand were made from.
        self.source: Array | None = None
        self.lowest: Array = np.array(np.inf)
        self.resting = self.confirmed = self.small = False
        self.n_plain = 0

    def settled(self) -> bool:
        """Say whether the run has converged."""
        asked = self.extrapolation is None or self.confirmed or self.n_plain >= _PATIENCE
        return self.small and asked

    def guess(self, statistics: Array) -> Array | None:
        """Return statistics to make parameters of in place of those at hand, or None."""
        if self.extrapolation is None or self.source is None or self.resting:
            return None
        try:
            with np.errstate(all="ignore"):
                return self._propose(self.extrapolation, self.source, statistics)
        except (ArithmeticError, np.linalg.LinAlgError):
            # A model's own coordinates may not have a place for all statistics.
            self.coordinates = None
            self.extrapolation.forget()
            return None

    def _propose(self, extrapolation: Extrapolation, source: Array, image: Array) -> Array | None:
        self.lowest = np.minimum(self.lowest, np.minimum(source, image))
        if self.coordinates is None:
            self.coordinates = self._make_coordinates(image)
        encode, decode = self.coordinates
        vector = extrapolation.propose(encode(source), encode(image))
        if extrapolation.empty:
            self.coordinates = None
        if vector is None:
            return None
        proposal = decode(vector) if np.isfinite(vector).all() else None
        if proposal is None or not self._is_possible(proposal):
            extrapolation.record(False)
            return None
        return proposal

    def after_plain(self, source: Array, gain: float) -> None:
        """Take notice of what an iteration from the statistics at hand gained, in nats."""
        self.source, self.small, self.resting = source, gain <= self.tol, False
        self.n_plain += 1

    def after_guess(self, source: Array, gain: float, accepted: bool) -> None:
        """Take notice of what a guess gained, in nats, and whether it was good."""
        assert self.extrapolation is not None
        self.extrapolation.record(accepted)
        self.confirmed, self.small = abs(gain) <= self.tol, False
        self.resting = not accepted or gain <= self.tol
        if accepted:
            self.source, self.n_plain = source, 0

    def _make_coordinates(self, reference: Array) -> _Coordinates:
        """Ask the model; without an answer, the numbers are coordinates, part by part in units."""
        if self.model.has("coordinates"):
            return self._make_own(reference)
        units = _units(self.layout, reference)
        return _Coordinates(lambda values: values / units, lambda vector: vector * units)

    def _is_possible(self, proposal: Array) -> bool:
        """Say whether numbers are finite, and parts without negative numbers are still without.

        Beyond zero counts and squares have no meaning, but a model might find some.
        """
        parts = zip(split(self.layout, proposal), split(self.layout, self.lowest), strict=True)
        signs = all((part >= 0.0).all() or (lowest < 0.0).any() for part, lowest in parts)
        return signs and bool(np.isfinite(proposal).all())

    def _make_own(self, reference: Array) -> _Coordinates:
        name = f"{self.model.name}.coordinates"
        with noting(f"Raised by {name}"):
            pair = self.model.model.coordinates(rebuild(self.layout, reference))
            if not isinstance(pair, tuple) or len(pair) != 2 or not all(map(callable, pair)):
                raise TypeError(
                    f"{name} must return two functions: from statistics to a vector, and back"
                )
            coordinates = self._check_pair(name, *pair)
            back, size = coordinates.decode(coordinates.encode(reference)), np.abs(reference).max()
            if back is None or not np.allclose(back, reference, rtol=_SAME, atol=_SAME * size):
                raise ValueError(
                    f"{name}: the second function must undo the first, but made {back} of "
                    f"{reference}"
                )
        return coordinates

    def _check_pair(
        self,
        name: str,
        to_vector: Callable[[Any], Any],
        to_statistics: Callable[[Array], Any],
    ) -> _Coordinates:
        """Return functions that check what a model's own return."""

        def encode(values: Array) -> Array:
            vector = np.array(to_vector(rebuild(self.layout, values)), dtype=np.float64)
            if vector.ndim != 1:
                raise ValueError(
                    f"{name}: the first function must return a vector, but returned an array of "
                    f"shape {vector.shape}"
                )
            if not np.isfinite(vector).all():
                raise FloatingPointError(f"{name}: a vector is not finite")
            return vector

        def decode(vector: Array) -> Array | None:
            statistics = to_statistics(vector)
            if statistics is None:
                return None
            values, layout = flatten(statistics, "statistics")
            self.model.check_layout(self.layout, layout)
            return values

        return _Coordinates(encode, decode)


def _units(layout: Layout, statistics: Array) -> Array:
    """Return one unit for all numbers of a part: their root mean square, or 1 if all are zero.

    So the units in which a part is measured don't matter. (Tried on twelve tables: no units, the
    parts' last steps, and one unit for each number took up to two times as many iterations.)
    """
    sizes = []
    for part in split(layout, statistics):
        size = float(np.sqrt(np.mean(np.square(part)))) if len(part) else 0.0
        sizes.append(np.full(len(part), size if size > 0.0 else 1.0))
    return np.concatenate(sizes)
