"""BLAS held to one thread while any caller is inside, and given back afterwards."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import joblib
import numpy as np
import pytest
import threadpoolctl
from threadpoolctl import threadpool_info, threadpool_limits

from skem import EMGaussianMixture, VariationalGaussianMixture
from skem.engine import Threads, count_threads
from skem.engine.threads import one_library_thread

LIMITS = [1, 2, 3]


@pytest.fixture(autouse=True)
def _restored():
    """Leave the limits as they were, whatever the test does to them."""
    allowed = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    yield
    controller = threadpoolctl.ThreadpoolController()
    release = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    for library in controller.lib_controllers:
        library.set_num_threads(allowed.get(library.filepath, library.num_threads))
    if release is not None:
        release(force=True)


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


def in_thread(function):
    """Call a function in a new thread and return what it returns."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(timeout=30)


def quiet_threads():
    with one_library_thread():
        return blas_threads()


@pytest.mark.core
def test_a_caller_in_another_thread():
    # threadpoolctl 3.8 lets only the thread that came first set OpenBLAS's limit.
    before = blas_threads()
    assert quiet_threads() == {1}
    assert in_thread(quiet_threads) == {1}
    assert quiet_threads() == {1}
    assert blas_threads() == before


@pytest.mark.core
def test_the_last_to_leave_lifts_what_another_thread_set():
    before = blas_threads()
    first_is_in, second_is_in, first_is_out, done = (threading.Event() for _ in range(4))

    def first():
        with one_library_thread():
            first_is_in.set()
            assert second_is_in.wait(10)
        first_is_out.set()
        assert done.wait(10)  # alive while the other one leaves

    def second():
        assert first_is_in.wait(10)
        with one_library_thread():
            second_is_in.set()
            assert first_is_out.wait(10)
            inside = blas_threads()
        after = blas_threads()
        done.set()
        return inside, after

    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(first)
        assert pool.submit(second).result(timeout=30) == ({1}, before)
        running.result(timeout=30)
    assert blas_threads() == before


def test_concurrent_callers():
    def work(caller):
        with Threads(2) as threads:
            return threads.fold_in_order(lambda task, space: blas_threads(), set.union, 2, list)

    before = blas_threads()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(20))) == [{1}] * 20
    assert blas_threads() == before
    assert count_threads(None) == max(before)


@pytest.mark.parametrize("limit", LIMITS)
def test_limit_is_restored_after_an_error(limit):
    with threadpool_limits(limit):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError), Threads(2) as threads:
            threads.fold_in_order(lambda task, space: 1 // task, int.__add__, 4, list)
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


@pytest.mark.core
@pytest.mark.parametrize("asked", ["eigh", "inv"])
@pytest.mark.parametrize("estimator", [EMGaussianMixture, VariationalGaussianMixture])
def test_no_fit_asks_blas_for_several_threads(estimator, asked, monkeypatch):
    # Floors before the first iteration, and remarks after the last one, are of small matrices, too.
    found, function = [], getattr(np.linalg, asked)

    def watched(*args, **kwargs):
        found.append(blas_threads())
        return function(*args, **kwargs)

    monkeypatch.setattr(np.linalg, asked, watched)
    # A table of its own: floors of those seen before are remembered.
    seed = [len(asked), len(estimator.__name__)]
    X = np.random.default_rng(seed).standard_normal((60, 3)).round(1)
    with threadpool_limits(2):
        estimator(2, n_jobs=1, random_state=0).fit(X)
    assert found
    assert all(threads == {1} for threads in found)
