"""Passes over the rows of a table: the E-step and its relatives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine import Engine, Population, TilePlan
from skem.families.contract import AnyFamily, Statistics
from skem.inference.tasks import ComputeScores, Expect, LogNormaliser, RowShares, Summarise
from skem.scoring import Scorer, Scores

__all__ = ["EStep", "Passes"]

Array: TypeAlias = NDArray[np.float64]


class EStep(NamedTuple):
    """What an E-step returns.

    Attributes
    ----------
    statistics : Statistics
        The family's.
    log_normaliser : float
        ``sum_n w_n log sum_k exp(score_nk)``, in nats.
    """

    statistics: Any
    log_normaliser: float


@dataclass(frozen=True)
class Passes:
    """How passes over one source's rows are made.

    Parameters
    ----------
    source : Source or PartitionedTable
        Of the kind that the engine can fold.
    plan : TilePlan
    engine : Engine
        Entered by the caller.
    trail : dict
        Iterations of runs over these rows that were told to leave one; see `batch_em`.
    """

    source: Population
    plan: TilePlan
    engine: Engine
    trail: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def expect(self, family: AnyFamily, scorer: Scorer, summer: Scorer | None = None) -> EStep:
        """Make one E-step over all rows.

        Parameters
        ----------
        family : Family
        scorer : Scorer
            Scores the rows.
        summer : Scorer, default=None
            Sums their statistics. None: the scorer.
        """
        summer = scorer if summer is None else summer
        sums, log_normaliser = self.engine.fold(Expect(scorer, summer), self.source, self.plan)
        return EStep(family.statistics(summer, sums), log_normaliser)

    def log_normaliser(self, scorer: Scores) -> float:
        """Return the E-step's log normaliser alone, in nats."""
        return self.engine.fold(LogNormaliser(scorer), self.source, self.plan)

    def summarise(self, family: AnyFamily, summer: Scorer, shares: RowShares) -> Statistics:
        """Sum statistics for given responsibilities.

        Parameters
        ----------
        family : Family
        summer : Scorer
            Says about which points moments are summed.
        shares : RowShares
        """
        sums, _ = self.engine.fold(Summarise(summer, shares), self.source, self.plan)
        result: Statistics = family.statistics(summer, sums)
        return result

    def scores(self, scorer: Scores) -> Array:
        """Return the scores of all rows, of positive weight each, shape (n_components, n_rows)."""
        result: Array = self.engine.fold(ComputeScores(scorer), self.source, self.plan).T
        return result

    def with_components(self, n_components: int) -> Passes:
        """Return passes over the same rows for another number of components."""
        return replace(self, plan=self.plan.with_components(n_components))

    def over(self, source: Population) -> Passes:
        """Return passes over another source's rows; these, if it is the same."""
        if source is self.source:
            return self
        return Passes(source, self.plan.with_rows(source.n_rows), self.engine)
