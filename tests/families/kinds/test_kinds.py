"""What every kind of columns promises, against SciPy, finite differences and repeated rows."""

import pickle
from decimal import Decimal

import numpy as np
import pytest
from oracles.kinds import CASES, MILD, N_COMPONENTS, rows
from oracles.one_kind import all_rows, best_fit, fit, log_density, statistics
from scipy import stats as scipy_stats
from scipy.optimize import minimize_scalar
from scipy.special import digamma

from skem.families import kinds
from skem.families.cutting import cut_along_axis
from skem.families.kinds import UnboundedLikelihoodError
from skem.families.kinds.gamma import gamma_shape
from skem.families.kinds.negative_binomial import negative_binomial_size

KINDS = sorted(CASES)
every_kind = pytest.mark.parametrize("name", KINDS)


def some_rows(name, missing):
    """Drawn rows, and some far out."""
    values = rows(name, 40, missing=missing)
    far = 1.0 if name in ("bernoulli", "categorical") else 1e9
    near = 1e-9 if name in ("gamma", "lognormal") else 0.0
    return np.vstack([values, [[near, far], [far, near]]])


def random_resp(n_rows, n_components=N_COMPONENTS, seed=1):
    return np.random.default_rng(seed).dirichlet(np.full(n_components, 0.7), n_rows)


def answers(protocol):
    return [
        name
        for cls in protocol.__mro__
        if cls.__module__ == "skem.families.kinds.contract"
        for name in vars(cls)
        if not name.startswith("_")
    ]


@every_kind
def test_it_answers_the_contract(name):
    kind = CASES[name].kind
    protocol = kinds.ConjugateKind if hasattr(kind, "posterior") else kinds.Kind
    assert len(answers(protocol)) > 20
    assert not [method for method in answers(protocol) if not hasattr(kind, method)]
    assert pickle.loads(pickle.dumps(kind)).n_lines == kind.n_lines


@pytest.mark.core
@every_kind
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("fitted", [False, True])
def test_log_densities_are_scipys(name, missing, fitted):
    kind, parameters, oracle, terms = CASES[name]
    values = some_rows(name, missing)
    if fitted:  # another unit, and no lines for gaps where there are none
        kind = kind.fitted_to(values[:40], None).for_values(values)
    elif name == "negative_binomial":
        kind = kind.for_values(values)
    cells = oracle(values[:, None], parameters)
    expected = np.where(np.isnan(values)[:, None], 0.0, cells).sum(axis=2)
    found = log_density(kind, values, parameters)
    largest = np.nansum(np.broadcast_to(terms(values[:, None], parameters), cells.shape), axis=2)
    bases = np.abs(kind.log_base(values))[:, None]
    assert (np.abs(found - expected) <= 1e-12 * (1 + largest + bases)).all()


@every_kind
def test_the_mode_is_a_maximum(name):
    kind, values = CASES[name].kind, rows(name, 60, missing=0.2)
    kind = kind.fitted_to(values, None)
    stats, one = statistics(kind, values, random_resp(60)), all_rows(kind, values)
    for count in (0.0, 2.5):
        prior = kind.pseudo_rows(one, count)
        mode = kind.mode(stats, prior, MILD[name])

        def log_joint(parameters, prior=prior):
            return kind.log_likelihood(stats, parameters) + kind.log_prior(parameters, prior)

        best = log_joint(mode)
        rng = np.random.default_rng(0)
        for _ in range(20):
            noise = [np.exp(1e-3 * rng.standard_normal(part.shape)) for part in mode]
            moved = type(mode)(*(part * factor for part, factor in zip(mode, noise, strict=True)))
            if name == "categorical":
                moved = type(mode)(
                    np.hstack([p / p.sum(axis=1, keepdims=True) for p in kind.split(moved[0])])
                )
            assert log_joint(moved) < best


@every_kind
def test_pseudo_rows_count_as_rows(name):
    kind, values = CASES[name].kind, rows(name, 60, missing=0.2)
    kind = kind.fitted_to(values, None)
    stats, one = statistics(kind, values, random_resp(60)), all_rows(kind, values)
    prior = kind.pseudo_rows(one, 1e-6)
    flat = kind.pseudo_rows(one, 0.0)
    mode, free = kind.mode(stats, prior, MILD[name]), kind.mode(stats, flat, MILD[name])
    assert kind.log_prior(free, flat) == 0.0
    assert 0 <= kind.log_likelihood(stats, free) - kind.log_likelihood(stats, mode) < 1e-3
    # Twice the rows that the prior adds, as statistics.
    two = kind.add(stats, kind.pseudo_rows(one, 2.0))
    np.testing.assert_allclose(
        kind.mode(stats, kind.pseudo_rows(one, 2.0), MILD[name])[0],
        kind.mode(two, flat, MILD[name])[0],
    )


@every_kind
def test_components_without_rows_keep_their_parameters(name):
    values, resp = rows(name, 60), random_resp(60)
    kind = CASES[name].kind.fitted_to(values, None)
    resp[:, 1] = 0.0
    flat = kind.pseudo_rows(all_rows(kind, values), 0.0)
    mode = kind.mode(statistics(kind, values, resp), flat, MILD[name])
    np.testing.assert_array_equal(mode[0][1], MILD[name][0][1])
    assert (mode[0][0] != MILD[name][0][0]).any()
    assert all(np.isfinite(part).all() for part in kind.without_rows(4))


@every_kind
@pytest.mark.parametrize("gaps", [False, True])
def test_statistics_form_a_monoid(name, gaps):
    values, resp = rows(name, 60, missing=0.2 * gaps), random_resp(60, 4)
    kind = CASES[name].kind.for_values(values)
    whole = statistics(kind, values, resp)
    first, second = (
        statistics(kind, values[rows], resp[rows]) for rows in np.split(np.arange(60), [25])
    )
    for sums in (kind.add(first, second), kind.add(kind.nothing(4), kind.scale(whole, 1.0))):
        np.testing.assert_allclose(sums.sums, whole.sums, rtol=1e-13)
        np.testing.assert_allclose(sums.weight, whole.weight, rtol=1e-13)
    twice = statistics(kind, np.repeat(values, 2, axis=0), np.repeat(resp, 2, axis=0))
    np.testing.assert_allclose(kind.scale(whole, 2.0).sums, twice.sums, rtol=1e-13)
    merged = kind.merge(whole, 1, 3)
    together = resp.copy()
    together[:, 1] += together[:, 3]
    together[:, 3] = 0.0
    np.testing.assert_allclose(merged.sums, statistics(kind, values, together).sums, rtol=1e-13)
    # Component 1 in its two parts again.
    parts = kind.take(kind.nothing(1), np.zeros(8, int))
    parts = statistics(
        kind, values, np.stack([0 * resp[:, 0]] * 2 + [resp[:, 1], resp[:, 3]], axis=1)
    )
    np.testing.assert_allclose(kind.split_into(merged, parts, 1, 3).sums, whole.sums, rtol=1e-13)
    assert (kind.take(whole, np.array([2, 0])).sums == whole.sums[[2, 0]]).all()


@every_kind
@pytest.mark.parametrize("gaps", [False, True])
def test_coordinates_go_there_and_back(name, gaps):
    values = rows(name, 60, missing=0.2 * gaps)
    kind = CASES[name].kind.fitted_to(values, None)
    stats = statistics(kind, values, random_resp(60))
    back = kind.decode(kind.encode(stats), stats.weight)
    np.testing.assert_allclose(back.sums, stats.sums, rtol=1e-9)
    none = kind.pseudo_rows(all_rows(kind, values), 0.0)
    rng = np.random.default_rng(0)
    for _ in range(50):  # whatever is decoded has parameters
        vector = kind.encode(stats) * np.exp(0.3 * rng.standard_normal(kind.encode(stats).shape))
        decoded = kind.decode(vector, stats.weight)
        if decoded is not None:
            mode = kind.mode(decoded, none, MILD[name])
            linear = kind.coefficients(mode)
            assert np.isfinite(linear.coefficients).all()
    assert kind.decode(np.full_like(kind.encode(stats), np.inf), stats.weight) is None


@pytest.mark.parametrize("shape", [1, 2, 15, 16, 17, 100, 3000])
def test_shapes_solve_their_equation(shape):
    """``log a - digamma(a)`` of whole numbers, with 28 digits: digamma is a harmonic number."""
    harmonic = sum((Decimal(1) / i for i in range(1, shape)), start=Decimal(0))
    excess = Decimal(shape).ln() - harmonic + Decimal("0.5772156649015328606065120901")
    assert gamma_shape(np.array([float(excess)]))[0] == pytest.approx(shape, rel=1e-13)


@pytest.mark.parametrize("shape", [1e-3, 0.03, 0.5, 3.7])
def test_small_shapes_solve_their_equation(shape):
    excess = np.log(shape) - digamma(shape)
    assert gamma_shape(np.array([excess]))[0] == pytest.approx(shape, rel=1e-13)


@every_kind
@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_bound_rises_to_that_of_em_in_loops(name, acceleration, missing):
    values = rows(name, 200, missing=missing)
    fitted = fit(CASES[name].kind, values, 2, acceleration=acceleration, max_iter=200)
    run, kind = fitted.run, fitted.kind
    assert (np.diff(run.bounds) >= 0).all()
    cells = CASES[name].log_density(values[:, None], run.theta.components)
    joint = np.log(run.theta.weights) + np.where(np.isnan(values)[:, None], 0.0, cells).sum(axis=2)
    expected = np.logaddexp.reduce(joint, axis=1).sum()
    assert fitted.log_likelihood == pytest.approx(expected, rel=1e-11)
    # One more iteration of plain EM gains nothing.
    resp = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
    none = kind.pseudo_rows(all_rows(kind, values), 0.0)
    mode = kind.mode(statistics(kind, values, resp), none, run.theta.components)
    for part, again in zip(run.theta.components, mode, strict=True):
        np.testing.assert_allclose(part, again, rtol=2e-3, atol=1e-6)


@every_kind
def test_integer_weights_are_repeated_rows(name):
    values = rows(name, 80, missing=0.1)
    times = np.random.default_rng(2).integers(0, 3, len(values))
    kind = CASES[name].kind
    fast = {"n_init": 5, "acceleration": "squarem"}
    weighted = best_fit(kind, values, 2, weights=times.astype(float), **fast)
    repeated = best_fit(kind, np.repeat(values, times, axis=0), 2, **fast)
    assert weighted.run.bound == pytest.approx(repeated.run.bound, rel=1e-6)
    np.testing.assert_allclose(weighted.kind.units, repeated.kind.units)


@every_kind
def test_samples_are_fitted_by_what_they_were_drawn_from(name):
    values = rows(name, 1000, seed=3)
    truth = MILD[name]
    fitted = best_fit(CASES[name].kind, values, 3, n_init=2, acceleration="squarem", max_iter=300)
    kind = fitted.kind
    joint = log_density(kind, values, truth) - np.log(3)
    assert fitted.log_likelihood > np.logaddexp.reduce(joint, axis=1).sum()
    # Of one component, its parameters are found.
    rng = np.random.RandomState(0)
    for k in range(N_COMPONENTS):
        drawn = kind.sample(truth, np.full(20000, k), rng)
        kind = kind.for_values(drawn)
        none = kind.pseudo_rows(all_rows(kind, drawn), 0.0)
        mode = kind.mode(all_rows(kind, drawn), none, kind.without_rows(1))
        for part, true in zip(mode, truth, strict=True):
            np.testing.assert_allclose(part[0], true[k], rtol=0.05, atol=0.01)


@every_kind
def test_gaps_are_imputed_by_what_is_expected(name):
    kind, truth = CASES[name].kind, MILD[name]
    resp = np.eye(N_COMPONENTS)
    drawn = [kind.sample(truth, np.full(20000, k), np.random.RandomState(0)) for k in range(3)]
    if name in ("bernoulli", "categorical"):
        expected = [[np.bincount(x.astype(int)).argmax() for x in sample.T] for sample in drawn]
    else:
        expected = [sample.mean(axis=0) for sample in drawn]
    np.testing.assert_allclose(kind.impute(truth, resp), expected, rtol=0.05)
    both = kind.impute(truth, np.full((1, 3), 1 / 3))
    if name not in ("bernoulli", "categorical"):
        np.testing.assert_allclose(both[0], np.mean(kind.impute(truth, resp), axis=0))


@every_kind
def test_distances_are_twice_the_divergence(name):
    kind, truth = CASES[name].kind, MILD[name]
    drawn = kind.sample(truth, np.full(200_000, 1), np.random.RandomState(0))
    kind = kind.for_values(drawn)
    stats = statistics(kind, drawn, np.eye(3)[np.full(len(drawn), 1)])
    found = kind.distances(stats, 1, truth)
    score = log_density(kind, drawn, truth)
    np.testing.assert_allclose(
        found, 2 * (score[:, [1]] - score).mean(axis=0), rtol=1e-9, atol=1e-9
    )
    assert found[1] == 0.0
    assert (found[[0, 2]] > 0).all()


@every_kind
def test_features_tell_rows_apart(name):
    values = rows(name, 200, missing=0.1)
    kind = CASES[name].kind.fitted_to(values, None)
    features = kind.features(values)
    per_column = features.shape[1] // 2
    missing = np.isnan(values) if per_column == 1 else np.isnan(values)[:, [0, 0, 0, 1, 1]]
    np.testing.assert_array_equal(np.isnan(features), missing)
    seen = ~np.isnan(values[:, 0])
    if per_column == 1:  # they rise with the values
        order = values[seen, 0].argsort(kind="stable")
        assert (np.diff(features[seen, 0][order]) >= 0).all()
    else:
        np.testing.assert_array_equal(features[seen][:, :3].argmax(axis=1), values[seen, 0])


@every_kind
def test_components_that_never_had_a_row_have_the_parameters_of_all(name):
    values = rows(name, 3000)
    kind = CASES[name].kind.fitted_to(values, None)
    flat = kind.pseudo_rows(all_rows(kind, values), 0.0)
    one = kind.mode(all_rows(kind, values), flat, kind.without_rows(1))
    never = kind.without_rows(3)
    assert [len(part) for part in never] == [3] * len(never)
    if name in ("poisson", "geometric", "exponential", "lognormal"):
        for part, again in zip(never, one, strict=True):
            np.testing.assert_allclose(part, np.repeat(again, 3, axis=0), rtol=1e-9)
    elif name in ("gamma", "negative_binomial"):  # their means at least
        resp = np.eye(3)
        np.testing.assert_allclose(
            kind.impute(never, resp), np.repeat(kind.impute(one, np.eye(1)), 3, axis=0), rtol=1e-9
        )


def test_a_component_is_cut_where_its_rows_spread_most():
    rng = np.random.default_rng(0)
    side = rng.integers(0, 2, 300)
    features = rng.standard_normal((300, 4))
    features[:, 1] += 50.0 + 6.0 * side  # of two columns that vary together
    features[:, 2] = 1e6 * (features[:, 2] + 6.0 * side)
    features[rng.random(features.shape) < 0.1] = np.nan
    other = rng.random(300) < 0.3
    share = np.stack([~other, other]).astype(float)
    odds = cut_along_axis(features, share)
    for k, resp in enumerate(share.astype(bool)):
        agree = ((odds[k] > 0) == side)[resp].mean()
        assert max(agree, 1 - agree) > 0.95
    # Rows of one kind are cut into nothing, and without complaints.
    np.testing.assert_array_equal(cut_along_axis(np.ones((5, 2)), np.ones((1, 5))), 0.0)
    assert np.isfinite(cut_along_axis(features, np.zeros((1, 300)))).all()


def test_other_cells_are_named():
    for kind, value, words in (
        (kinds.Poisson(2), -1.0, r"'b' has -1 in row 1, but poisson columns hold whole numbers"),
        (kinds.Geometric(2), 1.5, r"'b' has 1.5 in row 1, but geometric columns hold whole"),
        (kinds.Poisson(2), np.inf, r"'b' has inf in row 1"),
        (kinds.Bernoulli(2), 2.0, r"'b' has 2 in row 1, but bernoulli columns hold 0 and 1"),
        (kinds.Exponential(2), -0.5, r"'b' has -0.5 in row 1, but exponential columns hold numb"),
        (kinds.Gamma(2), 0.0, r"'b' has 0 in row 1, but gamma columns hold numbers above 0"),
        (kinds.Lognormal(2), -1.0, r"'b' has -1 in row 1, but lognormal columns hold"),
        (kinds.NegativeBinomial(2), 1e300, r"'b' has 1e\+300 in row 1, but negative_binomial col"),
        (kinds.Categorical(n_categories=(3, 2)), 2.0, r"'b' has 2 in row 1, but categorical"),
    ):
        kind.check(np.array([[1.0, np.nan], [1.0, 1.0]]), ["a", "b"])
        with pytest.raises(ValueError, match=words):
            kind.check(np.array([[1.0, np.nan], [1.0, value]]), ["a", "b"])


@every_kind
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_ten_thousand_rows_of_one_value(name, missing):
    kind = CASES[name].kind
    values = np.ones((10_000, 2))
    values[: int(missing * 10_000), 1] = np.nan
    if name in ("gamma", "lognormal"):  # the density of one value has no bound
        kind = kind.fitted_to(values, None, ["a", "b"])
        with pytest.raises(ValueError, match=f"All values of {name} column 'a' are the same"):
            kind.pseudo_rows(all_rows(kind, values), 1e-6)
        return
    fitted = fit(kind, values, 2, pseudo_count=1e-6, max_iter=20)
    parameters = fitted.run.theta.components
    assert not any(np.isnan(part).any() for part in parameters)
    alone = fit(kind, values, 1, pseudo_count=1e-6, max_iter=5)
    assert fitted.run.bound == pytest.approx(alone.run.bound, abs=1e-6)
    others = some_rows(name, 0.2)
    score = log_density(fitted.kind.for_values(others), others, parameters)
    assert np.isfinite(score).all()


@pytest.mark.parametrize("name", ["poisson", "geometric", "negative_binomial"])
def test_counts_of_nothing(name):
    kind, values = CASES[name].kind, np.zeros((50, 2))
    fitted = fit(kind, values, 2, pseudo_count=1e-6)
    assert fitted.log_likelihood == pytest.approx(0.0, abs=1e-5)
    other = np.array([[1.0, 1e9]])
    kind = fitted.kind.for_values(other)
    assert np.isfinite(log_density(kind, other, fitted.run.theta.components)).all()
    # Plain maximum likelihood: what is impossible scores very low, but is no NaN.
    fitted = fit(kind, values, 2, pseudo_count=0.0)
    score = log_density(
        fitted.kind, np.array([[0.0, 0.0], [1.0, 0.0]]), fitted.run.theta.components
    )
    np.testing.assert_allclose(score[0], 0.0, atol=1e-12)
    assert (score[1] < -600).all()


@pytest.mark.parametrize("name", ["poisson", "geometric", "exponential"])
def test_counts_of_a_thousand_million(name):
    rng = np.random.default_rng(0)
    means = np.array([1e9, 1.0002e9]) if name == "poisson" else np.array([1e8, 1e9])
    labels = rng.integers(2, size=400)
    draw = rng.poisson if name == "poisson" else lambda mean: np.floor(rng.exponential(mean))
    values = draw(means[labels]).astype(float)[:, None]
    fitted = best_fit(type(CASES[name].kind)(1), values, 2, n_init=2)
    assert (np.diff(fitted.run.bounds) >= 0).all()
    assert fitted.run.converged
    found = np.sort(fitted.kind.impute(fitted.run.theta.components, np.eye(2))[:, 0])
    np.testing.assert_allclose(found, means, rtol=1e-5 if name == "poisson" else 0.3)


def test_sizes_of_large_counts_are_shapes_of_their_rates():
    """The counts are as good as gamma distributed."""
    values = np.floor(np.random.default_rng(0).gamma(3.0, 3e8, size=(500, 1)))
    many = fit(kinds.NegativeBinomial(1), values, 1)
    amounts = fit(kinds.Gamma(1), values, 1)
    assert many.log_likelihood == pytest.approx(amounts.log_likelihood, abs=1e-3)
    sizes = many.run.theta.components.sizes
    np.testing.assert_allclose(sizes, amounts.run.theta.components.shapes, rtol=1e-6)


@pytest.mark.parametrize("start", [1e-6, 1.0, 1e6, np.inf])
def test_sizes_have_the_highest_likelihood(start):
    """Against a search by golden section, from SciPy's densities."""
    rng = np.random.default_rng(0)
    support = np.arange(60.0)
    shares = rng.dirichlet(np.r_[np.full(8, 5.0), np.full(52, 0.1)], size=3)
    means = shares @ support
    found = negative_binomial_size(shares, support, means, np.full(3, start))
    for share, mean, size in zip(shares, means, found, strict=True):

        def loss(log_size, share=share, mean=mean):
            size = np.exp(log_size)
            return -share @ scipy_stats.nbinom(size, size / (size + mean)).logpmf(support)

        best = minimize_scalar(loss, bounds=(-10, 15), method="bounded", options={"xatol": 1e-9})
        assert size == pytest.approx(np.exp(best.x), rel=1e-6)
        assert loss(np.log(size)) <= best.fun + 1e-14


def test_counts_that_vary_little_are_poisson():
    values = np.array([3.0, 4.0, 4.0, 5.0, 4.0])[:, None]
    fitted = fit(kinds.NegativeBinomial(1), values, 1)
    means, sizes = fitted.run.theta.components
    assert (means.item(), sizes.item()) == (4.0, np.inf)
    assert fitted.log_likelihood == pytest.approx(fit(kinds.Poisson(1), values, 1).log_likelihood)


def test_negative_binomial_columns_need_all_rows():
    kind = kinds.NegativeBinomial(1)
    with pytest.raises(ValueError, match="negative_binomial columns need all rows at once"):
        kind.for_values(np.ones((3, 1)), more=True)
    with pytest.raises(ValueError, match="These rows need a kind of their own"):
        kind.for_values(np.ones((3, 1))).lines(np.array([[7.0]]))


def test_exponential_columns_of_zeros_have_no_rate():
    kind, zeros = kinds.Exponential(1), np.zeros((5, 1))
    with pytest.raises(ValueError, match="All values of exponential column 0 are 0"):
        kind.pseudo_rows(all_rows(kind, zeros), 1.0)
    values = np.r_[zeros, zeros + 1.0]
    stats = statistics(kind, values, np.eye(2)[np.repeat([0, 1], 5)])
    none = kind.pseudo_rows(all_rows(kind, values), 0.0)
    with pytest.raises(UnboundedLikelihoodError, match="component 0 has no maximum: all") as caught:
        kind.mode(stats, none, kind.without_rows(2))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    few = kind.mode(stats, kind.pseudo_rows(all_rows(kind, values), 1e-6), kind.without_rows(2))
    assert np.isfinite(few.rates).all()


@pytest.mark.parametrize("kind", [kinds.Gamma(1), kinds.Lognormal(1)])
def test_components_of_one_value_have_no_maximum(kind):
    values = np.r_[np.full(5, 2.0), np.arange(1.0, 6.0)][:, None]
    stats = statistics(kind, values, np.eye(2)[np.repeat([0, 1], 5)])
    one = all_rows(kind, values)
    with pytest.raises(UnboundedLikelihoodError, match="component 0 has no maximum: all its"):
        kind.mode(stats, kind.pseudo_rows(one, 0.0), kind.without_rows(2))
    few = kind.mode(stats, kind.pseudo_rows(one, 1e-6), kind.without_rows(2))
    assert all(np.isfinite(part).all() for part in few)
    widths = (few[1][0] / few[1][1])[0]
    assert widths > 1e5 if isinstance(kind, kinds.Gamma) else 0 < widths < 1e-5


HELD = {"gamma": kinds.Gamma(1), "lognormal": kinds.Lognormal(1)}


def variance_held(name, parameters):
    """What a floor holds."""
    if name == "gamma":
        return parameters.shapes / parameters.rates**2
    return parameters.variances * np.exp(2 * parameters.means)


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("step", [1e-3, 0.1, 1.0])
def test_estimates_at_a_floor_are_the_likeliest_above_it(name, step):
    values = np.r_[np.full(6, 3.0), np.full(2, 3.0 + 1e-4), 1.5 * np.arange(1.0, 9.0)][:, None]
    kind = HELD[name].fitted_to(values, None).with_floor(np.array([step**2 / 4]))
    stats = statistics(kind, values, np.eye(2)[np.repeat([0, 1], 8)])
    none = kind.pseudo_rows(all_rows(kind, values), 0.0)
    held = kind.mode(stats, none, kind.without_rows(2))
    free = kind.with_floor(None).mode(stats, none, kind.without_rows(2))
    least = variance_held(name, held)
    assert least[0, 0] == pytest.approx(step**2 / 4)
    assert kind.log_likelihood(stats, held) < kind.log_likelihood(stats, free)
    np.testing.assert_array_equal(np.ravel(held)[1::2], np.ravel(free)[1::2])
    best = kind.log_likelihood(stats, held)
    rng = np.random.default_rng(0)
    allowed = 0
    for _ in range(300):  # nothing near it that is wide enough is likelier
        moved = type(held)(*(part * (1 + 1e-4 * rng.standard_normal(part.shape)) for part in held))
        if (variance_held(name, moved) >= least).all():
            allowed += 1
            assert kind.log_likelihood(stats, moved) < best
    assert allowed > 20


@pytest.mark.parametrize("name", HELD)
def test_no_component_is_narrower_than_the_recording(name):
    """Many rows have the same few values, on which components would collapse."""
    rng = np.random.default_rng(0)
    values = np.round(rng.gamma(30.0, 2.0, size=(400, 1)))
    kind = HELD[name].fitted_to(values, None)
    one = fit(kind, values, 1).run.theta.components
    floor = kind.floor_below(np.array([0.25]), one)
    held = kind.with_floor(floor)
    for seed in range(3):
        fitted = fit(held, values, 4, seed=seed, pseudo_count=1e-6, max_iter=100)
        assert (np.diff(fitted.run.bounds) >= 0).all()
        least = variance_held(name, fitted.run.theta.components)
        assert (least >= floor * (1 - 1e-6)).all()
    assert kind.floor_below(np.zeros(1), one) is None
    whole = fit(kind.with_floor(kind.floor_below(np.array([1e9]), one)), values, 1)
    np.testing.assert_array_equal(whole.run.theta.components, one)


@pytest.mark.parametrize("name", HELD)
def test_components_of_one_value_stay_at_the_floor(name):
    values = np.r_[np.full(5, 2.0), np.arange(1.0, 6.0)][:, None]
    kind = HELD[name].fitted_to(values, None).with_floor(np.array([0.01]))
    stats = statistics(kind, values, np.eye(2)[np.repeat([0, 1], 5)])
    none = kind.pseudo_rows(all_rows(kind, values), 0.0)
    mode = kind.mode(stats, none, kind.without_rows(2))
    assert variance_held(name, mode)[0, 0] == pytest.approx(0.01)
    assert kind.impute(mode, np.eye(2))[0, 0] == pytest.approx(2.0, rel=2e-2)


def test_one_category_only():
    kind = kinds.Categorical(n_categories=(1, 3))
    values = np.array([[0.0, 1.0], [np.nan, 1.0]])
    mode = fit(kind, values, 1, pseudo_count=3e-6).run.theta.components
    np.testing.assert_allclose(mode.probabilities[0], [1.0, 5e-7, 1.0, 5e-7], rtol=1e-5)
    assert kind.n_parameters(4) == 8
