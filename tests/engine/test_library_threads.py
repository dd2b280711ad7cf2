"""BLAS held to one thread while any caller is inside, and given back afterwards."""

import threading
from contextlib import ExitStack

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from skem.engine import Threads, count_threads
from skem.engine.threads import one_library_thread

LIMITS = [1, 2, 3]


def blas_threads():
    """Numbers of threads that the loaded BLAS libraries are allowed, as threadpoolctl sees it."""
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def openmp_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}


@pytest.mark.core
@pytest.mark.parametrize("limit", LIMITS)
def test_limit_is_set_and_restored(limit):
    with threadpool_limits(limit):
        before = blas_threads(), openmp_threads()
        with one_library_thread():
            assert blas_threads() == {1}
            assert openmp_threads() <= {1}
        assert (blas_threads(), openmp_threads()) == before


@pytest.mark.parametrize("limit", LIMITS)
def test_nested_callers(limit):
    with threadpool_limits(limit):
        before = blas_threads()
        with one_library_thread():
            with one_library_thread():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == before


@pytest.mark.core
def test_callers_that_leave_in_the_order_they_came():
    # Each by itself would restore what the other had set: 1 for good.
    with threadpool_limits(2):
        before = blas_threads()
        first, second = ExitStack(), ExitStack()
        first.enter_context(one_library_thread())
        second.enter_context(one_library_thread())
        first.close()
        assert blas_threads() == {1}
        second.close()
        assert blas_threads() == before


def test_concurrent_callers():
    def work(n_turns):
        for _ in range(n_turns):
            with Threads(2) as threads:
                seen.append(threads.fold(lambda t, s: blas_threads(), set.union, 2, list))

    with threadpool_limits(2):
        before, seen = blas_threads(), []
        callers = [threading.Thread(target=work, args=(5,)) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert len(seen) == 20
        assert all(found == {1} for found in seen)
        assert blas_threads() == before


@pytest.mark.parametrize("limit", LIMITS)
def test_limit_is_restored_after_an_error(limit):
    with threadpool_limits(limit):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError), Threads(2) as threads:
            threads.fold(lambda task, space: 1 // task, int.__add__, 4, list)
        assert blas_threads() == before


@pytest.mark.core
@pytest.mark.parametrize("limit", LIMITS)
def test_as_many_threads_as_blas_may_use(limit):
    with threadpool_limits(limit):
        assert count_threads(None) == max(blas_threads())
        with one_library_thread():
            # A fit inside another's visit asks what the process was allowed, not the 1 of now.
            assert count_threads(None) == max(limit, 1)


@pytest.mark.parametrize("n_jobs", [1, 2, 5, -1])
def test_numbers_are_read_as_joblib_reads_them(n_jobs):
    assert count_threads(n_jobs) == joblib.effective_n_jobs(n_jobs)


def test_zero_jobs_are_refused_as_by_joblib():
    with pytest.raises(ValueError, match="n_jobs"):
        count_threads(0)
