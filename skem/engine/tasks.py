"""What is to be done with rows, and who does it."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from skem.engine.source import Source
from skem.engine.tiles import TilePlan, Workplace

__all__ = ["Engine", "Task"]

Total = TypeVar("Total")
Result = TypeVar("Result")


class Task(Protocol[Total, Result]):
    """One pass over the rows; plain data that pickles, so that it can run where the rows are."""

    @property
    def in_order(self) -> bool:
        """Whether groups are better visited one after the other, in their order."""

    def begin(self, source: Source, plan: TilePlan) -> Total | None:
        """Return what results are added to; None: the first one."""

    def visit(self, source: Source, group: int, workplace: Workplace) -> Result:
        """Return what a group of tiles adds; change nothing but the workplace's arrays."""

    def add(self, total: Total, result: Result) -> Total:
        """Return the total with one more result; the total may be changed in place."""


class Engine(Protocol):
    """Runs tasks over the rows of sources."""

    def fold(self, task: Task[Total, Result], source: Any, plan: TilePlan) -> Total:
        """Return ``begin() + visit(0) + visit(1) + ...`` over the groups of a source's tiles.

        Results are added in the order of the groups, whoever makes them and whichever comes
        first, so every bit of the total is the same for any number of workers.
        """
