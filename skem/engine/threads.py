"""Threads of this engine, and quiet ones of everybody else's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from types import TracebackType
from typing import Any, TypeVar

import joblib
import threadpoolctl
from threadpoolctl import ThreadpoolController

from skem.engine.source import Source
from skem.engine.tasks import Task
from skem.engine.tiles import TilePlan, Workplace

__all__ = ["Threads", "count_threads", "one_library_thread"]

Space = TypeVar("Space")
Total = TypeVar("Total")
Result = TypeVar("Result")

# A search alternates between two plans; the others are those of earlier starts.
_MOST_WORKPLACES = 4
# Small ones outlive their engine: to make one takes longer than to score a hundred rows. Each
# thread keeps those that it is not working in, of 128 kB at most, and not many.
_Idle = threading.local()
_MOST_IDLE = 8


@cache
def _controller() -> ThreadpoolController:
    # Made once, after numpy and scipy have loaded their libraries: looking for them takes
    # longer than a small fit.
    return ThreadpoolController()


class _Quiet:
    """How many callers want the libraries quiet now, and what each library was allowed before."""

    lock = threading.Lock()
    callers = 0
    allowed = 1
    before: tuple[int, ...] = ()


def _library_threads() -> int:
    libraries = _controller().lib_controllers
    return max((each.num_threads for each in libraries if each.user_api == "blas"), default=1)


def _set_threads(numbers: Sequence[int]) -> None:
    """Allow each library so many threads; one that was allowed a single thread still is."""
    if all(number == 1 for number in _Quiet.before):
        return
    _take_control()
    # As `ThreadpoolController.limit`, which asks for all that is known of each library: that
    # takes as long as scoring a hundred rows.
    for library, number, before in zip(
        _controller().lib_controllers, numbers, _Quiet.before, strict=True
    ):
        if before != 1:
            library.set_num_threads(number)
    _take_control()


def _take_control() -> None:
    """Let the calling thread set limits, whichever thread set the last ones.

    From threadpoolctl 3.8 on only one thread at a time may, and the others' calls do nothing;
    but our first caller may well be another thread than our last.
    """
    controller = getattr(threadpoolctl, "OpenBLASController", None)
    clear = getattr(controller, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


def _come() -> None:
    """Hold BLAS and OpenMP to one thread until as many callers have left as have come.

    The limit belongs to the process, so callers are counted: the first sets it, the last lifts
    it. Each by itself would restore what another had set.
    """
    with _Quiet.lock:
        if _Quiet.callers == 0:
            _Quiet.allowed = _library_threads()
            _Quiet.before = tuple(each.num_threads for each in _controller().lib_controllers)
            _set_threads([1] * len(_Quiet.before))
        _Quiet.callers += 1


def _leave() -> None:
    with _Quiet.lock:
        _Quiet.callers -= 1
        if _Quiet.callers == 0:
            _set_threads(_Quiet.before)


@contextmanager
def one_library_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread while any caller is inside."""
    _come()
    try:
        yield
    finally:
        _leave()


def count_threads(n_jobs: int | None) -> int:
    """Turn scikit-learn's ``n_jobs`` into a number of threads.

    None stands for as many threads as BLAS may use: all cores by default, fewer where
    ``OMP_NUM_THREADS``, threadpoolctl or joblib's process workers say so. Any other number is
    read as joblib reads it (-1: all cores).
    """
    if n_jobs is not None:
        return int(joblib.effective_n_jobs(n_jobs))
    with _Quiet.lock:
        return _Quiet.allowed if _Quiet.callers else _library_threads()


def _take_known(idle: list[Workplace], plan: TilePlan) -> Workplace | None:
    """Take the one for a plan, the newest first, as a loop asks for the same all the time."""
    for place in range(len(idle) - 1, -1, -1):
        known = idle[place].plan
        if known is plan or known == plan:
            return idle.pop(place)
    return None


class Threads:
    """A team of threads for as long as a ``with`` block lasts.

    Parameters
    ----------
    n_threads : int
        The calling thread is one of them.
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._pool: ThreadPoolExecutor | None = None
        self._own = threading.local()

    def __enter__(self) -> Threads:
        _come()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._pool is not None:
                self._pool.shutdown()
        finally:
            self._pool = None
            _leave()

    def _helpers(self) -> ThreadPoolExecutor:
        """Start the other threads when there is first something to share."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n_threads - 1)
        return self._pool

    def fold(self, task: Task[Total, Result], source: Source, plan: TilePlan) -> Total:
        """Return what a task makes of all groups of a source's tiles; see `Engine`."""
        n_groups, begun = source.n_groups(plan), task.begin(source, plan)
        if n_groups == 1:  # small tables: nothing to share out
            result: Any = self._visit_alone(task, source, plan)
            return result if begun is None else task.add(begun, result)

        def visit(group: int, workplace: Workplace) -> Result:
            return task.visit(source, group, workplace)

        return self.fold_in_order(
            visit,
            task.add,
            n_groups,
            lambda: self._workplace(plan),
            plan.groups_at_once,
            total=begun,
            alone=task.in_order,
        )

    def _visit_alone(self, task: Task[Any, Result], source: Source, plan: TilePlan) -> Result:
        if not plan.is_small:
            return task.visit(source, 0, self._workplace(plan))
        idle: list[Workplace] = vars(_Idle).setdefault("workplaces", [])
        workplace = _take_known(idle, plan) or Workplace(plan)
        result = task.visit(source, 0, workplace)
        idle.append(workplace)
        del idle[:-_MOST_IDLE]
        return result

    def _workplace(self, plan: TilePlan) -> Workplace:
        """Return the calling thread's arrays, which serve all passes: fresh memory is slow."""
        known: list[Workplace] = vars(self._own).setdefault("workplaces", [])
        for workplace in known:
            if workplace.plan is plan or workplace.plan == plan:
                return workplace
        del known[_MOST_WORKPLACES - 1 :]
        known.insert(0, Workplace(plan))
        return known[0]

    def fold_in_order(
        self,
        visit: Callable[[int, Space], Any],
        add: Callable[[Any, Any], Any],
        n_tasks: int,
        space: Callable[[], Space],
        at_once: int = 1,
        *,
        total: Any = None,
        alone: bool = False,
    ) -> Any:
        """Return ``visit(0) + visit(1) + ...``, added in that order whatever thread made them.

        Parameters
        ----------
        visit : callable
            ``visit(task, space)``; must not keep or change anything but its own space.
        add : callable
            ``add(total, result)`` returns the new total.
        n_tasks : int
        space : callable
            Makes the arrays that one thread works in.
        at_once : int, default=1
            Tasks that a thread takes at a time.
        total : default=None
            What results are added to; None: the first result.
        alone : bool, default=False
            Whether the calling thread does it all, one task after the other.
        """
        turns = deque(range(0, n_tasks, at_once))
        waiting: dict[int, Any] = {}
        lock = threading.Lock()
        done = 0

        def work() -> None:
            try:
                take_turns()
            except BaseException:
                # After an error nobody takes another turn.
                turns.clear()
                raise

        def take_turns() -> None:
            arrays = space()
            while turns:
                try:
                    first = turns.popleft()
                except IndexError:  # another thread took the last turn
                    return
                for task in range(first, min(first + at_once, n_tasks)):
                    result = visit(task, arrays)
                    with lock:
                        waiting[task] = result
                        fold_waiting()

        def fold_waiting() -> None:
            nonlocal total, done
            while done in waiting:
                result = waiting.pop(done)
                total = result if total is None else add(total, result)
                done += 1

        helpers = 0 if alone else min(self.n_threads, len(turns)) - 1
        futures = [self._helpers().submit(work) for _ in range(helpers)]
        work()
        try:
            for future in futures:
                future.result()
        except BaseException:
            turns.clear()
            raise
        return total
