"""Jobs of a pass, computed by whatever scheduler Dask would use now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

__all__ = ["compute_jobs"]

# How often the scheduler is asked whether it knows jobs that are to be cancelled, and the seconds
# in between.
_MOST_ASKED, _PAUSE = 200, 0.05


def compute_jobs(jobs: list[Any], numbers: list[int], last_futures: list[Any]) -> Sequence[bytes]:
    """Compute all jobs; where one fails, name its partition.

    Parameters
    ----------
    jobs : list of Delayed
    numbers : list of int
        Those of the jobs' partitions.
    last_futures : list of Future
        Those of the pass before, which are let go of once these jobs are on their way.

    Raises
    ------
    ValueError, RuntimeError
        If a job fails: ValueError where it raised one.
    """
    client = _client()
    if client is None:
        return _compute_here(jobs, numbers)
    futures = client.compute(jobs)
    last_futures[:] = futures
    return _gather(client, futures, numbers)


def _client() -> Any:
    """Return the distributed client that Dask would use now, or None."""
    import dask

    owner = getattr(dask.base.get_scheduler(), "__self__", None)
    return owner if hasattr(owner, "gather") else None


def _gather(client: Any, futures: list[Any], numbers: list[int]) -> Sequence[bytes]:
    try:
        answers: list[bytes] = client.gather(futures)
        return answers
    except Exception as error:
        for number, future in zip(numbers, futures, strict=True):
            if future.status == "error":
                raise _name(error, number) from error
        raise
    finally:
        # What is still queued, after an error or an interrupt, is not to run. To cancel nothing
        # would be a message, too, and the next pass would wait until its turn to be sent.
        queued = [future for future in futures if not future.done()]
        if queued:
            with suppress(OSError):  # the scheduler may be what has failed
                _wait_until_known(client, queued)
            client.cancel(queued)


def _wait_until_known(client: Any, futures: list[Any]) -> None:
    """Wait until the scheduler has made tasks of jobs, which it can't cancel before."""
    keys = [future.key for future in futures]
    for _ in range(_MOST_ASKED):
        states = client.sync(client.scheduler.get_task_status, keys=keys)
        if None not in states.values() or all(future.done() for future in futures):
            return
        time.sleep(_PAUSE)


def _compute_here(jobs: list[Any], numbers: list[int]) -> Sequence[bytes]:
    from dask.base import compute

    try:
        answers: tuple[bytes, ...] = compute(*jobs)
        return answers
    except Exception:
        # Dask does not say which of them it was.
        for number, job in zip(numbers, jobs, strict=True):
            try:
                job.compute()
            except Exception as error:
                raise _name(error, number) from error
        raise


def _name(error: Exception, number: int) -> Exception:
    if isinstance(error, ValueError):
        return ValueError(f"Partition {number} of X: {error}")
    return RuntimeError(f"Partition {number} of X failed by {type(error).__name__}: {error}")
