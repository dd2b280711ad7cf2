"""What `verbose` prints, in scikit-learn's words."""

from __future__ import annotations

from time import perf_counter

__all__ = ["Progress"]


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

    def end(self, bound: float, converged: bool) -> None:
        """Report the end of a start."""
        if self.verbose:
            words = "converged" if converged else "did not converge"
            time = f" time lapse {perf_counter() - self.began:.5f}s\t lower bound {bound:.5f}."
            print(f"Initialization {words}." + (time if self.verbose > 1 else ""))
