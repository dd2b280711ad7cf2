"""The E-step: visits to a table that return sums."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import Table, Threads, Tile, TilePlan
from skem.families import GaussianFamily, GaussianStatistics, Scorer, Scores
from skem.families.scorers import Sums, expect_in_steps

__all__ = ["Local", "Visit"]

Array: TypeAlias = NDArray[np.float64]


class Local(NamedTuple):
    """What an E-step returns.

    Attributes
    ----------
    statistics : GaussianStatistics or None
        None where only the bound was asked for.
    log_normaliser : float
        ``sum_n w_n log sum_k exp(score_nk)``, in nats.
    """

    statistics: GaussianStatistics | None
    log_normaliser: float


@dataclass(frozen=True)
class Visit:
    """Visits to one table: how each pass over the rows is made.

    Parameters
    ----------
    table : Table
    plan : TilePlan
    threads : Threads
        Entered by the caller.
    """

    table: Table
    plan: TilePlan
    threads: Threads
    _own: threading.local = field(default_factory=threading.local, init=False, repr=False)

    def expect(
        self,
        family: GaussianFamily,
        scorer: Scorer,
        *,
        summer: Scorer | None = None,
        bound_only: bool = False,
    ) -> Local:
        """Make one E-step over all rows.

        Parameters
        ----------
        family : GaussianFamily
        scorer : Scorer
            Scores the rows.
        summer : Scorer, default=None
            Sums their statistics. None: the scorer.
        bound_only : bool, default=False
            Whether to leave the statistics out.
        """

        def expect(tile: Tile, sums: Sums) -> float:
            if bound_only:
                return scorer.normalise(tile)
            if summer is None:
                return scorer.expect(tile, sums)
            return expect_in_steps(scorer, summer, tile, sums)

        def visit(group: int, tile: Tile) -> Any:
            sums = () if bound_only else (summer or scorer).zeros()
            log_normaliser = 0.0
            for start, stop in self.plan.tiles(group):
                self.table.load(start, stop, tile)
                log_normaliser += expect(tile, sums)
            return sums, log_normaliser

        sums, log_normaliser = self._fold(visit)
        stats = None if bound_only else family.statistics(summer or scorer, sums)
        return Local(stats, log_normaliser)

    def of(self, n_components: int) -> Visit:
        """Return visits to the same table by another number of components."""
        return Visit(self.table, replace(self.plan, n_components=n_components), self.threads)

    def to(self, table: Table) -> Visit:
        """Return visits to another table by as many components; these, if it is the same."""
        if table is self.table:
            return self
        return Visit(table, replace(self.plan, n_rows=len(table.X)), self.threads)

    def scores(self, scorer: Scores) -> Array:
        """Return the scores of all rows, of positive weight each, shape (n_components, n_rows).

        Parameters
        ----------
        scorer : Scores
        """
        result = np.empty((self.plan.n_components, len(self.table.X)))

        def visit(group: int, tile: Tile) -> None:
            for start, stop in self.plan.tiles(group):
                self.table.load(start, stop, tile)
                scorer.score(tile)
                result[:, start:stop] = tile.scores[:, : tile.n_rows]

        self._fold(visit, add=lambda total, result: None)
        return result

    def summarise(
        self,
        family: GaussianFamily,
        scorer: Scorer,
        responsibilities: Callable[[int, int], Array],
    ) -> GaussianStatistics:
        """Sum statistics for given responsibilities, asked for in the order of the rows.

        Parameters
        ----------
        family : GaussianFamily
        scorer : Scorer
            Says about which points moments are summed.
        responsibilities : callable
            ``responsibilities(start, stop)`` of shape (stop - start, n_components).
        """

        def visit(group: int, tile: Tile) -> Any:
            sums = scorer.zeros()
            for start, stop in self.plan.tiles(group):
                self.table.load(start, stop, tile)
                resp = responsibilities(start, stop)[self.table.kept(start, stop)]
                weights = tile.weights[: tile.n_rows, None]
                np.multiply(resp, weights, out=tile.resp[: tile.n_rows])
                scorer.accumulate(tile, sums)
            return sums, 0.0

        # One thread: the responsibilities may come from a stream of random numbers.
        with Threads(1) as alone:
            sums, _ = alone.fold(visit, _add, self.plan.n_groups, self._tile)
        return family.statistics(scorer, sums)

    def evaluate(
        self,
        scorer: Scores,
        *,
        log_density: NDArray[np.floating] | None = None,
        resp: NDArray[np.floating] | None = None,
        labels: NDArray[np.int64] | None = None,
    ) -> None:
        """Fill arrays over all rows with what a scorer says of them; the table has no weights.

        Either labels, which need no normalising, or any of the other two.

        Parameters
        ----------
        scorer : Scores
        log_density : ndarray of shape (n_rows,), default=None
        resp : ndarray of shape (n_rows, n_components), default=None
        labels : ndarray of shape (n_rows,), default=None
        """

        def visit(group: int, tile: Tile) -> None:
            for start, stop in self.plan.tiles(group):
                self.table.load(start, stop, tile)
                n = tile.n_rows
                if labels is not None:
                    scorer.score(tile)
                    kernels.normalise.best_component(tile.scores, n, labels[start:stop])
                    continue
                scorer.normalise(tile)
                if log_density is not None:
                    log_density[start:stop] = tile.log_normaliser[:n]
                if resp is not None:
                    kernels.normalise.responsibilities(tile.scores, n, tile.factor, tile.resp)
                    resp[start:stop] = tile.resp[:n]

        self._fold(visit, add=lambda total, result: None)

    def _tile(self) -> Tile:
        """Return the calling thread's tile, which serves all passes: fresh memory is slow."""
        if not hasattr(self._own, "tile"):
            self._own.tile = Tile(self.plan)
        tile: Tile = self._own.tile
        return tile

    def _fold(
        self, visit: Callable[[int, Tile], Any], add: Callable[[Any, Any], Any] | None = None
    ) -> Any:
        return self.threads.fold(
            visit,
            add or _add,
            self.plan.n_groups,
            self._tile,
            self.plan.groups_at_once,
        )


def _add(total: Any, result: Any) -> Any:
    for sums, more in zip(total[0], result[0], strict=True):
        sums += more
    return total[0], total[1] + result[1]
