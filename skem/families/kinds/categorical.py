"""One of several categories: categorical columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from skem.families.kinds.coded import CodedKind
from skem.families.kinds.contract import Linear, LineStatistics
from skem.families.kinds.linear import ConjugateLinearKind, at_least
from skem.families.parameters import EMPTY, Array

__all__ = ["Categorical", "CategoricalParameters", "DirichletLaw"]


class CategoricalParameters(NamedTuple):
    """Parameters of categorical columns.

    Attributes
    ----------
    probabilities : ndarray of shape (K, number of all columns' categories)
        Column by column; `Categorical.split` makes one array of each.
    """

    probabilities: Array


class DirichletLaw(NamedTuple):
    """Dirichlet distributions of each column's probabilities.

    Attributes
    ----------
    concentration : ndarray of shape (K, number of all columns' categories)
    """

    concentration: Array


@dataclass(frozen=True, eq=False)
class Categorical(
    CodedKind[CategoricalParameters],
    ConjugateLinearKind[CategoricalParameters, DirichletLaw],
):
    """Codes of categories: ``p(x) = probabilities[x]``, x = 0 .. number of categories - 1.

    A prior's pseudo-rows are spread evenly over a column's categories. So is the one pseudo-row
    of the conjugate prior, a Dirichlet distribution whose L parameters are 1 / L (Perks 1947).

    Parameters
    ----------
    n_categories : tuple of int
        Of each column.
    """

    n_columns: int = field(init=False)
    n_categories: tuple[int, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_columns", len(self.n_categories))

    @property
    def n_codes(self) -> tuple[int, ...]:
        return self.n_categories

    def codes(self, values: Array) -> Array:
        return values

    def features(self, values: Array) -> Array:
        """Return an indicator of each category."""
        codes = np.concatenate([np.arange(n) for n in self.n_categories])
        cells = self.spread(values)
        return np.where(np.isnan(cells), np.nan, cells == codes)

    def fault(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        beyond = values >= np.array(self.n_categories)
        bad = (values < 0) | beyond | (values != np.floor(values))
        return ~np.isnan(values) & bad, "codes of categories, from 0 to their number less 1"

    def fitted_to(self, values: Array, weights: Array | None, names: Sequence[Any] = ()) -> Self:
        return replace(self, gaps=bool(np.isnan(values).any()), names=tuple(names))

    def natural(self, parameters: CategoricalParameters) -> tuple[Array, Array]:
        (p,) = parameters
        return np.log(at_least(p)), np.zeros((len(p), self.n_columns))

    def maximise(
        self, stats: LineStatistics, previous: CategoricalParameters
    ) -> CategoricalParameters:
        seen = self.seen(stats)
        known = seen > EMPTY * seen.sum(axis=0)
        shares = stats.sums / self.spread(np.where(known, seen, 1.0))
        return CategoricalParameters(np.where(self.spread(known), shares, previous.probabilities))

    def typical(self, stats: LineStatistics) -> Array:
        return self.evenly(1)

    def evenly(self, n_components: int) -> Array:
        """Return equal probabilities for each column's categories."""
        return np.tile(self.spread(1.0 / np.array(self.n_categories)), (n_components, 1))

    def without_rows(self, n_components: int) -> CategoricalParameters:
        return CategoricalParameters(self.evenly(n_components))

    def n_parameters(self, n_components: int) -> int:
        return n_components * (self.n_sums - self.n_columns)

    def sample(
        self,
        parameters: CategoricalParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        return np.column_stack([_draw(p, labels, rng) for p in self.split(parameters[0])])

    def impute(self, parameters: CategoricalParameters, resp: Array) -> Array:
        modes = [(resp @ p).argmax(axis=1) for p in self.split(parameters[0])]
        return np.column_stack(modes).astype(np.float64)

    # --- the conjugate prior ----------------------------------------------------------------

    def prior(self, stats: LineStatistics) -> DirichletLaw:
        return DirichletLaw(self.evenly(1))

    def posterior(self, prior: DirichletLaw, stats: LineStatistics) -> DirichletLaw:
        return DirichletLaw(prior.concentration + stats.sums)

    def expected_parameters(self, posterior: DirichletLaw) -> CategoricalParameters:
        (counts,) = posterior
        return CategoricalParameters(counts / self.spread(self.column_sums(counts)))

    def expected_coefficients(self, posterior: DirichletLaw) -> Linear:
        """Return ``digamma(a_j) - digamma(sum a)`` for each category (Bishop 2006, B.21)."""
        (counts,) = posterior
        expected_log = digamma(counts) - self.spread(digamma(self.column_sums(counts)))
        return self.linear(expected_log, np.zeros((len(counts), self.n_columns)))

    def divergence(self, posterior: DirichletLaw, prior: DirichletLaw) -> float:
        """KL of Dirichlet distributions, in nats (from Bishop 2006, B.16 and B.21)."""
        (q,), (p,) = posterior, prior
        apart = (q - p) * self.expected_coefficients(posterior).coefficients
        lines = apart + gammaln(p) - gammaln(q)
        columns = gammaln(self.column_sums(q)) - gammaln(self.column_sums(p))
        return float(lines.sum()) + float(columns.sum())

    def log_predictive(self, values: Array, posterior: DirichletLaw) -> Array:
        """Log density at the posterior mean, in nats."""
        return self.evaluate(values, self.coefficients(self.expected_parameters(posterior)))

    def draw(self, posterior: DirichletLaw, rng: np.random.RandomState) -> CategoricalParameters:
        drawn = at_least(rng.gamma(posterior.concentration))
        return CategoricalParameters(drawn / self.spread(self.column_sums(drawn)))


def _draw(probabilities: Array, labels: NDArray[np.int64], rng: np.random.RandomState) -> Array:
    """Draw a code for each label, (len(labels),), from probabilities (K, L)."""
    n_components, n = probabilities.shape
    cumulated = np.cumsum(probabilities, axis=1)
    cumulated /= cumulated[:, -1:]
    # One sorted array for all components: that of component k from k to k + 1.
    steps = (cumulated + np.arange(n_components)[:, None]).ravel()
    places = np.searchsorted(steps, labels + rng.random_sample(len(labels)), side="right")
    return np.minimum(places - n * labels, n - 1).astype(np.float64)
