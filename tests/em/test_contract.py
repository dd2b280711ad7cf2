"""What `fit` asks of a model and of its arguments, and what it says where that is missing."""

import warnings
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from em.models import Coins, CoinsWithoutWeights, toss
from skem.em import fit

START = np.array([0.6, 0.5])
X = toss(10)


def notes(error):
    return " | ".join(error.value.__notes__)


class Nothing:
    pass


class NoMaximise:
    def expect(self, X, theta):
        return 1.0, 0.0


class OtherWeightName(Coins):
    def expect(self, X, theta, sample_weight):
        return super().expect(X, theta, sample_weight)


class OneArgument(Coins):
    def maximise(self, statistics):
        return START


class Prior(CoinsWithoutWeights):
    def log_prior(self):
        return 0.0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Coins, r"must be an object, but is the class Coins: give Coins\(\)"),
        (
            Nothing(),
            r"Nothing has no method expect\(X, theta\) and no maximise\(statistics, theta\)",
        ),
        (NoMaximise(), r"NoMaximise has no method maximise\(statistics, theta\)$"),
        (OtherWeightName(), r"must take \(X, theta\), but takes .*are to be called `weight`"),
        (OneArgument(), r"OneArgument.maximise must take \(statistics, theta\), but takes \(stat"),
        (Prior(), r"Prior.log_prior must take \(theta\), but takes \(\)"),
    ],
)
def test_missing_methods_and_other_signatures_are_named(model, message):
    with pytest.raises(TypeError, match=message):
        fit(model, X, START)


def test_options_of_ones_own_are_left_alone():
    class Optional(CoinsWithoutWeights):
        def expect(self, X, theta, show=False):
            assert show is False
            return super().expect(X, theta)

    assert fit(Optional(), X, START).bound == fit(CoinsWithoutWeights(), X, START).bound


def test_weights_come_by_name_wherever_they_stand():
    class Keyword(Coins):
        def expect(self, X, theta, show=False, *, weight=None):
            assert show is False
            assert weight.dtype == np.float64
            return super().expect(X, theta, weight)

    assert fit(Keyword(), X, START).bound == fit(Coins(), X, START).bound


def test_sample_weight_for_a_model_that_takes_none():
    message = r"CoinsWithoutWeights.expect takes no weights. Write expect\(X, theta, weight\)"
    with pytest.raises(ValueError, match=message):
        fit(CoinsWithoutWeights(), X, START, sample_weight=np.ones(10))


def test_start_is_needed_once():
    with pytest.raises(
        TypeError, match=r"start=theta, or write CoinsWithoutWeights.start\(X, rng\)"
    ):
        fit(CoinsWithoutWeights(), X)
    with pytest.raises(
        ValueError, match="start was given, and n_init=2: all runs would be the same"
    ):
        fit(Coins(), X, START, n_init=2)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("n_init", 0, r"an int in the range \[1, inf\)"),
        ("max_iter", -1, r"an int in the range \[0, inf\)"),
        ("tol", -1e-3, "a float in the range"),
        ("acceleration", "fast", "{'anderson', 'squarem'} or None"),
        ("random_state", "x", "RandomState"),
        ("n_jobs", 0, "an int other than 0"),
        ("block_size", 0, "an int in the range"),
        ("callbacks", [1], "a callable or a sequence of callables"),
    ],
)
def test_parameters_name_what_is_allowed(name, value, allowed):
    with pytest.raises(ValueError, match=f"'{name}' parameter of skem.em.fit must be .*{allowed}"):
        fit(Coins(), X, START, **{name: value})


class Returns(CoinsWithoutWeights):
    def __init__(self, *values):
        self.values = values

    def expect(self, X, theta):
        return self.values[0] if len(self.values) == 1 else self.values


class Both(NamedTuple):
    heads: float
    tails: float


class Named(NamedTuple):
    statistics: float
    bound: float


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ((1.0,), TypeError, r"must return \(statistics, bound\), but returned a float"),
        ((1.0, 2.0, 3.0), TypeError, "but returned a tuple of 3"),
        ((Both(1.0, 2.0),), TypeError, "but returned a Both of 2"),
        (
            (1.0, np.ones(10)),
            TypeError,
            r"bound of expect must be one number, but is a ndarray of sh",
        ),
        ((1.0, "x"), TypeError, "bound of expect must be one number, but is a str"),
        (([1.0], 1.0), TypeError, "statistics is a list"),
        (((), 1.0), ValueError, "hold no number: there is nothing that maximise could learn from"),
        (({"a": np.ones(0)}, 1.0), ValueError, "hold no number"),
        ((1.0, np.nan), ValueError, "bound of nan: look for logarithms of negative numbers"),
        ((1.0, -np.inf), ValueError, "bound of -inf: the rows are impossible"),
        ((1.0, np.inf), ValueError, "bound of inf: a density has no limit there"),
        (({"a": np.array([1, np.inf])}, 1.0), ValueError, r"statistics\['a'\] with inf, though"),
    ],
)
def test_what_expect_returns_is_checked(values, error, message):
    with pytest.raises(error, match=message) as caught:
        fit(Returns(*values), X, START)
    assert "Raised by Returns.expect in rows 0 to 9" in notes(caught)
    assert "At the parameters that start 0 begins with" in notes(caught)


@pytest.mark.parametrize("bound", [0, 0.0, np.float32(0), np.array(0.0), np.int64(0)])
def test_any_number_is_a_bound(bound):
    assert fit(Returns(np.ones((2, 2)), bound), X, START).bound == 0.0
    assert fit(Returns(Named(np.ones((2, 2)), bound)), X, START).bound == 0.0


def test_statistics_keep_their_shape():
    class Growing(CoinsWithoutWeights):
        def expect(self, X, theta):
            return {"a": np.ones(len(X))}, 0.0

    with pytest.raises(ValueError, match=r"statistics\['a'\] has the shape \(2,\), and had \(4,\)"):
        fit(Growing(), X, START, block_size=4)

    class Later(CoinsWithoutWeights):
        def expect(self, X, theta):
            return np.ones(theta), 0.0

        def maximise(self, statistics, theta):
            return theta + 1

    with pytest.raises(
        ValueError, match=r"statistics has the shape \(2,\), and had \(1,\)"
    ) as caught:
        fit(Later(), X, 1)
    assert notes(caught) == "In iteration 1 of start 0"


def test_forgotten_returns_are_named():
    class Maximise(CoinsWithoutWeights):
        def maximise(self, statistics, theta):
            theta[:] = 0.5

    class Start(Coins):
        def start(self, X, rng):
            pass

    class LogPrior(Coins):
        def log_prior(self, theta):
            pass

    with pytest.raises(TypeError, match=r"Maximise\.maximise returned None"):
        fit(Maximise(), X, START)
    with pytest.raises(TypeError, match=r"Start\.start returned None"):
        fit(Start(), X)
    with pytest.raises(TypeError, match="log_prior must be one number, but is a NoneType"):
        fit(LogPrior(), X, START)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_prior_density_is_finite(value):
    class Bad(Coins):
        def log_prior(self, theta):
            return value

    with pytest.raises(ValueError, match=f"Bad.log_prior returned {value}"):
        fit(Bad(), X, START)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_in_a_thread_comes_through_with_notes(n_jobs):
    class Trouble(Exception):
        pass

    class Troubled(Coins):
        def expect(self, X, theta, weight):
            if not np.array_equal(theta, START) and (rare == X).all(axis=1).any():
                raise Trouble("here")
            return super().expect(X, theta, weight)

    rows = np.ones((20, 2))
    rare = rows[13] = [3.0, 4.0]
    weight = np.ones(20)
    weight[:5] = 0  # messages count the caller's rows
    with pytest.raises(Trouble, match="here") as caught:
        fit(Troubled(), rows, START, sample_weight=weight, block_size=4, n_jobs=n_jobs)
    assert "Raised by Troubled.expect in rows 13 to 16" in notes(caught)
    assert "In iteration 1 of start 0" in notes(caught)
    # Nothing is left behind that would disturb the next fit.
    assert fit(Coins(), X, START, n_jobs=n_jobs).n_iter > 0


def test_errors_of_the_other_methods_have_notes():
    class Maximise(Coins):
        def maximise(self, statistics, theta):
            raise KeyError("x")

    class Start(Coins):
        def start(self, X, rng):
            raise KeyError("x") if rng.uniform() < 2 else None

    with pytest.raises(KeyError) as caught:
        fit(Maximise(), X, START)
    assert notes(caught) == "Raised by Maximise.maximise | In iteration 1 of start 0"
    with pytest.raises(KeyError) as caught:
        fit(Start(), X)
    assert notes(caught) == "Raised by Start.start | At start 0"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_floating_point_errors_are_treated_as_the_caller_says(n_jobs):
    class Dividing(Coins):
        def expect(self, X, theta, weight):
            np.log(np.zeros(1))
            return super().expect(X, theta, weight)

        def start(self, X, rng):
            return START

    settings = {"n_jobs": n_jobs, "block_size": 2}
    for more in ({"start": START}, {"n_init": 2}):
        with np.errstate(divide="ignore"):
            fit(Dividing(), X, **settings, **more)
        with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
            fit(Dividing(), X, **settings, **more)


def test_no_iteration_returns_the_start_and_its_bound():
    result = fit(Coins(), X, START, max_iter=0)
    assert result.theta is START
    assert result.bound == Coins().expect(X, START, np.ones(10))[1]
    assert result[2:] == ([], False, 0)


def test_what_maximise_changes_in_place_is_its_own():
    class Overwriting(Coins):
        def maximise(self, counts, theta):
            counts /= counts.sum(axis=1, keepdims=True)
            theta[:] = counts[:, 0]
            return theta

    start = START.copy()
    for acceleration in (None, "squarem", "anderson"):
        settings = {"tol": 1e-10, "acceleration": acceleration}
        news = []
        result = fit(Overwriting(), X, start, callbacks=news.append, **settings)
        wanted = fit(Coins(), X, START, **settings)
        np.testing.assert_allclose(result.theta, wanted.theta, rtol=1e-12)
        assert not np.array_equal(news[0].theta, news[1].theta)
    assert start.tolist() == START.tolist()


def test_any_object_is_a_theta():
    class Text(CoinsWithoutWeights):
        def expect(self, X, theta):
            return super().expect(X, np.array([float(part) for part in theta.split()]))

        def maximise(self, counts, theta):
            return " ".join(map(repr, super().maximise(counts, None).tolist()))

    result = fit(Text(), X, "0.6 0.5", tol=1e-8)
    wanted = fit(CoinsWithoutWeights(), X, START, tol=1e-8)
    assert [float(part) for part in result.theta.split()] == wanted.theta.tolist()


def test_a_module_is_a_model():
    class Functions:
        expect = staticmethod(lambda X, theta: CoinsWithoutWeights().expect(X, theta))
        maximise = staticmethod(lambda counts, theta: Coins().maximise(counts, theta))

    assert fit(Functions(), X, START).bound == fit(CoinsWithoutWeights(), X, START).bound


def test_tol_ends_the_run_at_the_first_small_gain():
    result = fit(Coins(), X, START, tol=1e-4)
    before = Coins().expect(X, START, np.ones(10))[1]
    gains = np.diff([before, *result.bounds])
    assert result.converged
    assert (gains[:-1] > 1e-3).all()
    assert 0 <= gains[-1] <= 1e-3
    assert result.n_iter == len(result.bounds)
    assert result.bound == result.bounds[-1]
    np.testing.assert_allclose(result.bound, Coins().expect(X, result.theta, np.ones(10))[1])


def test_a_start_that_is_a_maximum_has_converged_at_once():
    class Mean:
        def expect(self, X, theta):
            return (len(X), X.sum()), -0.5 * ((X - theta) ** 2).sum()

        def maximise(self, sums, theta):
            return sums[1] / sums[0]

    result = fit(Mean(), np.array([1.0, 2.0, 3.0]), 2.0, tol=0.0)
    assert result == (2.0, -1.0, [-1.0], True, 1)


def test_it_warns_where_it_did_not_converge():
    with pytest.warns(
        ConvergenceWarning, match=r"did not converge in max_iter=2 .* tol=1e-09"
    ) as log:
        fit(Coins(), X, START, max_iter=2, tol=1e-9)
    assert log[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(Coins(), X, START)


def test_starts_are_drawn_from_the_random_state_and_the_best_run_is_kept():
    class Local(Coins):
        """Stays where it starts."""

        def maximise(self, counts, theta):
            return theta

    one = fit(Local(), X, random_state=3)
    np.testing.assert_array_equal(one.theta, Coins().start(X, np.random.RandomState(3)))
    drawn = []
    many = fit(
        Local(),
        X,
        n_init=6,
        random_state=3,
        n_jobs=1,
        callbacks=lambda news: drawn.append((news.bound, *news.theta)),
    )
    assert len(set(drawn)) == 6
    assert drawn[0] == (one.bound, *one.theta)
    assert (many.bound, *many.theta) == max(drawn)
    rng = np.random.RandomState(3)
    first, second = (fit(Local(), X, random_state=rng).theta for _ in range(2))
    assert first.tolist() == one.theta.tolist()
    assert second.tolist() != first.tolist()


def test_callbacks_see_every_iteration_and_may_end_a_run():
    news = []
    result = fit(
        Coins(), X, START, tol=1e-9, callbacks=[news.append, lambda news: news.n_iter == 3]
    )
    assert [item.n_iter for item in news] == [1, 2, 3]
    assert not result.converged
    assert result.n_iter == 3
    assert [item.bound for item in news] == result.bounds
    np.testing.assert_allclose([item.gain for item in news[1:]], np.diff(result.bounds), rtol=1e-6)
    assert news[-1].theta is result.theta


def test_callbacks_of_several_starts_are_called_one_at_a_time():
    inside, news = [], []

    def call(item):
        inside.append(item)
        assert len(inside) == 1
        news.append((item.restart, item.n_iter))
        inside.pop()
        return item.restart == 1

    fit(Coins(), X, n_init=3, n_jobs=3, random_state=0, tol=1e-6, callbacks=call)
    assert [pair for pair in news if pair[0] == 1] == [(1, 1)]
    for restart in (0, 2):
        counts = [n_iter for number, n_iter in news if number == restart]
        assert counts == list(range(1, len(counts) + 1))
        assert len(counts) > 1


def test_compiled_functions_need_not_tell_what_they_take():
    class Largest:
        expect = staticmethod(lambda X, theta: (X.max(), 0.0))
        maximise = staticmethod(max)  # the new or the old, whichever is larger

    assert fit(Largest(), np.array([1.0, 5.0, 2.0]), 3.0) == (5.0, 0.0, [0.0], True, 1)
