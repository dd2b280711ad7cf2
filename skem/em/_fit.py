"""EM for a model of one's own, from rows to a result."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skem._collections import check_in_memory
from skem._parameters import (
    Allowed,
    check_parameters,
    check_sample_weight,
    integer,
    jobs,
    none,
    one_of,
    real,
)
from skem._parameters import (
    random_state as random_states,
)
from skem.em._loop import EStep, Iteration, Result, Run, run_em
from skem.em._model import CheckedModel, Model, noting
from skem.em._rows import Blocks, as_rows, count_rows, take
from skem.engine import Threads, count_threads
from skem.inference.extrapolation import ACCELERATIONS

__all__ = ["fit"]

_ALLOWED: dict[str, tuple[Allowed, ...]] = {
    "n_init": (integer(1),),
    "max_iter": (integer(0),),
    "tol": (real(0.0),),
    "acceleration": (one_of(ACCELERATIONS), none),
    "random_state": (random_states, none),
    "n_jobs": (jobs, none),
    "block_size": (integer(1), none),
    "callbacks": (
        Allowed(
            lambda value: (
                callable(value) or (isinstance(value, list | tuple) and all(map(callable, value)))
            ),
            "a callable or a sequence of callables",
        ),
    ),
}


def fit(
    model: Model,
    X: Any,
    start: Any = None,
    *,
    sample_weight: ArrayLike | None = None,
    n_init: int = 1,
    max_iter: int = 100,
    tol: float = 1e-3,
    acceleration: str | None = None,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
    block_size: int | None = None,
    callbacks: Callable[[Iteration], Any] | Sequence[Callable[[Iteration], Any]] = (),
) -> Result:
    """Fit a model of one's own by expectation-maximisation (Dempster, Laird & Rubin 1977).

    Maximum likelihood, MAP, generalised and variational EM are one loop: expected sufficient
    statistics are added up over blocks of rows, and new parameters are made of the sum. See
    :ref:`your_own_model`.

    Parameters
    ----------
    model : Model
        An object with the methods

        - ``expect(X, theta) -> (statistics, bound)``, for a block of rows. `statistics` are
          numbers, NumPy arrays, or tuples, named tuples or dicts of them, one in another if need
          be, in the same shapes for all blocks; they are added up as float64. `bound` is the rows'
          log-likelihood, or a lower bound of it, in nats. If it takes weights,
          ``expect(X, theta, weight)``, it always gets an array of float64, of ones without
          `sample_weight`. It may be called from several threads at once, so it must not change
          anything.
        - ``maximise(statistics, theta) -> theta``, which makes new parameters of the sum over all
          blocks. `theta` is a copy of the present ones; they may be any object. In generalised
          EM the new ones need only be better.

        and, optionally,

        - ``log_prior(theta) -> float``, which is added to the bound (MAP);
        - ``start(X, rng) -> theta``, from all rows and a ``numpy.random.RandomState``;
        - ``coordinates(statistics) -> (to_vector, to_statistics)``, two functions, from
          statistics to a vector and back (None: no rows have such statistics). Accelerated steps
          go straight on in these coordinates, best in ones where a step's squared length is about
          what it gains. Without them, the statistics' numbers are divided by their root mean
          square, one for each number or array.
    X : array-like, sparse matrix, frame, or tuple of them with equally many rows
        Handed over in blocks of rows, as what it is: a pandas frame as pandas frames, a (named)
        tuple as tuples. Lists become arrays. Missing values are the model's own business.
    start : object, default=None
        Parameters to start from. None: ``model.start(X, rng)`` draws them.
    sample_weight : array-like of shape (n_rows,), default=None
        How often each row counts. Rows of weight zero are left out. For a model whose ``expect``
        takes no weight it is an error.
    n_init : int, default=1
        Number of starts; the run with the highest bound is returned. Runs are made side by side,
        with the same result for every `n_jobs`; the first is that of ``n_init=1``.
    max_iter : int, default=100
        Largest number of iterations, each an M-step and the E-step after it. With 0, the start is
        returned, and its bound.
    tol : float, default=1e-3
        A run ends when an iteration gains at most so much, in nats per row (per unit of weight).
    acceleration : {'anderson', 'squarem'}, default=None
        Some iterations start from extrapolated statistics, see :ref:`acceleration`. Where that
        lowers the bound, raises an ArithmeticError or ValueError, or makes something that isn't
        finite, the iteration is taken back, and the next one is plain.
    random_state : int or RandomState, default=None
        For ``start`` alone.
    n_jobs : int, default=None
        Number of threads, as for :class:`~skem.EMGaussianMixture`: None stands for as many as the
        linear algebra library may use. They share starts, and blocks of rows. Every bit of the
        result is the same for each number. The libraries' own threads rest meanwhile.
    block_size : int, default=None
        Rows in a block. None: as many as make a million values, but 256 to 8192. Another cut
        gives other rounding, and so another last digit.
    callbacks : callable or sequence of callables, default=()
        Each is called after each iteration with an `Iteration`, by one thread at a time. If one
        returns a true value, the run ends; other starts go on.

    Returns
    -------
    result : Result

    Raises
    ------
    TypeError
        If the model lacks a method, or a method returns what it should not.
    ValueError
        If a parameter has a value that is not allowed, X has no rows or parts of different
        length, `start` is given with ``n_init > 1``, `sample_weight` is given to a model that
        takes none, statistics change their shape, or a bound or statistics are not finite.

    Warns
    -----
    ConvergenceWarning
        If the bound fell by more than a relative 1e-10 (and 1e-10 per unit of weight): the
        iteration is taken back, and the run ends. Or if `max_iter` was reached.

    Notes
    -----
    Errors that the model raises come through as they are, with notes on the method, the rows, the
    iteration and the start. Floating-point errors are treated in all threads as ``np.errstate``
    says in the caller's; in accelerated steps they are ignored.

    Examples
    --------
    Two coins; one is drawn and tossed ten times, five times over (Do & Batzoglou 2008):

    >>> import numpy as np
    >>> from skem.em import fit
    >>> class TwoCoins:
    ...     def expect(self, X, theta):
    ...         each = np.exp(X @ np.log([theta, 1 - theta])) / 2
    ...         total = each.sum(axis=1)
    ...         return (each / total[:, None]).T @ X, np.log(total).sum()
    ...
    ...     def maximise(self, counts, theta):
    ...         return counts[:, 0] / counts.sum(axis=1)
    >>> heads = np.array([5, 9, 8, 4, 7])
    >>> X = np.column_stack([heads, 10 - heads])
    >>> fit(TwoCoins(), X, np.array([0.6, 0.5]), tol=1e-6).theta.round(2)
    array([0.8 , 0.52])
    """
    given = {
        "n_init": n_init,
        "max_iter": max_iter,
        "tol": tol,
        "acceleration": acceleration,
        "random_state": random_state,
        "n_jobs": n_jobs,
        "block_size": block_size,
        "callbacks": callbacks,
    }
    check_parameters("skem.em.fit", given, _ALLOWED)
    checked = CheckedModel(model)
    blocks = _make_blocks(checked, X, sample_weight, block_size)
    _check_start(checked, start, n_init)
    after_iteration = _one_at_a_time([callbacks] if callable(callbacks) else list(callbacks))
    generators = _generators(random_state, n_init)
    n_threads = count_threads(n_jobs)
    treatment = np.geterr()

    def run(number: int, space: None) -> list[Run]:
        # How the calling thread treats overflow and the like, all threads do.
        with np.errstate(**treatment), Threads(max(1, n_threads // n_init)) as threads:
            with noting(f"At start {number}"):
                theta = checked.start(blocks.X, generators[number]) if start is None else start
            result = run_em(
                EStep(checked, blocks, threads),
                theta,
                max_iter=max_iter,
                tol=tol * float(blocks.weight.sum()),
                acceleration=acceleration,
                after_iteration=after_iteration,
                restart=number,
            )
        return [result]

    with Threads(min(n_threads, n_init)) as threads:
        runs = threads.fold_in_order(
            run, lambda all_runs, more: all_runs + more, n_init, lambda: None
        )
    best = max(runs, key=lambda run: run.result.bound)
    for message in _messages(runs, best, max_iter, tol):
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    return best.result


def _make_blocks(
    model: CheckedModel, X: Any, sample_weight: ArrayLike | None, block_size: int | None
) -> Blocks:
    """Check rows and weights; leave out rows of weight zero, which are as good as absent."""
    check_in_memory(X, "skem.em.fit", "Give it a sample of the rows")
    X = as_rows(X)
    n_rows = count_rows(X)
    weight = check_sample_weight(sample_weight, n_rows)
    if weight is None:
        return Blocks(X, np.ones(n_rows), block_size)
    if not model.takes_weight:
        raise ValueError(
            f"sample_weight was given, but {model.name}.expect takes no weights. Write "
            "expect(X, theta, weight), and multiply what each row adds to the statistics and to "
            "the bound by its weight"
        )
    if weight.min() > 0.0:
        return Blocks(X, weight, block_size)
    kept = np.flatnonzero(weight)
    return Blocks(take(X, kept), weight[kept], block_size, kept)


def _check_start(model: CheckedModel, start: Any, n_init: int) -> None:
    if start is None and not model.has("start"):
        raise TypeError(
            f"Nothing says where to start: give start=theta, or write {model.name}.start(X, rng)"
        )
    if start is not None and n_init > 1:
        raise ValueError(
            f"start was given, and n_init={n_init}: all runs would be the same. Leave one of them "
            f"out; with n_init > 1 the starts are drawn by {model.name}.start(X, rng)"
        )


def _generators(
    random_state: int | np.random.RandomState | None, n_init: int
) -> list[np.random.RandomState]:
    """Make a generator for each start; the first is a single start's, so more end no lower."""
    rng = check_random_state(random_state)
    seeds = copy.deepcopy(rng)
    return [rng] + [np.random.RandomState(seeds.randint(2**31 - 1)) for _ in range(n_init - 1)]


def _one_at_a_time(callbacks: list[Callable[[Iteration], Any]]) -> Callable[[Iteration], bool]:
    """Return a function that calls all, one thread at a time, and says if one asks to stop."""
    lock = threading.Lock()

    def call(iteration: Iteration) -> bool:
        with lock:
            answers = [bool(callback(iteration)) for callback in callbacks]
        return any(answers)

    return call


def _messages(runs: list[Run], best: Run, max_iter: int, tol: float) -> list[str]:
    messages = [run.fall for run in runs if run.fall]
    if not (best.result.converged or best.fall) and 0 < max_iter == best.result.n_iter:
        messages.append(
            f"EM did not converge in max_iter={max_iter} iterations: the bound still rose by "
            f"tol={tol:g} or more per unit of weight. Increase max_iter or tol, or try an "
            "acceleration."
        )
    return messages
