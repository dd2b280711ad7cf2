"""What is the same for all kinds of columns: summed lines add up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.parameters import EMPTY, Array, SingularCovarianceError
from skem.scoring import LinearScorer, Scorer

__all__ = [
    "LARGEST",
    "LEAST",
    "ConjugateLinearKind",
    "LinearKind",
    "UnboundedLikelihoodError",
    "at_least",
]

Data = TypeVar("Data")
Params = TypeVar("Params")
Post = TypeVar("Post")

# Where maximum likelihood says zero (a rate, a probability), scores take the logarithm of this:
# -inf times a line of zeros would be NaN.
LEAST = 1e-300
LARGEST = 1e100  # what tiles hold


def at_least(values: Array) -> Array:
    """Return values, at least 1e-300."""
    return np.maximum(values, LEAST)


class UnboundedLikelihoodError(SingularCovarianceError):
    """A component whose likelihood has no maximum: it is higher the narrower the component is."""

    def __init__(self, component: int, reason: str) -> None:
        self.component, self.reason = component, reason
        ValueError.__init__(
            self,
            f"The likelihood of component {component} has no maximum: {reason}. Increase "
            "pseudo_count, or decrease n_components.",
        )

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return type(self), (self.component, self.reason)


@dataclass(frozen=True, eq=False)
class LinearKind(Generic[Params]):
    """A kind whose lines are `own_lines`, and one for each column that has gaps.

    A subclass has what is left over of `skem.families.kinds.contract.Kind`: `maximise` instead
    of `mode`.

    Parameters
    ----------
    n_columns : int, default=0
        Number of columns of the block. 0: not said yet; estimators set it.
    gaps : bool, default=True
        Whether cells may be missing.
    unit : ndarray of shape (d,), default=None
        A typical value of each column, by which no result depends; `fitted_to` sets it.
        None: 1.
    names : tuple, default=()
        What the columns are called in messages; `fitted_to` sets it. (): by their positions.
    """

    n_columns: int = 0
    gaps: bool = True
    unit: Array | None = None
    names: tuple[Any, ...] = ()

    # Whether a seen cell adds something whatever its value is.
    counts_seen: ClassVar[bool] = True

    # --- what a subclass says ---------------------------------------------------------------

    @property
    def n_own_lines(self) -> int:
        """Number of lines besides those of seen cells."""
        return self.n_columns

    def own_lines(self, values: Array) -> Array:
        """Return lines of the values, (n, number of them); what is made of NaN is not used."""
        return values

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        """Say which cells (n, d) this kind can't have (not NaN), and in words what it can."""
        raise NotImplementedError

    def natural(self, parameters: Params) -> tuple[Array, Array]:
        """Return coefficients of own lines, and what each seen cell adds, (K, d), in nats."""
        raise NotImplementedError

    def maximise(self, stats: LineStatistics, previous: Params) -> Params:
        """Return maximum-likelihood parameters; ``previous`` ones where no cell was seen."""
        raise NotImplementedError

    def typical(self, stats: LineStatistics) -> Array:
        """Return means of own lines, (1, number of them), for a prior's pseudo-rows.

        Those of all rows, which ``stats`` are of, or near them where these have no density.
        """
        raise NotImplementedError

    def cell_base(self, values: Array) -> Array:
        """Return what a cell's log density has for all components alike, (n, d)."""
        return np.zeros(values.shape)

    # --- the data ---------------------------------------------------------------------------

    @property
    def n_lines(self) -> int:
        """Number of lines."""
        return self.n_own_lines + (self.n_columns if self.has_seen_lines else 0)

    @property
    def n_sums(self) -> int:
        """Number of entries that statistics have for each component."""
        return self.n_lines

    @property
    def has_seen_lines(self) -> bool:
        """Whether there is a line for each column's seen cells."""
        return self.gaps and self.counts_seen

    @property
    def name(self) -> str:
        """What the kind is called in messages: the class's name, in snake case."""
        return re.sub("(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def units(self) -> Array:
        """A typical value of each column, (d,)."""
        return np.ones(self.n_columns) if self.unit is None else self.unit

    def check(self, values: Array, names: Sequence[Any]) -> None:
        bad, allowed = self.fault(values)
        if bad.any():
            column = int(bad.any(axis=0).argmax())
            row = int(bad[:, column].argmax())
            raise ValueError(
                f"Column {names[column]!r} has {values[row, column]:g} in row {row}, but "
                f"{self.name} columns hold {allowed}"
            )

    def fitted_to(self, values: Array, weights: Array | None, names: Sequence[Any] = ()) -> Self:
        seen = ~np.isnan(values)
        share = seen * (1.0 if weights is None else weights[:, None])
        total = share.sum(axis=0)
        mean = (share * np.where(seen, values, 0.0)).sum(axis=0) / np.where(total > 0, total, 1.0)
        unit = np.where(mean > 0, mean, 1.0)
        return replace(self, gaps=not seen.all(), unit=unit, names=tuple(names))

    def condense(self, values: Array) -> list[tuple[Array, Array]]:
        """Return a few values of each column, and weights, that `fitted_to` returns the same of.

        But for gaps, and but for rounding. Those of parts of a table, together, stand for all.
        """
        columns = (column[~np.isnan(column)] for column in values.T)
        return [
            (column.mean(keepdims=True), np.array([float(len(column))]))
            if len(column)
            else (np.zeros(0), np.zeros(0))
            for column in columns
        ]

    def name_of(self, column: int) -> str:
        """Return what a column is called in messages."""
        return repr(self.names[column]) if self.names else str(column)

    def with_gaps(self, gaps: bool) -> Self:
        return replace(self, gaps=gaps)

    def for_values(self, values: Array, *, more: bool = False) -> Self:
        return self.with_gaps(more or bool(np.isnan(values).any()))

    def lines(self, values: Array) -> Array:
        own = self.own_lines(values)
        own = np.where(np.isnan(own), 0.0, own)
        return np.hstack([own, ~np.isnan(values)]) if self.has_seen_lines else own

    def log_base(self, values: Array) -> Array:
        return self.over_seen(self.cell_base(values))

    def over_seen(self, cells: Array) -> Array:
        """Sum over the last axis what is not NaN, as missing cells are."""
        result: Array = np.where(np.isnan(cells), 0.0, cells).sum(axis=-1)
        return result

    def features(self, values: Array) -> Array:
        return self.own_lines(values)

    # --- statistics -------------------------------------------------------------------------

    def nothing(self, n_components: int) -> LineStatistics:
        return LineStatistics(np.zeros(n_components), np.zeros((n_components, self.n_sums)))

    def statistics(self, sums: Array, weight: Array) -> LineStatistics:
        return LineStatistics(weight, np.ascontiguousarray(sums.T))

    def add(self, a: LineStatistics, b: LineStatistics) -> LineStatistics:
        return LineStatistics(a.weight + b.weight, a.sums + b.sums)

    def scale(self, stats: LineStatistics, factor: float) -> LineStatistics:
        return LineStatistics(factor * stats.weight, factor * stats.sums)

    def take(self, data: Data, index: NDArray[np.intp]) -> Data:
        plain: Any = data
        result: Data = type(plain)(*(values[index] for values in plain))
        return result

    def merge(self, stats: LineStatistics, a: int, b: int) -> LineStatistics:
        weight, sums = stats.weight.copy(), stats.sums.copy()
        for values in (weight, sums):
            values[a] += values[b]
            values[b] = 0.0
        return LineStatistics(weight, sums)

    def split_into(
        self, stats: LineStatistics, parts: LineStatistics, split: int, free: int
    ) -> LineStatistics:
        weight, sums = stats.weight.copy(), stats.sums.copy()
        for values, of_parts in ((weight, parts.weight), (sums, parts.sums)):
            values[[split, free]] = of_parts[2 * split : 2 * split + 2]
        return LineStatistics(weight, sums)

    def own_sums(self, stats: LineStatistics) -> Array:
        """Return the summed own lines, (K, number of them)."""
        return stats.sums[:, : self.n_own_lines]

    def seen(self, stats: LineStatistics) -> Array:
        """Return the weight of each column's seen cells, (K, d)."""
        if self.has_seen_lines:
            return stats.sums[:, self.n_own_lines :]
        return np.repeat(stats.weight[:, None], self.n_columns, axis=1)

    def means(self, stats: LineStatistics) -> tuple[NDArray[np.bool_], Array]:
        """Say where a component has seen cells at all, (K, d), and return the means of lines.

        For kinds with one own line for each column; zero where nothing was seen.
        """
        seen = self.seen(stats)
        known = seen > EMPTY * seen.sum(axis=0)
        return known, np.where(known, self.own_sums(stats) / np.where(known, seen, 1.0), 0.0)

    def encode(self, stats: LineStatistics) -> Array:
        """Return the roots of summed lines, for lines that are never negative."""
        return 2.0 * np.sqrt(np.maximum(stats.sums, 0.0))

    def decode(self, coordinates: Array, weight: Array) -> LineStatistics | None:
        sums = np.square(0.5 * coordinates)
        return LineStatistics(weight, sums) if np.isfinite(sums).all() else None

    def first_spike(self, spike: NDArray[np.bool_], values: str) -> UnboundedLikelihoodError:
        """Return the error of the first component (and column) whose values are all ``values``."""
        component, column = np.argwhere(spike)[0].tolist()
        reason = f"all its values of {self.name} column {self.name_of(column)} are {values}"
        return UnboundedLikelihoodError(component, reason)

    def check_typical(self, spike: NDArray[np.bool_], values: str) -> None:
        """Raise a ValueError where all values of a column (1, d) are ``values``."""
        if spike.any():
            column = self.name_of(int(spike[0].argmax()))
            raise ValueError(
                f"All values of {self.name} column {column} are {values}, so it has no estimates: "
                "drop the column, or declare another kind for it"
            )

    # --- point estimates --------------------------------------------------------------------

    def pseudo_rows(self, stats: LineStatistics, count: float) -> LineStatistics:
        return self.rows_like(self.typical(stats), count)

    def rows_like(self, mean: Array, count: float) -> LineStatistics:
        """Return statistics of one component: ``count`` rows, with given means of own lines."""
        seen = np.full((1, self.n_sums - self.n_own_lines), count)
        return LineStatistics(np.full(1, float(count)), np.hstack([count * mean, seen]))

    def mode(self, stats: LineStatistics, prior: LineStatistics, previous: Params) -> Params:
        return self.maximise(self.add(stats, prior), previous)

    def floor_below(self, variances: Array, one: Params) -> Array | None:
        return None

    def with_floor(self, floor: Array | None) -> Self:
        return self

    def log_prior(self, parameters: Params, prior: LineStatistics) -> float:
        if not prior.weight.any():
            return 0.0
        return self.of_statistics(prior, self.coefficients(parameters))

    def coefficients(self, parameters: Params) -> Linear:
        return self.linear(*self.natural(parameters))

    def linear(self, own: Array, each: Array) -> Linear:
        """Put together coefficients of own lines and what each seen cell adds, (K, d)."""
        if self.has_seen_lines:
            return Linear(np.hstack([own, each]), np.zeros(len(own)))
        return Linear(own, each.sum(axis=1))

    def scorer(self, linear: Linear, log_weights: Array) -> Scorer:
        lines = np.arange(self.n_lines + 1)
        coefficients = np.pad(linear.coefficients, [(0, 0), (0, 1)])
        ones = np.full_like(lines, lines[-1])
        return LinearScorer.of(lines, ones, coefficients, linear.constants + log_weights)

    def evaluate(self, values: Array, linear: Linear) -> Array:
        return self.lines(values) @ linear.coefficients.T + linear.constants

    def log_likelihood(self, stats: LineStatistics, parameters: Params) -> float:
        return self.of_statistics(stats, self.coefficients(parameters))

    def of_statistics(self, stats: LineStatistics, linear: Linear) -> float:
        """Sum what rows that statistics stand for have of linear functions of lines."""
        of_lines = float((stats.sums * linear.coefficients).sum())
        return of_lines + float((stats.weight * linear.constants).sum())

    def deviations(self, parameters: Params) -> Array:
        fields: Any = parameters
        return np.full((len(fields[0]), self.n_columns), np.nan)

    def distances(self, stats: LineStatistics, component: int, parameters: Params) -> Array:
        weight = max(float(stats.weight[component]), LEAST)
        coefficients, constants = self.coefficients(parameters)
        score = coefficients @ (stats.sums[component] / weight) + constants
        result: Array = np.maximum(2.0 * (score[component] - score), 0.0)
        return result


class ConjugateLinearKind(LinearKind[Params], Generic[Params, Post]):
    """A kind that has a conjugate prior as well."""

    def expected_coefficients(self, posterior: Post) -> Linear:
        raise NotImplementedError

    def expected_log_likelihood(self, stats: LineStatistics, posterior: Post) -> float:
        return self.of_statistics(stats, self.expected_coefficients(posterior))
