"""The InfoVAE's discrepancy, its gradient, and what it is for."""

import numpy as np
import pytest

from skem import VAE, InfoVAE
from skem.vae._info import MMD_KERNELS, InfoLatent
from skem.vae._likelihoods import SharedVariance
from vae.tables import compiled, digits, fit
from vae.test_objective import assert_gradient, make_batch, make_model

every_kernel = pytest.mark.parametrize("kernel", MMD_KERNELS)


@every_kernel
@pytest.mark.parametrize("n_samples", [1, 2])
def test_objective_gradient(kernel, n_samples):
    latent = InfoLatent(2, n_samples, 0.0, 5.0, kernel, 1.2)
    assert_gradient(make_model(SharedVariance(), latent), make_batch(), beta=0.3)


@every_kernel
def test_held_out_rows_are_watched_without_chance(kernel):
    batch, h = make_batch(), 1.2
    n = len(batch.keys)
    head = np.random.default_rng(0).normal(size=(n, 4))
    latent = InfoLatent(2, 1, 0.0, 1.0, kernel, h).sampling(3)
    batch = batch._replace(weights=np.random.default_rng(1).uniform(0.5, 2, size=n))

    def discrepancy(latent, step):
        some = batch._replace(step=np.array([step], np.uint64))
        space = latent.space(n, head.dtype)
        return latent.forward(np.empty(0), head, some, 0.0, space) / batch.weights.sum()

    value = discrepancy(latent, 0)
    assert discrepancy(latent, 7) == value
    # It is the expectation of what training lowers.
    one = InfoLatent(2, 1, 0.0, 1.0, kernel, h)
    estimates = [discrepancy(one, step) for step in range(4000)]
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - value) < 4 * error
    assert error < 0.1 * abs(value)


def test_without_its_discrepancy_it_is_a_vae():
    X = digits()[:100]
    info = fit(X, InfoVAE(mmd_weight=0.0, beta=1.0, max_epochs=3, random_state=0))
    plain = fit(X, VAE(max_epochs=3, random_state=0))
    np.testing.assert_array_equal(info.transform(X), plain.transform(X))


@pytest.mark.parametrize("kernel", MMD_KERNELS)
@pytest.mark.filterwarnings("ignore:Training did not converge")
@pytest.mark.skipif(not compiled, reason="hundreds of steps on large batches")
def test_it_keeps_units_active_where_the_vae_collapses(kernel):
    X = digits()
    strong = {"n_latent": 5, "noise_variance": 1.0, "max_epochs": 40, "random_state": 0}
    with pytest.warns(UserWarning, match="The posterior has collapsed"):
        plain = VAE(**strong).fit(X)
    assert plain.n_active_units_ == 0
    info = fit(X, InfoVAE(kernel=kernel, **strong))
    assert info.n_active_units_ > plain.n_active_units_
    # The codes of all rows together are nearer to the prior.
    assert info.transform(X).var(axis=0).mean() > 5 * plain.transform(X).var(axis=0).mean()


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_scale_of_weights_changes_nothing(factor):
    X = digits()[:100]
    weights = np.random.default_rng(0).integers(1, 4, 100)
    fits = [
        fit(X, InfoVAE(max_epochs=3, random_state=0), sample_weight=scale * weights)
        for scale in (1.0, factor)
    ]
    np.testing.assert_allclose(fits[1].transform(X), fits[0].transform(X), rtol=1e-6, atol=1e-9)


def test_held_out_rows_have_the_discrepancy_in_their_loss():
    X = digits()[:60]
    parameters = {"beta": 0.0, "max_epochs": 1, "early_stopping": True, "validation_fraction": 0.5}
    losses = []
    for weight in (0.0, 1e4, 2e4):
        info = InfoVAE(mmd_weight=weight, alpha=0.0, random_state=0, **parameters)
        info.set_params(learning_rate_init=1e-12)  # all stay at the same weights
        losses.append(fit(X, info).validation_loss_curve_[0])
    assert abs(losses[1] - losses[0]) > 1
    assert losses[2] - losses[0] == pytest.approx(2 * (losses[1] - losses[0]), rel=1e-6)
