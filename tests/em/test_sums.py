"""Blocks of rows, threads, weights and every kind of table."""

import threading
from collections import namedtuple

import numpy as np
import pytest
from scipy import sparse

from em.models import Coins, CoinsWithoutWeights, Gaussians, blobs, toss
from skem.em import fit
from skem.em._rows import Blocks

START = np.array([0.6, 0.5])
Table = namedtuple("Table", "heads tails")


class Columns:
    """Coins from two arrays side by side, or a frame's columns."""

    def __init__(self, read):
        self.read = read
        self.seen = set()

    def expect(self, X, theta):
        self.seen.add(type(X))
        return CoinsWithoutWeights().expect(np.column_stack(self.read(X)), theta)

    def maximise(self, counts, theta):
        return Coins().maximise(counts, theta)


def same_bits(one, other):
    assert np.array_equal(one.theta, other.theta)
    assert one[1:] == other[1:]


@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
@pytest.mark.parametrize("block_size", [None, 1, 7, 1000])
def test_threads_give_the_same_bits(block_size, acceleration):
    def run(n_jobs):
        return fit(
            Coins(),
            toss(60),
            sample_weight=np.linspace(0.1, 2, 60),
            n_init=3,
            tol=1e-9,
            acceleration=acceleration,
            block_size=block_size,
            random_state=1,
            n_jobs=n_jobs,
        )

    one = run(1)
    for n_jobs in (2, 5):
        same_bits(one, run(n_jobs))


def test_more_threads_than_starts_share_the_blocks():
    names = set()

    class Named(Coins):
        def expect(self, X, theta, weight):
            names.add(threading.get_ident())
            barrier.wait(timeout=30)
            return super().expect(X, theta, weight)

    # Each block waits for another, so two threads must be at it.
    barrier = threading.Barrier(2)
    same_bits(
        fit(Named(), toss(8), START, block_size=4, n_jobs=2),
        fit(Coins(), toss(8), START, block_size=4, n_jobs=1),
    )
    assert len(names) == 2


def test_another_cut_changes_rounding_alone():
    X = toss(100)
    whole = fit(Coins(), X, START, tol=1e-10)
    for size in (1, 9, 50, 99):
        cut = fit(Coins(), X, START, tol=1e-10, block_size=size)
        assert cut.n_iter == whole.n_iter
        np.testing.assert_allclose(cut.theta, whole.theta, rtol=1e-12)
        np.testing.assert_allclose(cut.bounds, whole.bounds, rtol=1e-13)


def test_sums_of_whole_numbers_are_the_same_for_every_cut():
    class Counts:
        def expect(self, X, theta):
            return {"n": len(X), "sum": X.sum(axis=0)}, 0

        def maximise(self, statistics, theta):
            return statistics["n"], statistics["sum"]

    X = np.arange(40).reshape(20, 2)
    for size in (1, 3, 20, 21):
        n, total = fit(Counts(), X, 0, block_size=size, max_iter=1).theta
        assert n == 20
        assert total.tolist() == [380, 400]


@pytest.mark.parametrize(
    ("shape", "size"),
    [((10**6,), 8192), ((10**4, 50), 8192), ((10**4, 1000), 1000), ((9, 10**5), 256)],
)
def test_blocks_depend_on_shapes_alone(shape, size):
    X = np.broadcast_to(0.0, shape)
    blocks = Blocks(X, np.broadcast_to(1.0, shape[:1]))
    assert blocks.size == size
    rows = [len(blocks[i][0]) for i in range(len(blocks))]
    assert sum(rows) == shape[0]
    assert all(n == size for n in rows[:-1])
    assert 0 < rows[-1] <= size


def test_integer_weights_are_repeats():
    X, weight = toss(30), np.arange(30) % 4
    weighted = fit(Coins(), X, START, sample_weight=weight, tol=1e-9)
    repeated = fit(Coins(), np.repeat(X, weight, axis=0), START, tol=1e-9)
    assert weighted.n_iter == repeated.n_iter
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-12)
    np.testing.assert_allclose(weighted.bounds, repeated.bounds, rtol=1e-12)


def test_rows_of_weight_zero_are_absent_whatever_they_hold():
    X, weight = toss(30), np.ones(30)
    weight[::3] = 0
    X[::3] = np.nan
    kept = fit(Coins(), X[weight > 0], START, tol=1e-9)
    same_bits(fit(Coins(), X, START, sample_weight=weight, tol=1e-9), kept)


def test_tol_is_per_unit_of_weight():
    X = toss(30)
    once = fit(Coins(), X, START, tol=1e-5)
    often = fit(Coins(), X, START, tol=1e-5, sample_weight=1024.0)
    assert once.converged
    assert once.n_iter == often.n_iter
    np.testing.assert_allclose(often.bound, 1024 * once.bound, rtol=1e-12)


def test_the_order_of_rows_does_not_matter():
    X = blobs()
    start = Gaussians(3).start(X, np.random.RandomState(0))
    straight = fit(Gaussians(3), X, start, tol=1e-8, max_iter=500, block_size=50)
    mixed = np.random.default_rng(0).permutation(X)
    other = fit(Gaussians(3), mixed, start, tol=1e-8, max_iter=500, block_size=50)
    np.testing.assert_allclose(other.bound, straight.bound, rtol=1e-10)
    for one, two in zip(straight.theta, other.theta, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-6, atol=1e-8)


WRAPPERS = {
    "numbers": (lambda c: tuple(c.ravel().tolist()), lambda s: np.reshape(s, (2, 2))),
    "arrays": (lambda c: (c[0], c[1]), np.array),
    "a named tuple": (lambda c: Table(*c.T), lambda s: np.transpose([s.heads, s.tails])),
    "a dict": (lambda c: {"A": c[0], "B": c[1]}, lambda s: np.array([s["A"], s["B"]])),
    "one in another": (
        lambda c: ({"A": Table(*c[0])}, {"B": (c[1], ())}),
        lambda s: np.array([[s[0]["A"].heads, s[0]["A"].tails], s[1]["B"][0]]),
    ),
}


@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
@pytest.mark.parametrize("kind", WRAPPERS)
def test_every_kind_of_statistics_does(kind, acceleration):
    wrap, unwrap = WRAPPERS[kind]

    class Wrapped(Coins):
        def expect(self, X, theta, weight):
            counts, bound = super().expect(X, theta, weight)
            return wrap(counts), bound

        def maximise(self, statistics, theta):
            return super().maximise(unwrap(statistics), theta)

    settings = {"tol": 1e-9, "block_size": 7, "acceleration": acceleration}
    result = fit(Wrapped(), toss(40), START, **settings)
    wanted = fit(Coins(), toss(40), START, **settings)
    if acceleration is None:
        same_bits(result, wanted)
    assert result.converged
    np.testing.assert_allclose(result.bound, wanted.bound, rtol=1e-8)


def arrays(X):
    return (X[:, 0], X[:, 1])


def test_tuples_stay_tuples_of_their_type():
    X = toss(20)
    wanted = fit(CoinsWithoutWeights(), X, START, block_size=6)
    for rows in (arrays(X), Table(*arrays(X))):
        model = Columns(tuple)
        same_bits(fit(model, rows, START, block_size=6), wanted)
        assert model.seen == {type(rows)}


def test_lists_become_arrays():
    X = toss(20)
    model = Columns(lambda X: X.T)
    same_bits(fit(model, X.tolist(), START), fit(CoinsWithoutWeights(), X, START))
    assert model.seen == {np.ndarray}


def test_sparse_rows_are_sliced():
    X = toss(20)
    model = Columns(lambda X: X.toarray().T)
    rows = sparse.csr_array(X)
    same_bits(
        fit(model, rows, START, block_size=6), fit(CoinsWithoutWeights(), X, START, block_size=6)
    )
    assert model.seen == {type(rows)}


FRAMES = {
    "pandas": ("DataFrame", lambda X: (X["heads"], X["tails"])),
    "polars": ("DataFrame", lambda X: (X["heads"].to_numpy(), X["tails"].to_numpy())),
    "pyarrow": ("table", lambda X: (X["heads"].to_numpy(), X["tails"].to_numpy())),
}


@pytest.mark.parametrize("library", FRAMES)
def test_frames_are_handed_over_as_frames(library):
    make, read = FRAMES[library]
    make = getattr(pytest.importorskip(library), make)
    X = toss(20)
    frame = make(dict(zip(("heads", "tails"), arrays(X), strict=True)))
    model = Columns(read)
    wanted = fit(CoinsWithoutWeights(), X, START, block_size=6)
    same_bits(fit(model, frame, START, block_size=6), wanted)
    assert model.seen == {type(frame)}

    class Weighted(Coins):
        def expect(self, X, theta, weight):
            assert isinstance(X[0], type(frame))
            return super().expect(np.column_stack(read(X[0])), theta, weight)

    weight = np.arange(20) % 3
    wanted = fit(Coins(), X, START, sample_weight=weight)
    same_bits(fit(Weighted(), (frame, X), START, sample_weight=weight), wanted)


def test_an_index_that_does_not_count_from_zero_is_no_matter():
    pandas = pytest.importorskip("pandas")
    X = toss(20)
    frame = pandas.DataFrame(X, columns=["heads", "tails"], index=np.arange(20)[::-1] % 7)
    result = fit(Columns(FRAMES["pandas"][1]), frame, START, block_size=6)
    same_bits(result, fit(CoinsWithoutWeights(), X, START, block_size=6))


def test_one_row_is_enough():
    result = fit(Coins(), toss(1), START, tol=1e-12)
    heads = toss(1)[0, 0]
    np.testing.assert_allclose(result.theta, heads / 12)
    np.testing.assert_allclose(
        result.bound, heads * np.log(heads / 12) + (12 - heads) * np.log(1 - heads / 12)
    )


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.empty((0, 2)), ValueError, "X has no rows"),
        ((), ValueError, "X is an empty tuple"),
        ((np.ones(3), np.ones(4)), ValueError, r"equally many rows, but have \[3, 4\]"),
        ((np.ones(3), 1.0), TypeError, r"X\[1\] must be an array or a frame.*Got a float"),
        ([np.ones(3), np.ones(3)], TypeError, "X is a list of arrays. Give a tuple"),
        (3, TypeError, "Got an int"),
        ("rows", TypeError, "Got a str"),
        ({"heads": [1]}, TypeError, "Got a dict"),
        (np.array(1.0), TypeError, "Got a ndarray"),
        (iter([1]), TypeError, "Got a list_iterator"),
    ],
)
def test_what_has_no_rows_is_named(X, error, message):
    with pytest.raises(error, match=message):
        fit(CoinsWithoutWeights(), X, START)
