"""What a kind of columns is: the distribution that each column of a block has in a component.

The log density of a row's cells is linear in lines of the data (`Kind.lines`), up to a part that
all components share (`Kind.log_base`)::

    log p(x | k) = constants[k] + coefficients[k] @ lines(x) + log_base(x)

So blocks of all kinds are scored by one matrix product, and their expected sufficient statistics
are one more. A missing cell (NaN) has lines of zero. Where cells may be missing (``gaps``), what a
cell adds whatever its value is the coefficient of one more line for each column, which is 1 where
the cell is seen; elsewhere it is in ``constants``, and these lines are spared.

The same lines with expected coefficients are variational Bayes (`ConjugateKind`); gamma and
negative binomial columns have no conjugate prior, and so no such methods.

A prior of point estimates is a few more rows (`Kind.pseudo_rows`), so that the mode under it is
the maximum-likelihood estimate of more statistics, for every kind alike.

Kinds with a probability for each of many values (`skem.families.kinds.coded`) are linear in
indicators of these. There are as many sums as values, but one line for each column: its code.

Shapes: K components, d columns of a block, L lines, S sums (L, but for coded kinds), n rows. All
floats are float64. Parameters, posteriors and priors are NamedTuples whose fields have a first
axis of length K (a prior's: 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from skem.families.parameters import Array
from skem.scoring import Scorer

__all__ = ["ConjugateKind", "Kind", "LineStatistics", "Linear"]

Data = TypeVar("Data")
Params = TypeVar("Params")
Post = TypeVar("Post")


class Linear(NamedTuple):
    """Log densities, or expected ones, as linear functions of lines, in nats.

    Attributes
    ----------
    coefficients : ndarray of shape (K, S)
    constants : ndarray of shape (K,)
        Zeros if the kind has ``gaps``.
    """

    coefficients: Array
    constants: Array


class LineStatistics(NamedTuple):
    """Expected sufficient statistics of a block.

    Attributes
    ----------
    weight : ndarray of shape (K,)
        Summed responsibilities.
    sums : ndarray of shape (K, S)
        The lines, summed with them.
    """

    weight: Array
    sums: Array


class Kind(Protocol[Params]):
    """What every kind answers. An instance describes one block; it is plain data that pickles.

    `skem.families.kinds.linear.LinearKind` has all that is the same for most kinds.
    """

    @property
    def n_columns(self) -> int:
        """Number of columns, d."""

    @property
    def gaps(self) -> bool:
        """Whether cells may be missing."""

    @property
    def n_lines(self) -> int:
        """Number of lines, L."""

    @property
    def n_sums(self) -> int:
        """Number of sums, S."""

    # --- the data ---------------------------------------------------------------------------

    def check(self, values: Array, names: Sequence[Any]) -> None:
        """Raise a ValueError that names the column and the first cell that this kind can't have.

        Parameters
        ----------
        values : ndarray of shape (n, d)
            Categories as codes from 0; NaN where missing.
        names : sequence of length d
            What the columns are called in the message.
        """

    def fitted_to(self, values: Array, weights: Array | None, names: Sequence[Any] = ()) -> Self:
        """Return the kind with what it takes from a table once: units, gaps.

        Parameters of the kinds that it returns mean the same, whatever the table.

        Parameters
        ----------
        values : ndarray of shape (n, d)
        weights : ndarray of shape (n,) or None
        names : sequence of length d, default=()
            What the columns are called in later errors. (): by their positions in the block.
        """

    def for_values(self, values: Array, *, more: bool = False) -> Self:
        """Return the kind for other rows: with what their lines need to be told.

        Parameters
        ----------
        values : ndarray of shape (n, d)
        more : bool, default=False
            Whether still other rows may follow, whose statistics are to be added.

        Raises
        ------
        ValueError
            If this kind has to know all rows for that.
        """

    def lines(self, values: Array) -> Array:
        """Return the lines, (n, L); zeros where a cell is missing."""

    def log_base(self, values: Array) -> Array:
        """Return what a row's log density has for all components alike, in nats: (n,)."""

    def features(self, values: Array) -> Array:
        """Return what tells rows apart, on scales where distances mean something, (n, p).

        NaN where missing. For `skem.families.cutting.cut_along_axis` and starts.
        """

    # --- statistics -------------------------------------------------------------------------

    def nothing(self, n_components: int) -> LineStatistics:
        """Statistics of no rows."""

    def statistics(self, sums: Array, weight: Array) -> LineStatistics:
        """Turn what `scorer` sums into statistics.

        Parameters
        ----------
        sums : ndarray of shape (number of rows of the scorer's sums less 1, K)
        weight : ndarray of shape (K,)
            Summed responsibilities: the last row.
        """

    def add(self, a: LineStatistics, b: LineStatistics) -> LineStatistics:
        """Statistics of both sets of rows."""

    def scale(self, stats: LineStatistics, factor: float) -> LineStatistics:
        """Statistics of rows counted ``factor`` times."""

    def take(self, data: Data, index: NDArray[np.intp]) -> Data:
        """Return some of the components of statistics, posteriors or parameters, in an order."""

    def merge(self, stats: LineStatistics, a: int, b: int) -> LineStatistics:
        """Statistics when component ``a`` also has the rows of ``b``, and ``b`` none."""

    def split_into(
        self, stats: LineStatistics, parts: LineStatistics, split: int, free: int
    ) -> LineStatistics:
        """Statistics when a component's parts, 2k and 2k + 1, take its place and a free one."""

    def encode(self, stats: LineStatistics) -> Array:
        """Return coordinates of statistics for acceleration, (K, number of coordinates).

        The weight is not among them, unless the kind needs it. Half the squared distance of
        two is about a divergence, where they are divided by the root of the total weight.
        """

    def decode(self, coordinates: Array, weight: Array) -> LineStatistics | None:
        """Return the statistics of coordinates and weights (K,), or None if there are none."""

    # --- point estimates --------------------------------------------------------------------

    def pseudo_rows(self, stats: LineStatistics, count: float) -> LineStatistics:
        """Return the rows that a prior adds to each component, as statistics of one.

        Parameters
        ----------
        stats : LineStatistics
            Of one component that has all rows.
        count : float
            How many rows; 0 for none, which leaves maximum likelihood.

        Raises
        ------
        ValueError
            If no component of this kind could have all rows: there is no density for them.
        """

    def mode(self, stats: LineStatistics, prior: LineStatistics, previous: Params) -> Params:
        """Make the M-step: maximum likelihood with the prior's pseudo-rows added.

        A component keeps its ``previous`` parameters in columns where it has neither.
        """

    def floor_below(self, variances: Array, one: Params) -> Array | None:
        """Return a floor for `with_floor`; None if this kind has none.

        Parameters
        ----------
        variances : ndarray of shape (d,)
            Of columns that were recorded in steps u: ``u^2 / 4``, see `skem.families.floor`;
            0 for none.
        one : Params
            Of all rows, which no floor is to change.
        """

    def with_floor(self, floor: Array | None) -> Self:
        """Return the kind whose point estimates are the likeliest above a floor.

        A column recorded in steps is not known better than its recording: without a floor, a
        density would be the higher the narrower it is about one value that many rows have.
        """

    def log_prior(self, parameters: Params, prior: LineStatistics) -> float:
        """Log likelihood of the pseudo-rows, in nats: the log prior up to a constant."""

    def coefficients(self, parameters: Params) -> Linear:
        """Return log densities as linear functions of lines."""

    def scorer(self, linear: Linear, log_weights: Array) -> Scorer:
        """Make the scorer of linear functions plus log weights (K,), over tiles of lines.

        Its sums are one array, whose last row is the summed responsibilities.
        """

    def evaluate(self, values: Array, linear: Linear) -> Array:
        """Return what `scorer` would score rows with, without log weights: (n, K)."""

    def log_likelihood(self, stats: LineStatistics, parameters: Params) -> float:
        """Log likelihood of the rows that statistics stand for, less `log_base`, in nats."""

    def without_rows(self, n_components: int) -> Params:
        """Make the parameters of components that never had a row."""

    def n_parameters(self, n_components: int) -> int:
        """Count the free parameters."""

    def distances(self, stats: LineStatistics, component: int, parameters: Params) -> Array:
        """Twice the divergence per row from one component's rows to each component, (K,)."""

    # --- what is read from parameters -------------------------------------------------------

    def sample(
        self, parameters: Params, labels: NDArray[np.int64], rng: np.random.RandomState
    ) -> Array:
        """Draw one row of each labelled component, (len(labels), d)."""

    def impute(self, parameters: Params, resp: Array) -> Array:
        """Return expected values, or most probable codes, for responsibilities (n, K): (n, d)."""

    def deviations(self, parameters: Params) -> Array:
        """Return standard deviations, (K, d); NaN of codes, and where they are not known."""


class ConjugateKind(Kind[Params], Protocol[Params, Post]):
    """What variational Bayes asks besides. Priors are posteriors of one component."""

    def prior(self, stats: LineStatistics) -> Post:
        """Make a prior that says little, from statistics of one component that has all rows."""

    def posterior(self, prior: Post, stats: LineStatistics) -> Post:
        """Make the conjugate update."""

    def expected_parameters(self, posterior: Post) -> Params:
        """Return the posterior means of the parameters."""

    def expected_coefficients(self, posterior: Post) -> Linear:
        """Return expected log densities as linear functions of lines."""

    def expected_log_likelihood(self, stats: LineStatistics, posterior: Post) -> float:
        """Expected log likelihood of rows that statistics stand for, less `log_base`, in nats."""

    def divergence(self, posterior: Post, prior: Post) -> float:
        """KL(posterior || prior), in nats, summed over components and columns."""

    def log_predictive(self, values: Array, posterior: Post) -> Array:
        """Log predictive density of each row's seen cells, in nats, (n, K)."""

    def draw(self, posterior: Post, rng: np.random.RandomState) -> Params:
        """Draw parameters from the posterior.

        One row of each labelled component's predictive density is
        ``sample(draw(take(posterior, labels), rng), arange(len(labels)), rng)``.
        """
