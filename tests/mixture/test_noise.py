"""Mixtures with noise: one more component of constant density."""

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
from oracles import gaps, gaussian
from scipy.special import logsumexp, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from mixture.tables import assert_same_outputs, blobs, core, every_type, fit
from skem import (
    EMGaussianMixture,
    EMStudentMixture,
    GaussianMixtureIC,
    VariationalGaussianMixture,
    bootstrap_standard_errors,
)
from skem.families.weights import CategoricalWeights, StickBreakingWeights
from skem.inference.cleaning import noise_probabilities, rows_of_clusters

DATA = Path(__file__).parents[1] / "data"
EVERY = (EMGaussianMixture, VariationalGaussianMixture, EMStudentMixture)
every_mixture = pytest.mark.parametrize("estimator", EVERY)


def noisy_blobs(n=150, d=2, k=2, n_noise=40, seed=0):
    """Rows of clusters, then rows all over a wider box; the clusters' labels, -1 for noise."""
    X, labels = blobs(n, d, k, seed=seed)
    low, high = X.min(axis=0) - 3.0, X.max(axis=0) + 3.0
    noise = np.random.default_rng(seed).uniform(low, high, size=(n_noise, d))
    return np.vstack([X, noise]), np.r_[labels, np.full(n_noise, -1)]


def read(name):
    return np.genfromtxt(DATA / name, delimiter=",", skip_header=1)


def reference_cases():
    with open(DATA / "noise_values.csv", newline="") as file:
        return list(csv.DictReader(file))


@core
@pytest.mark.parametrize("case", reference_cases(), ids=lambda case: case["model"])
def test_reference_values(case):
    """Ends of R's mclust::me with Vinv, from the same start."""
    X = read(case["data_file"])[:, :2]
    start = np.eye(3)[read("noise_start_faithful_K2.csv").astype(int)]
    mixture = EMGaussianMixture(
        2,
        covariance_type=case["model"],
        noise=True,
        init_params=start,
        reg_covar=0,
        resolution=None,
        tol=1e-11,
        max_iter=500,
    ).fit(X)
    assert mixture.score(X) * len(X) == pytest.approx(float(case["loglik"]), abs=1e-5)
    assert mixture.lower_bound_ == pytest.approx(mixture.score(X), rel=1e-10)
    weights = np.array(case["weights"].split(), dtype=float)
    np.testing.assert_allclose(np.r_[mixture.weights_, mixture.noise_weight_], weights, atol=1e-5)
    assert (mixture.predict(X) == -1).sum() == int(case["noise_rows_by_map"])
    # A volume that is given, not measured.
    given = EMGaussianMixture(2, noise=1 / float(case["Vinv"])).set_params(
        **{name: value for name, value in mixture.get_params().items() if name not in ("noise",)}
    )
    np.testing.assert_allclose(given.fit(X).score(X), mixture.score(X), rtol=1e-9)


@core
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag"])
def test_the_default_start_finds_the_noise(covariance_type):
    X = read("noise_data_faithful.csv")
    mixture = fit(X[:, :2], 2, covariance_type=covariance_type, noise=True, random_state=0)
    expected = {"full": -1484.39361, "tied": -1496.27339, "diag": -1491.68488}[covariance_type]
    assert mixture.score(X[:, :2]) * len(X) > expected - 0.05


@core
@every_type
@pytest.mark.parametrize("share", [0.0, 0.2], ids=["complete", "gaps"])
def test_densities_and_probabilities(covariance_type, share):
    X = gaps.punch(noisy_blobs()[0], share, 0, keep_one=True)
    mixture = fit(X, 2, covariance_type=covariance_type, noise=True, random_state=0)
    log_joint = gaps.log_joint(
        covariance_type, X, mixture.weights_, mixture.means_, mixture.covariances_
    )
    # The box along the axes: of tables with gaps the only one, and here the smaller.
    log_widths = np.log(np.nanmax(X, axis=0) - np.nanmin(X, axis=0))
    noise = np.log(mixture.noise_weight_) - ~np.isnan(X) @ log_widths
    log_joint = np.column_stack([log_joint, noise])
    np.testing.assert_allclose(mixture.score_samples(X), logsumexp(log_joint, axis=1), rtol=1e-9)
    resp = mixture.predict_proba(X)
    np.testing.assert_allclose(resp, softmax(log_joint, axis=1), atol=1e-9)
    labels = log_joint.argmax(axis=1)
    np.testing.assert_array_equal(mixture.predict(X), np.where(labels == 2, -1, labels))
    assert mixture.lower_bound_ == pytest.approx(mixture.score(X), rel=1e-9)
    assert mixture.weights_.sum() + mixture.noise_weight_ == pytest.approx(1.0)


@core
@every_type
def test_an_iteration_in_loops(covariance_type):
    X, _ = noisy_blobs(60, n_noise=15)
    start = np.random.default_rng(1).dirichlet(np.ones(3), size=len(X))
    common = {
        "covariance_type": covariance_type,
        "noise": True,
        "init_params": start,
        "reg_covar": 0,
        "resolution": None,
    }
    first, second = (fit(X, 2, max_iter=n, **common) for n in (0, 1))
    joint = gaussian.log_joint(covariance_type, X, first.weights_, first.means_, first.covariances_)
    level = np.log(first.noise_weight_) - np.log(np.ptp(X, axis=0)).sum()
    resp = softmax(np.column_stack([joint, np.full(len(X), level)]), axis=1)
    weight = resp.sum(axis=0)
    assert second.noise_weight_ == pytest.approx(weight[2] / len(X))
    np.testing.assert_allclose(second.weights_, weight[:2] / len(X))
    means = (resp[:, :2].T @ X) / weight[:2, None]
    np.testing.assert_allclose(second.means_, means, rtol=1e-9)
    scatters = [(resp[:, k] * (X - means[k]).T) @ (X - means[k]) for k in range(2)]
    expected = {
        "full": lambda: np.array([scatters[k] / weight[k] for k in range(2)]),
        "tied": lambda: sum(scatters) / weight[:2].sum(),
        "diag": lambda: np.array([np.diag(scatters[k]) / weight[k] for k in range(2)]),
        "spherical": lambda: np.array([np.trace(scatters[k]) / weight[k] / 2 for k in range(2)]),
    }[covariance_type]()
    np.testing.assert_allclose(second.covariances_, expected, rtol=1e-8, atol=1e-12)


@core
@every_mixture
def test_what_is_published(estimator):
    X, _ = noisy_blobs()
    mixture = fit(X, 2, estimator=estimator, noise=True, random_state=0)
    assert mixture.weights_.shape == (2,)
    assert mixture.predict_proba(X).shape == (len(X), 3)
    assert len(mixture.get_feature_names_out()) == 3
    assert set(np.unique(mixture.predict(X))) == {-1, 0, 1}
    assert mixture.weights_[0] >= mixture.weights_[1]
    assert 0.1 < mixture.noise_weight_ < 0.35
    without = fit(X, 2, estimator=estimator, random_state=0)
    assert mixture.n_parameters() == without.n_parameters() + 1
    assert not hasattr(without, "noise_weight_")
    bounds = np.array(mixture.lower_bounds_)
    assert (np.diff(bounds) >= 0).all()
    assert "noise" in mixture.summary().title
    again = pickle.loads(pickle.dumps(mixture))
    assert_same_outputs(again, X, mixture, X)
    mixture.set_params(noise=False)
    with pytest.raises(ValueError, match="noise=False, but the estimator was fitted with noise"):
        mixture.predict(X)
    mixture.fit(X)
    assert not hasattr(mixture, "noise_weight_")
    assert mixture.predict_proba(X).shape == (len(X), 2)
    mixture.set_params(noise=True)
    with pytest.raises(ValueError, match="noise=True, but the estimator was fitted without noise"):
        mixture.predict(X)


@core
@every_mixture
def test_the_rows_of_clusters_and_noise_are_told_apart(estimator):
    X, labels = noisy_blobs(n_noise=60, seed=3)
    predicted = fit(X, 2, estimator=estimator, noise=True, random_state=0).predict(X)
    assert ((predicted == -1) == (labels == -1)).mean() > 0.85


@core
@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        (EMGaussianMixture, {"covariance_type": "diag"}),
        (EMGaussianMixture, {"covariance_type": "full", "assignment": "hard"}),
        (EMGaussianMixture, {"covariance_type": "VEV", "assignment": "hard"}),
        (EMGaussianMixture, {"covariance_type": "EVI", "assignment": "hard"}),
        (EMStudentMixture, {"covariance_type": "VII"}),
        (EMStudentMixture, {"covariance_type": "spherical", "df": "shared"}),
    ],
)
@pytest.mark.filterwarnings("error::RuntimeWarning", "ignore:EM did not converge")
def test_all_rows_may_be_noise(estimator, options):
    # Noise that is denser than any Gaussian of such rows takes them all.
    X = np.random.default_rng(0).uniform(size=(40, 2))
    with pytest.warns(ConvergenceWarning, match="emptied") as told:
        mixture = estimator(3, noise=1e-6, tol=0, max_iter=300, random_state=0, **options).fit(X)
    assert not any("depend" in str(warning.message) for warning in told)
    np.testing.assert_array_equal(mixture.weights_, 0.0)
    assert mixture.noise_weight_ == 1.0
    np.testing.assert_allclose(mixture.score_samples(X), -np.log(1e-6))
    np.testing.assert_array_equal(mixture.predict_proba(X), np.eye(4)[[3] * len(X)])
    np.testing.assert_array_equal(mixture.predict(X), -1)
    # Of a row of which nothing is seen each component may be: their means, equally.
    filled = mixture.impute(np.full((1, 2), np.nan))
    np.testing.assert_allclose(filled[0], mixture.means_.mean(axis=0))


def test_what_has_lost_its_rows_has_not_collapsed():
    # Weights that are next to nothing: EM has converged before they vanish.
    X = np.random.default_rng(0).uniform(size=(40, 2))
    with pytest.warns(ConvergenceWarning) as told:
        mixture = EMGaussianMixture(3, noise=1e-6, random_state=0).fit(X)
    assert (mixture.weights_ > 0).all()
    assert [str(warning.message)[:31] for warning in told] == ["Component(s) [0, 1, 2] emptied:"]


@pytest.mark.parametrize(
    "init_params", ["auto", "kmeans", "k-means++", "hierarchical", "random_from_data"]
)
@pytest.mark.parametrize("n_components", [1, 2])
def test_every_start_finds_noise(init_params, n_components):
    X, labels = noisy_blobs(200, k=n_components, n_noise=40, seed=1)
    mixture = fit(X, n_components, noise=True, init_params=init_params, random_state=0)
    assert 0.05 < mixture.noise_weight_ < 0.4
    assert (mixture.predict(X) == -1)[labels == -1].mean() > 0.5


def test_clean_rows_leave_little_to_noise():
    X, _ = blobs(300, 2, 2)
    mixture = fit(X, 2, noise=True, random_state=0, tol=1e-7, max_iter=1000)
    assert mixture.noise_weight_ < 0.02


@core
@every_mixture
def test_integer_weights_are_repeated_rows(estimator):
    X, labels = noisy_blobs(60, n_noise=15)
    weight = np.random.default_rng(0).integers(0, 3, size=len(X))
    weight[[X[:, j].argmin() for j in (0, 1)] + [X[:, j].argmax() for j in (0, 1)]] = 1
    start = np.eye(3)[labels]
    common = {"estimator": estimator, "noise": True, "max_iter": 3, "acceleration": None}
    weighted = fit(X, 2, sample_weight=weight, init_params=start, **common)
    again = np.repeat(np.arange(len(X)), weight)
    repeated = fit(X[again], 2, init_params=start[again], **common)
    for name in ("means_", "covariances_", "noise_weight_", "lower_bound_"):
        np.testing.assert_allclose(
            getattr(weighted, name), getattr(repeated, name), rtol=1e-7, err_msg=name
        )


def diagonal(n=150, seed=0):
    """Rows along the diagonal, where the box along the principal axes is the smaller one."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) * [1.0, 1.0] + 0.3 * rng.normal(size=(n, 2))


@core
@pytest.mark.parametrize("rows", ["blobs", "diagonal", "ties"])
def test_the_default_start_takes_weights_for_repeated_rows(rows):
    """One component: several are searched for by random numbers that differ."""
    X = diagonal() if rows == "diagonal" else noisy_blobs(100, k=1, n_noise=30)[0]
    if rows == "ties":
        X = X.round()
    weight = np.random.default_rng(1).integers(0, 4, size=len(X))
    common = {"noise": True, "tol": 1e-9, "max_iter": 3}
    repeated = fit(np.repeat(X, weight, axis=0), 1, **common)
    for factor in (1.0, 0.3):
        weighted = fit(X, 1, sample_weight=factor * weight, **common)
        for name in ("means_", "covariances_", "noise_weight_", "lower_bounds_"):
            np.testing.assert_allclose(
                getattr(weighted, name), getattr(repeated, name), rtol=1e-7, err_msg=name
            )


@core
@every_mixture
def test_units_of_columns_do_not_matter(estimator):
    """Nor does where they are: the box along principal axes is one of standardised columns."""
    X = diagonal()
    start = np.random.default_rng(1).dirichlet(np.ones(3), size=150)
    scale, shift = np.array([1e4, 1e-3]), np.array([1e5, 1.0])
    common = {"estimator": estimator, "noise": True, "init_params": start}
    one, other = (fit(rows, 2, **common) for rows in (X, X * scale + shift))
    np.testing.assert_allclose(other.noise_weight_, one.noise_weight_, rtol=1e-5)
    np.testing.assert_allclose(other.means_, one.means_ * scale + shift, rtol=1e-6)
    np.testing.assert_allclose(
        other.score_samples(X * scale + shift), one.score_samples(X) - np.log(10.0), rtol=1e-5
    )
    # Along the diagonal the box is smaller.
    volume = np.exp(one._record.units.box[3].sum())
    assert volume < 0.6 * np.prod(np.ptp(X, axis=0))
    drawn, labels = one.sample(500, random_state=0)
    corner = (np.abs((drawn / X.std(axis=0)) @ [1.0, -1.0]))[labels == -1]
    assert corner.max() < 1.2 * np.abs((X / X.std(axis=0)) @ [1.0, -1.0]).max()


@pytest.mark.parametrize("estimator", EVERY)
def test_threads_give_the_same_bits(estimator):
    X, _ = noisy_blobs(8000, n_noise=1000)
    common = {"estimator": estimator, "noise": True, "init_params": "kmeans", "random_state": 0}
    one, many = (fit(X, 2, n_jobs=n, max_iter=2, **common) for n in (1, 3))
    np.testing.assert_array_equal(one.means_, many.means_)
    assert one.noise_weight_ == many.noise_weight_
    np.testing.assert_array_equal(one.predict_proba(X), many.predict_proba(X))


@core
@every_mixture
def test_steps_keep_the_first_batch_s_volume(estimator):
    X, _ = noisy_blobs(900, n_noise=200)
    X = np.random.default_rng(0).permutation(X)
    mixture = estimator(2, noise=True, random_state=0).partial_fit(X[:300])
    box = mixture._record.units.box
    for batch in np.split(2 * X[300:1050], 5):
        mixture.partial_fit(batch / 2)
    for before, after in zip(box, mixture._record.units.box, strict=True):
        np.testing.assert_array_equal(before, after)
    whole = fit(X, 2, estimator=estimator, noise=True, random_state=0)
    assert mixture.noise_weight_ == pytest.approx(whole.noise_weight_, abs=0.08)
    # After a fit: from the statistics that its rows should have.
    noise = whole.noise_weight_
    whole.partial_fit(X)
    assert whole.noise_weight_ == pytest.approx(noise, abs=0.03)


@core
@every_mixture
def test_acceleration_and_going_on(estimator):
    X, labels = noisy_blobs()
    common = {"estimator": estimator, "noise": True, "init_params": np.eye(3)[labels]}
    plain = fit(X, 2, tol=1e-9, max_iter=300, acceleration=None, **common)
    fast = fit(X, 2, tol=1e-9, max_iter=300, acceleration="anderson", **common)
    # Up to degrees of freedom, which plain iterations change slowly.
    assert fast.score(X) >= plain.score(X) - 1e-4
    assert fast.noise_weight_ == pytest.approx(plain.noise_weight_, abs=2e-2)
    before = fast.lower_bound_
    fast.set_params(warm_start=True).fit(X)
    assert fast.lower_bound_ >= before - 1e-9 * abs(before)


def test_variational_noise_stays_last():
    X, _ = noisy_blobs(400, n_noise=120)
    for weight_prior in ("dirichlet_process", "dirichlet_distribution"):
        mixture = fit(
            X,
            6,
            estimator=VariationalGaussianMixture,
            weight_concentration_prior_type=weight_prior,
            noise=True,
            random_state=0,
        )
        assert mixture.effective_n_components_ == 2
        assert mixture.expected_counts_.shape == (6,)
        assert (np.diff(mixture.expected_counts_) <= 1e-9).all()
        terms = mixture.elbo_terms()
        assert sum(terms) == pytest.approx(mixture.lower_bound_)
        pruned = mixture.prune()
        assert pruned.predict_proba(X).shape == (len(X), 3)
        np.testing.assert_array_equal(pruned.predict(X), mixture.predict(X))


def test_orders_keep_noise_last():
    counts = np.array([1.0, 5.0, 3.0, 9.0])
    dirichlet = CategoricalWeights(0.5, noise=True)
    assert dirichlet.order(dirichlet.posterior(counts)).tolist() == [1, 2, 0, 3]
    sticks = StickBreakingWeights(5.0, noise=True)
    assert sticks.order(sticks.posterior(counts)).tolist() == [1, 2, 0, 3]


@core
def test_given_starts_leave_noise_out():
    X, _ = noisy_blobs()
    parameters = {
        "weights_init": [0.5, 0.5],
        "means_init": X[:2],
        "precisions_init": [np.eye(2)] * 2,
    }
    whole = fit(X, 2, noise=True, max_iter=0, **parameters)
    np.testing.assert_allclose(whole.weights_, [0.45, 0.45])
    assert whole.noise_weight_ == pytest.approx(0.1)
    part = fit(X, 2, noise=True, max_iter=0, random_state=0, weights_init=[0.5, 0.5])
    assert part.weights_.sum() + part.noise_weight_ == pytest.approx(1.0)
    assert part.noise_weight_ > 0.05


def test_hard_assignments():
    X, labels = noisy_blobs()
    mixture = fit(X, 2, noise=True, assignment="hard", init_params=np.eye(3)[labels])
    counts = np.bincount(mixture.predict(X) + 1, minlength=3) / len(X)
    np.testing.assert_allclose(mixture.noise_weight_, counts[0])


def test_a_choice_with_noise():
    X = read("noise_data_faithful.csv")[:, :2]
    choice = GaussianMixtureIC((1, 2), covariance_type=["VVV", "EEE"], noise=True)
    choice.fit(X)
    best = choice.best_estimator_
    assert choice.best_params_ == {"covariance_type": "VVV", "n_components": 2}
    assert best.noise_weight_ == pytest.approx(0.2, abs=0.01)
    assert choice.predict(X).min() == -1
    assert choice.transform(X).shape == (len(X), 3)
    assert len(choice.get_feature_names_out()) == 3
    index = choice.best_index_
    assert choice.results_["n_parameters"][index] == best.n_parameters()
    assert choice.results_["bic"][index] == pytest.approx(best.bic(X))


def test_gaps_are_filled_as_if_rows_were_no_noise():
    X, _ = noisy_blobs(200, 3)
    X[:50, 0] = np.nan
    X[0] = np.nan
    for estimator in EVERY:
        mixture = fit(X, 2, estimator=estimator, noise=True, random_state=0)
        for method in ("mean", "mode", "draw"):
            assert np.isfinite(mixture.impute(X, method)).all()
        far = np.array([[np.nan, 1e3, 1e3]])
        assert np.isfinite(mixture.impute(far)).all()
    held_off = mixture.scales(X)
    assert held_off.min() < 0.2 < 0.9 < held_off.max()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"noise": -1.0}, "'noise' parameter of EMGaussianMixture must be a bool or a float"),
        ({"noise": "yes"}, "'noise' parameter of EMGaussianMixture must be a bool or a float"),
        ({"weight_concentration_prior": np.inf}, "has a weight of its own"),
        ({"init_params": np.full((190, 2), 0.5)}, r"should have the shape of \(190, 3\)"),
    ],
)
def test_bad_parameters(change, words):
    X, _ = noisy_blobs()
    with pytest.raises(ValueError, match=words):
        EMGaussianMixture(2, **({"noise": True} | change)).fit(X)


def test_a_box_without_volume_names_the_column():
    X, _ = noisy_blobs()
    flat = np.column_stack([X, np.ones(len(X))])
    with pytest.raises(ValueError, match=r"column\(s\) \[2\] of X are constant, so that the box"):
        EMGaussianMixture(2, noise=True).fit(flat)
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(flat, columns=["a", "b", "flat"])
    with pytest.raises(ValueError, match=r"column\(s\) \['flat'\] of X are constant"):
        EMGaussianMixture(2, noise=5.0).fit(frame)
    with pytest.raises(ValueError, match="needs two rows or more, but got n_samples = 1"):
        EMGaussianMixture(noise=True).fit(X[:1])
    # Columns that depend on each other have a box along the axes.
    both = np.column_stack([X, X.sum(axis=1)])
    assert np.isfinite(fit(both, 2, noise=True, random_state=0).score(both))


def test_what_needs_rows_or_knows_no_noise():
    with pytest.raises(ValueError, match="as dense as a box around rows, which given parameters"):
        EMGaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]], noise=True)
    with pytest.raises(ValueError, match="knows of no noise"):
        bootstrap_standard_errors(noisy_blobs()[0], EMGaussianMixture(2, noise=True))


def test_probabilities_of_noise():
    rng = np.random.default_rng(0)
    X = np.vstack([0.1 * rng.normal(size=(200, 2)), rng.uniform(-5, 5, size=(100, 2))])
    found = noise_probabilities(X)
    assert found[:200].mean() < 0.1
    assert found[200:].mean() > 0.9
    assert noise_probabilities(X[:1]).tolist() == [0.0]
    assert noise_probabilities(np.zeros((5, 2))).tolist() == [0.0] * 5
    assert np.isfinite(noise_probabilities(np.repeat(X[:20], 20, axis=0))).all()
    assert np.isfinite(noise_probabilities(rng.normal(size=(300, 200)))).all()


@core
def test_probabilities_of_noise_of_weighted_rows():
    X, _ = noisy_blobs(80)
    rng = np.random.default_rng(0)
    weight = rng.integers(1, 40, size=len(X)) ** 2  # some rows alone outweigh twelve others
    repeated = noise_probabilities(np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(noise_probabilities(X, weight), repeated[weight.cumsum() - 1])
    # Twelve neighbours' volume, of equal weights: the ratio of the two rates decides.
    np.testing.assert_allclose(
        noise_probabilities(X, np.full(len(X), 0.1)), noise_probabilities(X), rtol=1e-9
    )


@core
def test_at_least_half_of_the_rows_are_clusters_rows():
    rng = np.random.default_rng(0)
    dense, sparse = 1e-3 * rng.normal(size=(30, 2)), rng.uniform(-5, 5, size=(60, 2))
    kept = rows_of_clusters(np.vstack([dense, sparse]), None, 1)
    assert kept[:30].all()
    assert 45 <= kept.sum() < 50
    # Of the weight, that is.
    kept = rows_of_clusters(np.vstack([dense, sparse]), np.repeat([4.0, 1.0], [30, 60]), 1)
    assert kept.tolist() == [True] * 30 + [False] * 60
    assert rows_of_clusters(np.vstack([dense, sparse]), None, 80).sum() == 80
    assert rows_of_clusters(dense[:3], None, 80).all()


@core
@parametrize_with_checks([estimator(noise=True) for estimator in EVERY])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)
