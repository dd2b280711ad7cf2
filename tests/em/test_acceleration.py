"""Extrapolated statistics of any model."""

import numpy as np
import pytest
from scipy.stats import poisson

from em.models import Coins, Gaussians, Sums, blobs, toss
from skem.em import fit
from skem.em._acceleration import Accelerator
from skem.em._model import CheckedModel
from skem.em._statistics import flatten

METHODS = ["squarem", "anderson"]


class Counting:
    """Counts the calls of a model's E-step, and can have its numbers in other units."""

    def __init__(self, model, units=1.0):
        self.model, self.units, self.n_calls = model, units, 0

    def expect(self, X, theta, weight):
        self.n_calls += 1
        statistics, bound = self.model.expect(X, theta, weight)
        return tuple(part * unit for part, unit in zip(statistics, self.units, strict=True)), bound

    def maximise(self, statistics, theta):
        parts = (part / unit for part, unit in zip(statistics, self.units, strict=True))
        return self.model.maximise(Sums(*parts), theta)


@pytest.mark.parametrize("method", METHODS)
def test_it_ends_at_the_same_place_in_fewer_passes(method):
    X = blobs()
    start = Gaussians(3).start(X, np.random.RandomState(0))
    settings = {"tol": 1e-11, "max_iter": 5000}
    plain, fast = Counting(Gaussians(3), [1, 1, 1]), Counting(Gaussians(3), [1, 1, 1])
    slow_result = fit(plain, X, start, **settings)
    result = fit(fast, X, start, acceleration=method, **settings)
    assert result.converged
    assert fast.n_calls < 0.6 * plain.n_calls
    assert result.bound >= slow_result.bound - 1e-6
    np.testing.assert_allclose(result.theta[1], slow_result.theta[1], atol=0.01)
    assert (np.diff(result.bounds) >= 0).all()
    assert len(result.bounds) == result.n_iter
    # The bound is that of the parameters that are returned.
    bound = Gaussians(3).expect(X, result.theta, np.ones(len(X)))[1]
    np.testing.assert_allclose(result.bound, bound, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_units_of_the_parts_do_not_matter(method):
    X = blobs()
    start = Gaussians(3).start(X, np.random.RandomState(0))
    settings = {"tol": 1e-9, "max_iter": 1000, "acceleration": method}
    one = fit(Counting(Gaussians(3), [1, 1, 1]), X, start, **settings)
    other = fit(Counting(Gaussians(3), [2.0**20, 1, 2.0**-30]), X, start, **settings)
    assert one.n_iter == other.n_iter
    np.testing.assert_allclose(one.bounds, other.bounds, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trouble", ["lower", "nan", "inf", "raise", "linalg", "zero", "bad theta"])
def test_a_step_that_fails_is_taken_back(method, trouble):
    """All statistics that weren't expected make trouble, so the run is that of plain steps."""
    X, start = toss(50), np.array([0.6, 0.5])
    expected = {}

    class Troubled(Coins):
        def expect(self, X, theta, weight):
            if theta is None or np.isnan(theta).any():
                return np.full((2, 2), np.nan), -1.0
            counts, bound = super().expect(X, theta, weight)
            expected[counts.tobytes()] = True
            return counts, bound

        def maximise(self, counts, theta):
            if counts.tobytes() in expected:
                return super().maximise(counts, theta)
            refused.append(counts)
            if trouble == "raise":
                raise ValueError("no rows have such counts")
            if trouble == "linalg":
                raise np.linalg.LinAlgError("singular")
            if trouble == "zero":
                return 1 / 0
            value = {"lower": 0.1, "nan": np.nan, "inf": 1.0, "bad theta": 2.0}[trouble]
            return np.full(2, value)

    refused = []
    plain = fit(Coins(), X, start, tol=1e-8)
    result = fit(Troubled(), X, start, tol=1e-8, acceleration=method)
    assert refused
    assert result.converged
    assert result.bound >= plain.bound
    assert result.n_iter >= plain.n_iter
    distinct = np.unique(result.bounds)
    np.testing.assert_array_equal(distinct[: len(plain.bounds)], plain.bounds)


@pytest.mark.parametrize("method", METHODS)
def test_other_errors_are_not_hidden(method):
    class Wrong(Coins):
        def maximise(self, counts, theta):
            assert counts.tobytes() in expected, "a fault of the model"
            return super().maximise(counts, theta)

        def expect(self, X, theta, weight):
            counts, bound = super().expect(X, theta, weight)
            expected.add(counts.tobytes())
            return counts, bound

    expected = set()
    with pytest.raises(AssertionError, match="a fault of the model") as caught:
        fit(Wrong(), toss(50), np.array([0.6, 0.5]), tol=1e-12, acceleration=method)
    assert any(note.startswith("In iteration") for note in caught.value.__notes__)


class InCoordinates(Coins):
    """Coordinates in which a squared step is twice what it gains: arcs of the root of shares."""

    n_asked = 0

    def coordinates(self, counts):
        self.n_asked += 1
        total = counts.sum()

        def to_vector(counts):
            return 2 * np.sqrt(counts / total).ravel()

        def to_statistics(vector):
            if vector.min() < 0:
                return None
            shares = vector.reshape(2, 2) ** 2
            return shares * total / shares.sum()

        return to_vector, to_statistics


@pytest.mark.parametrize("method", METHODS)
def test_coordinates_are_used(method):
    X, start = toss(200, better=0.65), np.array([0.7, 0.5])
    plain = fit(Coins(), X, start, tol=1e-11, max_iter=1000)
    model = InCoordinates()
    result = fit(model, X, start, tol=1e-11, acceleration=method)
    assert model.n_asked > 0
    assert result.n_iter < plain.n_iter
    np.testing.assert_allclose(result.theta, plain.theta, atol=1e-4)
    assert result.bound >= plain.bound - 1e-8


def test_coordinates_are_not_asked_for_without_need():
    model = InCoordinates()
    fit(model, toss(50), np.array([0.6, 0.5]), tol=1e-9)
    assert model.n_asked == 0


def give_none():
    return None


def give_infinity():
    return np.full((2, 2), np.inf)


def fail():
    raise np.linalg.LinAlgError("singular")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("answer", [give_none, give_infinity, fail])
def test_coordinates_that_no_rows_have_are_passed_over(method, answer):
    class Never(InCoordinates):
        def coordinates(self, counts):
            asked = []

            def to_statistics(vector):
                asked.append(vector)
                return vector.reshape(2, 2) if len(asked) == 1 else answer()

            return np.ravel, to_statistics

    X, start = toss(50), np.array([0.6, 0.5])
    plain = fit(Coins(), X, start, tol=1e-8)
    result = fit(Never(), X, start, tol=1e-8, acceleration=method)
    assert result.converged
    np.testing.assert_array_equal(result.bounds[: plain.n_iter], plain.bounds)


@pytest.mark.parametrize(
    ("pair", "error", "message"),
    [
        (None, TypeError, "must return two functions"),
        ((np.ravel, 1), TypeError, "must return two functions"),
        ((np.ravel, np.ravel), ValueError, r"statistics has the shape \(4,\), and had \(2, 2\)"),
        (
            (np.ravel, lambda v: v.reshape(2, 2).T),
            ValueError,
            "second function must undo the first",
        ),
        ((np.ravel, lambda v: None), ValueError, "second function must undo the first"),
        ((np.array, np.array), ValueError, r"must return a vector, but returned an array of shape"),
    ],
)
def test_coordinates_are_checked(pair, error, message):
    class Wrong(Coins):
        def coordinates(self, counts):
            return pair

    with pytest.raises(error, match=message) as caught:
        fit(Wrong(), toss(50), np.array([0.6, 0.5]), tol=1e-9, acceleration="squarem")
    assert "Raised by Wrong.coordinates" in caught.value.__notes__


@pytest.mark.parametrize("method", METHODS)
def test_statistics_without_coordinates_are_not_extrapolated(method):
    class Never(InCoordinates):
        def coordinates(self, counts):
            return lambda counts: np.full(4, np.nan), np.ravel

    X, start = toss(50), np.array([0.6, 0.5])
    result = fit(Never(), X, start, tol=1e-8, acceleration=method)
    assert result.converged
    plain = fit(Coins(), X, start, tol=1e-8)
    np.testing.assert_array_equal(result.bounds[: plain.n_iter], plain.bounds)


@pytest.mark.parametrize("method", METHODS)
def test_parts_that_never_change_do_no_harm(method):
    class More(Coins):
        def expect(self, X, theta, weight):
            counts, bound = super().expect(X, theta, weight)
            return {
                "counts": counts,
                "rows": weight.sum(),
                "zero": 0,
                "none": np.ones((0, 3)),
            }, bound

        def maximise(self, statistics, theta):
            assert statistics["zero"] == 0
            np.testing.assert_allclose(statistics["rows"], 50)
            return super().maximise(statistics["counts"], theta)

    start = np.array([0.6, 0.5])
    result = fit(More(), toss(50), start, tol=1e-10, acceleration=method)
    plain = fit(Coins(), toss(50), start, tol=1e-10)
    assert result.bound >= plain.bound - 1e-8


@pytest.mark.parametrize("method", METHODS)
def test_one_row_and_tol_zero_end(method):
    result = fit(Coins(), toss(1), np.array([0.6, 0.5]), tol=0.0, max_iter=200, acceleration=method)
    assert result.converged
    np.testing.assert_allclose(result.theta, toss(1)[0, 0] / 12)


@pytest.mark.parametrize("method", METHODS)
def test_sums_that_are_never_negative_stay_so(method):
    """Fewer zeros than a Poisson distribution has: a negative share of them would fit best."""

    class Inflated:
        def expect(self, X, theta, weight):
            share, rate = theta
            seen.append(share)
            sure = np.where(X == 0, share, 0.0)
            total = sure + (1 - share) * poisson.pmf(X, rate)
            return (weight.sum(), weight @ (sure / total), weight @ X), weight @ np.log(total)

        def maximise(self, sums, theta):
            return sums[1] / sums[0], sums[2] / (sums[0] - sums[1])

    seen = []
    counts, frequency = np.arange(6), np.array([30, 60, 50, 30, 10, 5])
    result = fit(
        Inflated(),
        counts,
        (0.5, 1.0),
        sample_weight=frequency,
        tol=1e-12,
        max_iter=500,
        acceleration=method,
    )
    mean = frequency @ counts / frequency.sum()
    assert min(seen) >= 0
    np.testing.assert_allclose(result.theta, (0, mean), atol=1e-3)
    np.testing.assert_allclose(result.bound, frequency @ poisson.logpmf(counts, mean), rtol=1e-6)


@pytest.mark.parametrize(("first", "taken"), [(3.0, False), (2.0, False), (0.5, True)])
def test_only_parts_that_have_been_negative_may_become_so(first, taken):
    """Three steps of -1 each; the guess goes on by four times two of them."""
    _, layout = flatten((1.0, np.ones(2)), "s")
    accelerator = Accelerator(CheckedModel(Coins()), layout, 0.0, "squarem")
    accelerator.extrapolation.longest = 4.0
    steps = [np.array([7.0, first - i, 2.0]) for i in range(3)]
    accelerator.after_plain(steps[0], 1.0)
    assert accelerator.guess(steps[1]) is None
    accelerator.after_plain(steps[1], 1.0)
    guess = accelerator.guess(steps[2])
    if taken:
        np.testing.assert_allclose(guess, [7.0, first - 8.0, 2.0])
    else:
        assert guess is None
