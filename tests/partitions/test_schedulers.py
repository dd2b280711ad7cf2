"""Every bit is the same for every scheduler and number of workers, whatever happens to them."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from skem import EMGaussianMixture, EMMixture
from tests.partitions import tables

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

X = tables.table()


def rows():
    return da.from_array(X, chunks=(150, tables.D))


def fit(collection):
    mixture = EMGaussianMixture(2, init_params="random", random_state=0, max_iter=4, tol=0.0)
    with pytest.warns(match="did not converge"):
        return tables.parameters(mixture.fit(collection))


@pytest.fixture(scope="module")
def expected():
    with dask.config.set(scheduler="synchronous"):
        return fit(rows())


@pytest.fixture
def cluster():
    """Makes clusters that listen to this machine alone, and closes them."""
    made = []

    def make(n_workers, **options):
        given = {"processes": False, "threads_per_worker": 1} | options
        one = distributed.LocalCluster(
            n_workers=n_workers,
            host="127.0.0.1",
            protocol="tcp",
            dashboard_address="127.0.0.1:0",
            **given,
        )
        made.append(one)
        client = distributed.Client(one, timeout=30)
        made.append(client)
        return client

    yield make
    for one in reversed(made):
        one.close()


def test_threads(expected):
    with dask.config.set(scheduler="threads"):
        assert fit(rows()) == expected


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_workers(n_workers, expected, cluster):
    cluster(n_workers)
    assert fit(rows()) == expected


def kinds():
    """Measurements with gaps, categories and counts, of which the last partition has others."""
    pytest.importorskip("pandas")
    import dask.dataframe as dd
    import pandas as pd

    rng = np.random.default_rng(8)
    frame = pd.DataFrame(tables.with_gaps(), columns=["a", "b", "c"])
    frame["colour"] = rng.choice(np.array(["red", "blue", None], dtype=object), tables.N)
    frame.loc[tables.N - 30 :, "colour"] = "azure"
    frame["visits"] = rng.poisson(3.0, tables.N)
    return dd.from_pandas(frame, npartitions=5)


def fit_kinds():
    columns = [
        ("full", ["a", "b"]),
        ("diag", ["c"]),
        ("categorical", ["colour"]),
        ("negative_binomial", ["visits"]),
    ]
    mixture = EMMixture(2, columns=columns, random_state=0, max_iter=3, tol=0.0)
    with pytest.warns(match="did not converge"):
        mixture.fit(kinds())
    labels = mixture.predict(kinds()).compute().to_numpy()
    found = [mixture.weights_, mixture.lower_bounds_, mixture.score(kinds()), labels]
    return [np.asarray(one).tobytes() for one in found + tables.flat(mixture.parameters_)]


def test_columns_of_every_kind(cluster):
    """In one thread, in threads, and by one, two and four workers, also of other processes."""
    with dask.config.set(scheduler="synchronous"):
        expected = fit_kinds()
    with dask.config.set(scheduler="threads"):
        assert fit_kinds() == expected
    for n_workers, processes in ((1, False), (2, True), (4, False)):
        with cluster(n_workers, processes=processes):
            assert fit_kinds() == expected


def slowly(block, _=None):
    time.sleep(0.05)
    return block


def broken(block, block_id=None):
    if block_id[0] == 2:
        raise OSError("no such file")
    return block


def test_a_failing_partition_is_named_by_workers_as_well(cluster):
    client = cluster(2)
    with pytest.raises(RuntimeError, match="Partition 2 of X failed by OSError: no such file"):
        EMGaussianMixture(2).fit(rows().map_blocks(broken, dtype=float))
    assert not any(client.processing().values())


def test_a_killed_worker_changes_no_bit(expected, cluster):
    client = cluster(2, processes=True)
    workers = client.run(os.getpid)
    killed = threading.Timer(0.5, os.kill, (next(iter(workers.values())), signal.SIGKILL))
    killed.start()
    assert fit(rows().map_blocks(slowly, dtype=float)) == expected
    killed.join()
    # One of them is new, or is about to be.
    assert client.run(os.getpid) != workers


class SlowToRead:
    """Takes a while to be unpickled, as a large graph does."""

    def __reduce__(self):
        return time.sleep, (0.2,)


@pytest.mark.parametrize("late", [False, True])
def test_an_interrupt_leaves_nothing_queued(cluster, monkeypatch, late):
    """Also where the scheduler is still about to read the graph when the interrupt comes."""
    client = cluster(1)

    def interrupt(*args, **options):
        raise KeyboardInterrupt

    collection = rows().map_blocks(slowly, SlowToRead() if late else None, dtype=float)
    monkeypatch.setattr(client, "gather", interrupt)
    with pytest.raises(KeyboardInterrupt):
        EMGaussianMixture(2).fit(collection)
    for _ in range(100):
        if not any(client.processing().values()):
            break
        time.sleep(0.1)
    assert not any(client.processing().values())


def test_searches_over_parameters_by_workers(cluster):
    """GridSearchCV hands tables in memory to Dask's workers through joblib."""
    import joblib
    from sklearn.model_selection import GridSearchCV

    cluster(2)
    search = GridSearchCV(
        EMGaussianMixture(random_state=0, max_iter=5), {"n_components": [1, 3]}, cv=2
    )
    with joblib.parallel_backend("dask"):
        search.fit(X)
    assert search.best_params_ == {"n_components": 3}


def test_dask_is_imported_only_for_its_collections():
    program = (
        "import sys, numpy as np; from skem import EMGaussianMixture;"
        "EMGaussianMixture().fit(np.arange(6.0).reshape(3, 2)).predict(np.ones((1, 2)));"
        "assert 'dask' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
