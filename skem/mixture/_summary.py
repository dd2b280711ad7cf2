"""What a fitted mixture found, as a table for people."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skem.mixture._held import held_columns
from skem.mixture._noise import n_noise
from skem.mixture._reading import make_family
from skem.mixture._record import FitRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MixtureSummary",
    "PrintedTable",
    "Summarised",
    "as_frames",
    "column_names",
    "count",
    "expected_sizes",
    "lines_of_shares",
    "origin_of",
    "plus_minus",
    "say_held",
    "short_name",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

_LONGEST_NAME = 24


class PrintedTable:
    """A table that prints as text, and shows as HTML in a notebook."""

    title: str

    def __repr__(self) -> str:
        return f"{self.title}\n\n{self.table()}\n  ({self._note()})"

    def _repr_html_(self) -> str:
        head, *lines = self._lines()
        rows = [_html_row(head, "th"), *(_html_row(line, "td") for line in lines)]
        return (
            f"<table><caption>{escape(self.title)}</caption><thead>{rows[0]}</thead>"
            f"<tbody>{''.join(rows[1:])}</tbody></table><p>{escape(self._note())}</p>"
        )

    def table(self, width: int | None = None) -> str:
        """Write the table: a line for each column, as many clusters side by side as fit.

        Parameters
        ----------
        width : int, default=None
            Characters in a line. None: the terminal's.

        Returns
        -------
        table : str
        """
        width = shutil.get_terminal_size((100, 24)).columns if width is None else width
        lines = self._lines()
        first = max(len(line[0]) for line in lines)
        cell = max(len(text) for line in lines for text in line[1:])
        at_once = max(1, (width - first - 2) // (cell + 3))
        bands = []
        for start in range(1, len(lines[0]), at_once):
            band = [
                f"  {line[0]:<{first}}"
                + "".join(f"   {text:>{cell}}" for text in line[start : start + at_once])
                for line in lines
            ]
            bands.append("\n".join(line.rstrip() for line in band))
        return "\n\n".join(bands)

    def _lines(self) -> list[list[str]]:
        """Return the cells as texts; the first line is the head."""
        raise NotImplementedError

    def _note(self) -> str:
        """Say what the numbers are."""
        raise NotImplementedError


@dataclass(frozen=True, repr=False, eq=False)
class MixtureSummary(PrintedTable):
    """The clusters of a fitted mixture: how large they are, and where.

    ``summary()`` of a mixture returns it. Printed, it is a table with a line for each column of
    the rows; a notebook shows it as an HTML table. Its parameters are attributes of the same names.

    Parameters
    ----------
    title : str
        What was fitted, in one line.
    columns : tuple of str
        Names of the columns, ``x0``, ``x1``, ... where they have none.
    weights : ndarray of shape (n_components,)
        Shares of the clusters.
    sizes : ndarray of shape (n_components,) or None
        Expected numbers of rows (their summed weight, if rows are weighted). None where there
        were no rows: the parameters were given.
    means : ndarray of shape (n_components, n_features)
        In the units of the columns.
    deviations : ndarray of shape (n_components, n_features)
        Standard deviations within the clusters, in the same units; infinite for Student's t with
        up to two degrees of freedom.
    held : ndarray of shape (n_components, n_features), bool, default=None
        Where clusters are held at the width that the recording of a column allows. None: not known.
    """

    title: str
    columns: tuple[str, ...]
    weights: Array
    sizes: Array | None
    means: Array
    deviations: Array
    held: NDArray[np.bool_] | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a pandas frame.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each cluster, numbered from 0. The columns have two levels:
            ``("cluster", "weight")``, ``("cluster", "size")`` (where known), then
            ``(column, "mean")`` and ``(column, "std")`` for each column of the rows.
        """
        import pandas as pd

        shares = {("cluster", "weight"): self.weights}
        if self.sizes is not None:
            shares["cluster", "size"] = self.sizes
        keys = [(name, kind) for name in self.columns for kind in ("mean", "std")]
        pairs = np.stack([self.means, self.deviations], axis=2)
        values = np.column_stack([*shares.values(), pairs.reshape(len(self.weights), -1)])
        index = pd.RangeIndex(len(self.weights), name="cluster")
        return pd.DataFrame(values, index, pd.MultiIndex.from_tuples([*shares, *keys]))

    def _lines(self) -> list[list[str]]:
        """Return the cells as texts: the head, shares, and a line for each column."""
        lines = lines_of_shares(self.weights, self.sizes)
        values = zip(self.columns, self.means.T, self.deviations.T, strict=True)
        for name, means, deviations in values:
            lines.append([short_name(name), *map(plus_minus, means, deviations)])
        return lines

    def _note(self) -> str:
        size = "" if self.sizes is None else "size: expected number of rows; "
        held = "" if self.held is None else say_held(self.columns, self.held)
        return f"{size}columns: mean ± standard deviation{'; ' if held else ''}{held}"


def say_held(columns: Sequence[str], held: NDArray[np.bool_]) -> str:
    """Say which columns are held in which clusters; empty where none is."""
    groups: dict[str, list[str]] = {}
    for name, own in zip(columns, held.T, strict=True):
        if own.any():
            which = np.flatnonzero(own).tolist()
            where = f"cluster{'s' if len(which) > 1 else ''} {', '.join(map(str, which))}"
            where = "all clusters" if own.all() else where
            groups.setdefault(where, []).append(short_name(name))
    parts = [f"{', '.join(names)} in {where}" for where, names in groups.items()]
    return f"held at the width that recording allows: {'; '.join(parts)}" if parts else ""


def lines_of_shares(weights: Array, sizes: Array | None) -> list[list[str]]:
    """Return the first lines of a table of clusters: numbers, shares and sizes."""
    lines = [["cluster", *map(str, range(len(weights)))]]
    lines.append(["weight", *(f"{weight:.3f}" for weight in weights)])
    if sizes is not None:
        lines.append(["size", *map(_write_size, sizes)])
    return lines


def expected_sizes(estimator: Any) -> Array | None:
    """Return the components' expected numbers of rows; None where there were no rows."""
    counts = getattr(estimator, "expected_counts_", None)
    record: FitRecord | None = getattr(estimator, "_record", None)
    if counts is None and record is not None and record.weight:
        counts = record.weight * np.asarray(estimator.weights_, dtype=np.float64)
    return None if counts is None else np.asarray(counts, dtype=np.float64)


class Summarised:
    """A fitted mixture that can be summarised."""

    n_components: int
    covariance_type: Any
    reg_covar: float

    weights_: Floats
    means_: Floats
    precisions_: Floats
    precisions_cholesky_: Floats
    lower_bounds_: list[float]
    _record: FitRecord

    def summary(self) -> MixtureSummary:
        """Describe the components: shares, expected numbers of rows, means and deviations.

        Returns
        -------
        summary : MixtureSummary
            It prints as a table in the columns' units; ``summary().to_frame()`` has the numbers
            as a pandas frame, with the columns' names.
        """
        check_is_fitted(self)
        mixture: Any = self
        family, sizes = make_family(mixture), expected_sizes(self)
        components = mixture._kind.read(mixture, family).components
        means = components.means
        k, name = len(means), type(self).__name__
        noise = f" and {100 * mixture.noise_weight_:.3g} % noise" if n_noise(mixture) else ""
        record: FitRecord | None = getattr(self, "_record", None)
        held = None
        if record is not None and record.weight:
            held = held_columns(family, self.weights_, components, record.units)
        return MixtureSummary(
            f"{name}: {count(k, 'cluster')}{noise}, covariance {self.covariance_type!r}, "
            f"{origin_of(self)}",
            tuple(column_names(self, means.shape[1])),
            np.asarray(self.weights_, dtype=np.float64),
            sizes,
            means,
            np.sqrt(family.column_variances(components)),
            held,
        )


def origin_of(estimator: Any) -> str:
    """Say where a mixture's parameters come from."""
    record: FitRecord | None = getattr(estimator, "_record", None)
    if record is None or not record.weight:
        return "given parameters"
    if record.steps:
        return f"after {count(record.steps, 'step')} of partial_fit"
    state = "converged" if estimator.converged_ else "NOT CONVERGED"
    return f"{state} after {count(estimator.n_iter_, 'iteration')}"


def count(number: int, noun: str) -> str:
    """Write a number of things, in the singular if it is one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def column_names(estimator: Any, n_features: int) -> Sequence[str]:
    """Return the names of the columns that an estimator was fitted to, or x0, x1, ..."""
    names = getattr(estimator, "feature_names_in_", None)
    return [f"x{j}" for j in range(n_features)] if names is None else list(names)


def as_frames(estimator: Any, rows: Floats, labels: NDArray[np.int64]) -> tuple[Any, Any]:
    """Return drawn rows as a frame with the columns' names, and their labels as a series."""
    import pandas as pd

    columns = list(column_names(estimator, rows.shape[1]))
    return pd.DataFrame(rows, columns=columns), pd.Series(labels, name="cluster")


def plus_minus(mean: float, deviation: float) -> str:
    """Write a mean and a standard deviation to the same decimal place, such as ``54.5 ± 5.9``.

    The deviation has two significant digits; it may be infinite.
    """
    if math.isinf(deviation):
        return f"{mean:.4g} ± inf"
    rounded = float(f"{deviation:.1e}")
    places = 1 - math.floor(math.log10(rounded)) if rounded > 0 else 3
    if places > 5 or abs(mean) >= 1e7 or deviation >= 1e7:
        return f"{mean:.4g} ± {deviation:.2g}"
    places = max(places, 0)
    mean = round(float(mean), places) + 0.0  # which is never -0.0
    return f"{mean:.{places}f} ± {deviation:.{places}f}"


def _write_size(size: float) -> str:
    return f"{size:,.1f}" if size >= 0.05 else f"{size:.1g}"


def short_name(name: str) -> str:
    """Shorten a name, so that it breaks neither line nor terminal."""
    name = "".join(letter if letter.isprintable() else "?" for letter in " ".join(name.split()))
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."


def _html_row(cells: Sequence[str], kind: str) -> str:
    first, *others = (escape(cell) for cell in cells)
    return f"<tr><th>{first}</th>{''.join(f'<{kind}>{cell}</{kind}>' for cell in others)}</tr>"
