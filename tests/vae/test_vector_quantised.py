"""A choice from a codebook as the code."""

import pickle

import numpy as np
import pytest
from oracles.differences import finite_differences, relative_error
from scipy import stats
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from skem import VQVAE
from skem.engine import Threads
from skem.vae._gradient import Steps
from skem.vae._latents import Batch
from skem.vae._likelihoods import KnownVariance
from skem.vae._model import Model
from skem.vae._networks import Network
from skem.vae._optimisers import Momentum
from skem.vae._quantised_latent import QuantisedLatent
from skem.vae._rows import make_rows
from skem.vae._training import Schedule, State, renew_latent, run_epoch
from skem.vae._units import Units
from vae.tables import bits, curve, fit

K, M, D = 5, 2, 3
SMALL = {"hidden_layer_sizes": (6,), "max_epochs": 4, "random_state": 0}
every_update = pytest.mark.parametrize("codebook_update", ["ema", "gradient"])


def _case(ema, n=6):
    rng = np.random.default_rng(0)
    latent = QuantisedLatent(K, M, D, 0.25, ema)
    own = np.zeros(latent.n_parameters)
    latent.codebook(own)[:] = rng.normal(size=(K, D))
    keys, step = np.arange(n).astype(np.uint64), np.ones(1, np.uint64)
    batch = Batch(np.empty((n, 1)), keys, rng.uniform(0.1, 1, size=n), step)
    return latent, own, rng.normal(size=(n, M * D)), batch


def _nearest(own, head):
    codes = own[: K * D].reshape(K, D)
    return np.square(head.reshape(-1, 1, D) - codes).sum(axis=2).argmin(axis=1)


def test_the_nearest_codes_are_chosen():
    latent, own, head, batch = _case(ema=False)
    space = latent.space(len(head), np.float64)
    cost = latent.forward(own, head, batch, 1.0, space)
    chosen = _nearest(own, head)
    np.testing.assert_array_equal(space.chosen, chosen)
    np.testing.assert_array_equal(space.z, latent.codebook(own)[chosen].reshape(head.shape))
    squares = np.square(head - space.z).sum(axis=1)
    assert cost == pytest.approx(1.25 * batch.weights @ squares)


def test_gradients():
    # The encoder lowers commitment_cost times the squared distance, the codebook lowers it once;
    # the decoder's gradient goes straight through.
    latent, own, head, batch = _case(ema=False)

    def distance(own, head):
        z = own[: K * D].reshape(K, D)[_nearest(own, head)].reshape(head.shape)
        return batch.weights @ np.square(head - z).sum(axis=1)

    space = latent.space(len(head), np.float64)
    latent.forward(own, head, batch, 1.0, space)
    space.z_gradient[:] = pull = np.random.default_rng(1).normal(size=head.shape)
    gradient = np.full_like(own, np.nan)
    at_head = latent.backward(own, gradient, head, batch, 1.0, np.empty(0), space)
    expected = pull + 0.25 * finite_differences(lambda head: distance(own, head), head)
    assert relative_error(at_head, expected) < 1e-8
    expected = finite_differences(lambda own: distance(own, head), own)
    assert relative_error(gradient, expected) < 1e-8


def test_moving_averages():
    latent, own, head, batch = _case(ema=True)
    counts, sums = latent._averages(own)
    counts[:], sums[:] = 0.5, 0.5 * latent.codebook(own)
    before = own.copy()
    space, gradient = latent.space(len(head), np.float64), np.full_like(own, np.nan)
    latent.forward(own, head, batch, 1.0, space)
    space.z_gradient[:] = 0.0
    latent.backward(own, gradient, head, batch, 1.0, np.empty(0), space)
    latent.absorb(own, gradient)
    chosen, vectors = _nearest(before, head), head.reshape(-1, D)
    weights = np.repeat(batch.weights, M)
    for k in range(K):
        mine = chosen == k
        count = 0.99 * 0.5 + 0.01 * weights[mine].sum()
        total = 0.99 * 0.5 * latent.codebook(before)[k] + 0.01 * weights[mine] @ vectors[mine]
        np.testing.assert_allclose(latent.codebook(own)[k], total / count, rtol=1e-12)


@every_update
def test_identity_networks_are_k_means(codebook_update):
    X, _ = make_blobs(600, centers=K, n_features=D, random_state=3)
    latent = QuantisedLatent(K, 1, D, 0.25, codebook_update == "ema")
    networks = Network((D, D), "identity"), Network((D, D), "identity")
    model = Model(*networks, KnownVariance(np.zeros(1)), latent, D, np.dtype(float))
    parameters = np.zeros(sum(model.sizes))
    for network, own in zip(networks, model.split(parameters)[:2], strict=True):
        next(network.layers(own))[0][:] = np.eye(D)
    units = Units(np.zeros(D), np.ones(D), np.zeros(D, dtype=bool))
    state = State(parameters, np.zeros((1, parameters.size)), 0)
    rows = make_rows(X, None, units, model.dtype, 0)
    renew_latent(model, state, rows)
    own = model.split(parameters)[3]
    latent.codebook(own)[:] += np.random.default_rng(0).normal(size=(K, D))
    if latent.ema:
        counts, sums = latent._averages(own)
        sums[:] = counts[:, None] * latent.codebook(own)

    class OnlyCodes(Momentum):
        """Leaves the networks as they are."""

        def update(self, parameters, gradient, moments, step):
            if np.shares_memory(parameters, own):
                super().update(parameters, gradient, moments, step)

    with Threads(1) as threads:
        steps = Steps(model, rows, OnlyCodes(0.02), threads, 100)
        for _ in range(60):
            run_epoch(steps, state, Schedule(60, 0.0, 60, 1.0, 0))
    np.testing.assert_array_equal(next(networks[0].layers(parameters))[0], np.eye(D))
    inertia = np.square(X - latent.code(own, X)).sum()
    assert inertia == pytest.approx(KMeans(K, n_init=10, random_state=0).fit(X).inertia_, rel=0.01)


def test_codes_out_of_use_start_again_far_from_others():
    latent, own, head, _ = _case(ema=True, n=50)
    latent.codebook(own)[1:] = 1e3
    rng = np.random.RandomState(0)
    latent.renew(own, head, np.ones(50), rng)
    assert len(np.unique(latent.choose(own, head))) == K
    counts, sums = latent._averages(own)
    np.testing.assert_allclose(sums[1:], counts[1:, None] * latent.codebook(own)[1:])
    # Where every row has its code, nothing starts again.
    before = own.copy()
    latent.renew(own, latent.code(own, head), np.ones(50), rng)
    np.testing.assert_array_equal(own, before)


@every_update
@pytest.mark.parametrize("table", [curve, bits])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_methods(codebook_update, table, dtype):
    X = table().astype(dtype)
    vae = fit(X, VQVAE(6, n_latent_codes=2, codebook_update=codebook_update, **SMALL))
    codes, vectors = vae.encode(X), vae.transform(X)
    assert codes.shape == (60, 2)
    assert vectors.dtype == vae.codebook_.dtype == vae.reconstruct(X).dtype == dtype
    np.testing.assert_array_equal(vae.codebook_[codes].reshape(60, -1), vectors)
    np.testing.assert_array_equal(vae.inverse_transform(vectors), vae.reconstruct(X))
    usage = np.bincount(codes.ravel(), minlength=6) / codes.size
    np.testing.assert_allclose(vae.code_frequencies_, usage)
    used = usage[usage > 0]
    assert vae.perplexity_ == pytest.approx(np.exp(-(used * np.log(used)).sum()))
    assert np.isfinite(vae.loss_curve_).all()
    assert np.isfinite(vae.score(X))


@every_update
def test_training_improves_reconstructions(codebook_update):
    X = curve(150)
    parameters = {**SMALL, "hidden_layer_sizes": (16,), "learning_rate_init": 5e-3}
    errors = []
    for max_epochs in (1, 100):
        vae = VQVAE(16, codebook_update=codebook_update, **{**parameters, "max_epochs": max_epochs})
        errors.append(np.square(fit(X, vae).reconstruct(X) - X).mean())
    assert errors[1] < 0.5 * errors[0]
    assert vae.perplexity_ > 4


@every_update
def test_a_pickle_in_mid_training_goes_on_with_the_same_bits(codebook_update):
    X = curve(80)
    vae = fit(X, VQVAE(6, codebook_update=codebook_update, **SMALL))
    copy = pickle.loads(pickle.dumps(vae))
    for one in (vae, copy):
        one.partial_fit(X).partial_fit(X)
    np.testing.assert_array_equal(copy.codebook_, vae.codebook_)
    np.testing.assert_array_equal(copy.reconstruct(X), vae.reconstruct(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_more_codes_than_rows():
    vae = VQVAE(64, **SMALL).fit(curve(5))
    # Each row has a code of its own from the start.
    assert len(np.unique(vae.encode(curve(5)))) == 5
    assert np.isfinite(vae.codebook_).all()
    assert np.isfinite(vae.reconstruct(curve(9))).all()


def test_the_score_is_that_of_rows_given_their_codes():
    X = curve()
    vae = fit(X, VQVAE(6, **SMALL))
    squares = np.square(vae.reconstruct(X) - X).sum(axis=1)
    noise = vae.noise_variance_
    expected = -0.5 * (squares / noise + 5 * np.log(2 * np.pi * noise))
    assert vae.score(X) == pytest.approx(expected.mean(), rel=1e-9)
    weights = np.arange(60.0)
    expected = np.average(expected, weights=weights)
    assert vae.score(X, sample_weight=weights) == pytest.approx(expected)


@pytest.fixture(scope="module", params=[1, 2])
def several(request):
    X = np.r_[curve(40), curve(20) + 3]
    parameters = {**SMALL, "max_epochs": 60, "learning_rate_init": 0.01}
    return fit(X, VQVAE(6, n_latent_codes=request.param, **parameters)), X


def test_combinations_are_those_of_the_rows(several):
    vae, X = several
    counts = {}
    for row in vae.encode(X):
        counts[tuple(row)] = counts.get(tuple(row), 0) + 1
    found = dict(zip(map(tuple, vae.combinations_), vae.combination_frequencies_, strict=True))
    assert found == pytest.approx({row: count / 60 for row, count in counts.items()})


def test_score_samples_is_a_mixture_over_the_combinations(several):
    vae, X = several
    means = vae.inverse_transform(
        vae.codebook_[vae.combinations_].reshape(len(vae.combinations_), -1)
    )
    densities = [
        share * stats.multivariate_normal(mean, vae.noise_variance_).pdf(X)
        for share, mean in zip(vae.combination_frequencies_, means, strict=True)
    ]
    np.testing.assert_allclose(vae.score_samples(X), np.log(np.sum(densities, axis=0)), rtol=1e-8)
    # It pays for the choice, and the best code is one of the mixture.
    assert vae.score_samples(X).mean() < vae.score(X) + 1e-12
    assert vae.score_samples(X.astype(np.float32)).dtype == np.float32


def test_weights_count_in_the_combinations():
    X, times = curve(40), np.random.default_rng(0).integers(0, 4, 40)
    vae = VQVAE(5, batch_size=10**6, **SMALL)
    weighted = fit(X, clone(vae), sample_weight=times)
    repeated = fit(X.repeat(times, axis=0), clone(vae))
    np.testing.assert_array_equal(weighted.combinations_, repeated.combinations_)
    np.testing.assert_allclose(weighted.combination_frequencies_, repeated.combination_frequencies_)


def test_samples_have_the_frequencies_and_means_of_their_codes(several):
    vae, X = several
    rows, codes = vae.sample(6000, random_state=0)
    assert rows.shape == (6000, 5)
    for combination, share in zip(vae.combinations_, vae.combination_frequencies_, strict=True):
        mine = (codes == combination).all(axis=1)
        assert mine.mean() == pytest.approx(share, abs=0.03)
    np.testing.assert_allclose(rows.mean(axis=0), vae.reconstruct(X).mean(axis=0), atol=0.1)
    one = vae.combinations_[0]
    rows, codes = vae.sample(3000, code=one, random_state=1)
    assert (codes == one).all()
    mean = vae.inverse_transform(vae.codebook_[one].reshape(1, -1))[0]
    np.testing.assert_allclose(
        rows.mean(axis=0), mean, atol=5 * (vae.noise_variance_ / 3000) ** 0.5
    )
    np.testing.assert_allclose(rows.var(axis=0), vae.noise_variance_, rtol=0.15)


def test_a_code_that_is_none():
    vae = fit(curve(), VQVAE(6, **SMALL))
    assert (vae.sample(3, code=2)[1] == 2).all()
    for code in (-1, 6, 1.5, "a", (1, 2)):
        with pytest.raises(ValueError, match=r"code must be an int in the range \[0, 5\], got"):
            vae.sample(code=code)
    vae = fit(curve(), VQVAE(6, n_latent_codes=2, **SMALL))
    with pytest.raises(ValueError, match=r"code must be a sequence of 2 ints in the range"):
        vae.sample(code=1)
    with pytest.raises(ValueError, match="Invalid value for 'n_samples': 0"):
        vae.sample(0)
