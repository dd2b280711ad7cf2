"""What `verbose` prints, in scikit-learn's words."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from time import perf_counter

from skem._callbacks import Task

__all__ = ["GridProgress", "Progress"]


class Progress:
    """Prints how one start of a fit gets on.

    Parameters
    ----------
    verbose : int
        0: nothing; 1: that iterations are made; more: times and gains.
    interval : int
        Iterations from one report to the next.
    number : int
        Of the start.
    """

    def __init__(self, verbose: int, interval: int, number: int) -> None:
        self.verbose, self.interval = int(verbose), interval
        self.began = self.last = perf_counter()
        if self.verbose:
            print(f"Initialization {number}")

    def iteration(self, n_iter: int, gain: float) -> None:
        """Report one iteration, if it is its turn."""
        if not self.verbose or n_iter % self.interval:
            return
        now = perf_counter()
        detail = f"\t time lapse {now - self.last:.5f}s\t ll change {gain:.5f}"
        print(f"  Iteration {n_iter}" + (detail if self.verbose > 1 else ""))
        self.last = now

    def end(self, bound: Callable[[], float], converged: bool) -> None:
        """Report the end of a start."""
        if self.verbose:
            words = "converged" if converged else "did not converge"
            time = f" time lapse {perf_counter() - self.began:.5f}s\t lower bound {bound():.5f}."
            print(f"Initialization {words}." + (time if self.verbose > 1 else ""))


class GridProgress:
    """Tells callbacks and, if `verbose` says so, whoever watches, how many fits get on.

    Parameters
    ----------
    verbose : int
        0: prints nothing; 1: a line for each fit that has ended; more: its time, too.
    n_fits : int
    task : Task
        The task of all fits; each becomes a subtask.
    """

    def __init__(self, verbose: int, n_fits: int, task: Task) -> None:
        self.verbose, self.n_fits, self.task = int(verbose), n_fits, task
        self._begun, self._done = count(), count(1)

    def begin(self) -> Task:
        """Begin a fit, in any thread."""
        return self.task.subtask("fit", number=next(self._begun))

    def end(self, task: Task, what: str, mixture: object, state: str, seconds: float) -> None:
        """Tell that a fit has ended, and how; ``mixture`` is None if it failed."""
        task.end(lambda: None if mixture is None else {"best_estimator_": mixture})
        done = next(self._done)
        if self.verbose:
            detail = f", {seconds:.2f} s" if self.verbose > 1 else ""
            print(f"[{done:{len(str(self.n_fits))}}/{self.n_fits}] {what}: {state}{detail}")
