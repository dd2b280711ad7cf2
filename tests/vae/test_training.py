"""How training goes: when it ends, what it restores, how it goes on."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.special import gammaln
from sklearn.exceptions import ConvergenceWarning

from skem import VAE, VQVAE, CategoricalVAE, InfoVAE
from skem.vae import _training
from skem.vae._rows import hold_out, make_rows
from skem.vae._training import Best, Watch
from skem.vae._units import measure
from vae.tables import SMALL, assert_same_bits, assert_sound, bits, compiled, curve, fit
from vae.test_linear import log_likelihood, ppca


def messages(X, **parameters):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vae = VAE(**{"random_state": 0, **SMALL, **parameters}).fit(X)
    return vae, " ".join(str(w.message) for w in caught if w.category is ConvergenceWarning)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("activation", ["relu", "silu", "tanh"])
def test_training_lowers_the_loss(activation, solver):
    names = {"activation": activation, "solver": solver}
    vae = fit(bits(100), max_epochs=30, learning_rate_init=5e-3, n_iter_no_change=30, **names)
    assert vae.loss_curve_[-1] < vae.loss_curve_[0] - 0.3
    assert len(vae.loss_curve_) == vae.n_iter_ == 30
    assert vae.n_steps_ == 30 * 7


@pytest.mark.parametrize("activation", ["relu", "silu", "tanh"])
def test_training_goes_below_the_linear_model(activation):
    parameters = {"max_epochs": 150, "learning_rate_init": 5e-3, "n_iter_no_change": 150}
    vae = fit(curve(100), activation=activation, hidden_layer_sizes=(32,), **parameters)
    assert vae.loss_curve_[-1] < vae.loss_curve_[0] - 0.1


def test_the_loss_is_the_negative_elbo_in_the_units_of_X():
    X = 10 * curve(200)
    vae = fit(X, max_epochs=60, hidden_layer_sizes=(20,), learning_rate_init=1e-2)
    elbo, reconstruction, divergence = vae.elbo(X)
    np.testing.assert_allclose(elbo, reconstruction - divergence)
    assert -vae.loss_curve_[-1] == pytest.approx(elbo.mean(), abs=0.5)
    assert divergence.mean() == pytest.approx(vae.kl_per_dimension_.sum(), rel=1e-10)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("sample_weight", [None, "some"])
def test_every_bit_is_the_same_whatever_the_threads(n_jobs, sample_weight, monkeypatch):
    from skem.vae import _gradient

    monkeypatch.setattr(_gradient, "_LEAST_WORK", 1000)
    X = curve(300)
    weights = np.random.default_rng(0).integers(0, 3, 300) if sample_weight else None
    parameters = {"batch_size": 200, "early_stopping": True, "random_state": 3}
    expected = fit(X, n_jobs=1, sample_weight=weights, **parameters)
    assert_same_bits(fit(X, n_jobs=n_jobs, sample_weight=weights, **parameters), expected, X)


@pytest.mark.core
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_pickle_in_mid_training_goes_on_with_the_same_bits(early_stopping):
    X = curve(80)
    vae = fit(X, early_stopping=early_stopping)
    copy = pickle.loads(pickle.dumps(vae))
    for seed in range(3):
        batch = curve(50, seed=seed)
        vae.partial_fit(batch)
        copy = pickle.loads(pickle.dumps(copy)).partial_fit(batch)
    assert_same_bits(copy, vae, X)
    np.testing.assert_array_equal(copy.sample(4), vae.sample(4))


def test_partial_fit_is_an_epoch():
    X = curve(80)
    parts = VAE(random_state=0, **SMALL)
    for _ in range(4):
        parts.partial_fit(X)
    whole = fit(X)
    assert parts.n_iter_ == whole.n_iter_ == 4
    assert_same_bits(parts, whole, X)


def test_fit_forgets_and_warm_start_does_not():
    X = curve(80)
    vae = fit(X)
    first = vae.loss_curve_
    assert fit(X, vae).loss_curve_ == first
    warm = fit(X, vae.set_params(warm_start=True))
    assert warm.loss_curve_[0] < first[0]
    assert warm.n_iter_ == 4


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n_latent": 3}, r"encoder=\(5, 6, 6\) instead of \(5, 6, 4\)"),
        ({"hidden_layer_sizes": (4,)}, r"decoder=\(2, 4, 5\) instead of \(2, 6, 5\)"),
        ({"activation": "tanh"}, "activation='tanh' instead of 'relu'"),
        ({"likelihood": "bernoulli"}, "likelihood='bernoulli' instead of 'gaussian'"),
        ({"noise_variance": "shared"}, "noise='SharedVariance' instead of 'KnownVariance'"),
    ],
)
def test_what_goes_on_keeps_its_shape(change, named):
    X = curve()
    X = (X - X.min()) / (X.max() - X.min())
    vae = fit(X, warm_start=True, noise_variance=0.1).set_params(**change)
    before = vae._trained.state.parameters.copy()
    for method in ("fit", "partial_fit"):
        message = rf"{named}.* can't change them\. Fit a new estimator"
        with pytest.raises(ValueError, match=message):
            getattr(vae, method)(X)
    np.testing.assert_array_equal(vae._trained.state.parameters, before)


def test_what_is_no_shape_may_change():
    vae = fit(curve(), warm_start=True, noise_variance=0.1)
    fit(curve(), vae.set_params(noise_variance=0.2, beta=0.5, n_samples=2, learning_rate_init=0.1))
    assert vae.noise_variance_ == pytest.approx(0.2)


def test_no_improvement_ends_training():
    vae, text = messages(curve(), max_epochs=100, tol=1e6, n_iter_no_change=3)
    assert vae.converged_
    # The first epoch improves on nothing at all.
    assert vae.n_iter_ == 4
    assert "converge" not in text


def test_the_end_of_epochs_is_named():
    vae, text = messages(curve())
    assert not vae.converged_
    assert "did not converge in max_epochs=4 epochs: they are too few to tell" in text
    _, text = messages(bits(), n_iter_no_change=2, tol=0.0, max_epochs=5, learning_rate_init=1e-2)
    assert "in the last n_iter_no_change=2 of them the loss" in text


def test_early_stopping_restores_the_best_weights():
    X = curve(40)
    parameters = {"max_epochs": 60, "learning_rate_init": 0.03, "hidden_layer_sizes": (30,)}
    vae = fit(X, early_stopping=True, validation_fraction=0.5, **parameters)
    losses = vae.validation_loss_curve_
    best = int(np.argmin(losses))
    assert len(losses) == vae.n_iter_
    assert best < len(losses) - 1
    short = {**parameters, "max_epochs": best + 1}
    until = fit(X, early_stopping=True, validation_fraction=0.5, **short)
    np.testing.assert_array_equal(until.transform(X), vae.transform(X))


def test_early_stopping_waits_for_the_warmup():
    X = curve(80)
    parameters = {"early_stopping": True, "tol": 1e6, "n_iter_no_change": 2, "max_epochs": 50}
    assert fit(X, **parameters).n_iter_ == 3
    warm = fit(X, kl_warmup_steps=5 * 10, **parameters)
    assert warm.n_iter_ == 10 + 2
    # The best weights are those of an epoch with the whole divergence.
    assert np.argmin(warm.validation_loss_curve_[9:]) + 9 < 12


def test_an_epoch_in_which_the_warmup_ends_counts_for_nothing():
    # With a large divergence its loss is lower than any later one.
    X = curve(160)
    parameters = {"beta": 50.0, "learning_rate_init": 1e-6, "max_epochs": 50}
    n_epochs = 6  # of ten steps
    vae = fit(X, kl_warmup_steps=10 * n_epochs, tol=0.0, n_iter_no_change=1, **parameters)
    losses = vae.loss_curve_
    assert losses[n_epochs - 1] < min(losses[n_epochs:])
    # One epoch without a fall ends it.
    assert np.argmin(losses[n_epochs:]) == len(losses) - n_epochs - 2
    assert vae.n_iter_ < 50


def _epochs(losses, **parameters):
    watch = Watch(**parameters)
    for number, loss in enumerate(losses, 1):
        if watch.settles(loss):
            return number
    return None


def test_a_lucky_loss_does_not_end_training():
    # A steady fall by 10 tol an epoch under noise, with one very low value on the way.
    rng = np.random.default_rng(0)
    losses = 5 - 1e-3 * np.arange(300) + 0.02 * rng.normal(size=300)
    losses[100] -= 0.5
    assert _epochs(losses, tol=1e-4, patience=100) is None
    assert _epochs(np.r_[losses, np.full(200, 4.7)], tol=1e-4, patience=100) > 390


@pytest.mark.parametrize(("fall", "ends"), [(2e-4, False), (5e-5, True)])
def test_tol_is_a_fall_per_epoch(fall, ends):
    number = _epochs(5 - fall * np.arange(1000), tol=1e-4, patience=20)
    assert number == (21 if ends else None)


def test_a_loss_that_rose_and_falls_again_has_not_converged():
    # It is above its first value for longer than the patience.
    losses = np.r_[np.linspace(4, 3, 20), np.linspace(3, 5, 20), 5 - 1e-2 * np.arange(150)]
    assert _epochs(losses, tol=1e-4, patience=50) is None
    end = _epochs(np.r_[losses, np.full(100, 3.5)], tol=1e-4, patience=50)
    assert len(losses) <= end <= len(losses) + 50


def test_a_leap_of_the_loss_is_no_fall():
    losses = np.full(100, 4.0)
    losses[45] += 5  # in the earlier half of the epochs that are looked at
    assert _epochs(losses, tol=1e-4, patience=50) == 51


@pytest.mark.parametrize(
    "model",
    [VAE(), InfoVAE(), CategoricalVAE(), VQVAE(2, codebook_update="gradient")],
    ids=lambda model: type(model).__name__,
)
def test_a_held_out_loss_is_a_function_of_the_weights(model):
    # Whoever stands still sees the same loss in every epoch: it has no chance of its own.
    model.set_params(learning_rate_init=1e-12, early_stopping=True, max_epochs=4, random_state=0)
    model.set_params(noise_variance=0.1)  # a learned one moves at its own pace
    losses = fit(curve(80), model).validation_loss_curve_
    np.testing.assert_allclose(losses, losses[0], rtol=1e-7)


@pytest.mark.core
@pytest.mark.parametrize("warmup", [0, 40])
def test_the_best_weights_are_averages_over_epochs(warmup, monkeypatch):
    seen, look = [], Best.look

    def spy(best, state):
        seen.append(state.parameters.copy())
        return look(best, state)

    monkeypatch.setattr(Best, "look", spy)
    monkeypatch.setattr(_training, "_SLOW", 1)
    X = curve(80)
    vae = fit(X, early_stopping=True, max_epochs=20, kl_warmup_steps=warmup)
    losses = vae.validation_loss_curve_
    n_steps = vae.n_steps_ // vae.n_iter_
    # `seen` begins with the start; averages begin where the whole divergence is in the loss.
    first = -(-warmup // n_steps)
    best = max(first, 1) + int(np.argmin(losses[max(first, 1) - 1 :]))
    # With a share r = 1 / (eta + 1) all along, epoch i counts i (i + 1) ... (i + eta - 1) times.
    eta, i = 9, np.arange(1, best - first + 2)
    shares = np.exp(gammaln(i + eta) - gammaln(i))
    expected = shares / shares.sum() @ np.array(seen[first : best + 1])
    np.testing.assert_allclose(vae._trained.state.parameters, expected, rtol=1e-9, atol=1e-12)
    assert np.abs(seen[best] - expected).max() > 1e-4


def test_equal_rows_are_held_out_together():
    X = np.random.default_rng(0).normal(size=(50, 3))
    times = np.random.default_rng(1).integers(1, 5, size=50)
    units = measure(X, None, one_scale=True)
    weighted = make_rows(X, times.astype(float), units, X.dtype, 3)
    repeated = make_rows(X.repeat(times, axis=0), None, units, X.dtype, 3)
    for a, b in zip(hold_out(weighted, 0.2), hold_out(repeated, 0.2), strict=True):
        assert set(a.keys) == set(b.keys)
        assert a.total_weight == pytest.approx(b.total_weight) == len(b)
    held = hold_out(repeated, 0.2)[1]
    assert 0.2 <= len(held) / len(repeated) < 0.2 + 4 / len(repeated)


def test_the_start_counts_where_training_only_harms():
    X = np.random.default_rng(0).normal(size=(40, 6))
    fast = {"learning_rate_init": 0.1, "early_stopping": True, "random_state": 0}
    vae = fit(X, VAE(max_epochs=30, **fast))
    still = fit(X, VAE(max_epochs=1, **{**fast, "learning_rate_init": 1e-12}))
    assert min(vae.validation_loss_curve_) > still.validation_loss_curve_[0]
    np.testing.assert_allclose(vae.transform(X), still.transform(X), atol=1e-9)


@pytest.mark.skipif(not compiled, reason="thousands of steps")
@pytest.mark.parametrize(("n_rows", "stays"), [(60, True), (300, False)])
def test_few_rows_can_not_tell_and_many_can(n_rows, stays):
    X = curve(n_rows, 3)
    vae = fit(X, VAE(1, random_state=0, hidden_layer_sizes=(32,), learning_rate_init=0.01))
    linear = log_likelihood(X, *ppca(X, 1), X.mean(axis=0))
    if stays:
        np.testing.assert_allclose(vae.score_samples(X), linear, rtol=1e-6)
    else:
        assert vae.score(X) > linear.mean() + 0.2
    # Who asks for early stopping gets the best epoch.
    vae.set_params(early_stopping=True, max_epochs=100)
    assert np.abs(fit(X, vae).score_samples(X) - linear).max() > 0.01


def test_auto_fits_the_size_of_the_table():
    vae = fit(curve(40), VAE(random_state=0, tol=1e6))
    assert (vae.converged_, vae.n_iter_) == (True, 501)
    assert len(vae.validation_loss_curve_) == 501
    # Whoever says how long to train gets that, on all rows.
    vae = fit(curve(40), VAE(random_state=0, max_epochs=3))
    assert vae.validation_loss_curve_ is None
    assert vae.n_steps_ == 3
    assert fit(curve(4), VAE(random_state=0, tol=1e6)).validation_loss_curve_ is None


def test_a_small_table_gets_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vae = VAE(hidden_layer_sizes=(8,), random_state=0).fit(
            np.random.default_rng(0).normal(size=(30, 3)) + curve(30, 3)
        )
    assert vae.converged_


def test_warmup_weighs_the_divergence_less():
    X = curve(100)
    plain = fit(X, max_epochs=1)
    warm = fit(X, max_epochs=1, kl_warmup_steps=10**6)
    free = fit(X, max_epochs=1, beta=0.0)
    assert warm.loss_curve_[0] < plain.loss_curve_[0]
    assert warm.loss_curve_[0] == pytest.approx(free.loss_curve_[0], rel=1e-4)


def test_an_unfinished_warmup_is_named():
    _, text = messages(curve(), kl_warmup_steps=10**6)
    assert "kl_warmup_steps=1000000" in text
    assert "Increase max_epochs or decrease kl_warmup_steps" in text


def test_a_collapse_is_named():
    vae, text = messages(curve(), beta=1e4, learning_rate_init=0.03, max_epochs=60)
    assert vae.n_active_units_ == 0
    assert vae.kl_per_dimension_.max() < 0.01
    assert "The posterior has collapsed" in text
    assert "beta" in text


def test_rows_that_are_all_alike_are_no_collapse():
    _, text = messages(curve(1))
    assert "collapsed" not in text
    vae = fit(curve())
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        vae.partial_fit(curve(1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergence_ends_with_finite_weights(dtype):
    X = curve(100, dtype=dtype)
    vae, text = messages(X, solver="sgd", learning_rate_init=1e8, max_epochs=30)
    assert "Training diverged in epoch" in text
    assert "learning_rate_init=1e+08" in text
    assert vae.n_iter_ < 30
    assert_sound(vae, X)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        vae.partial_fit(X)
    assert_sound(vae, X)


def test_a_gradient_too_large_for_its_square_is_a_divergence():
    X = curve(dtype=np.float32)
    vae = fit(X, noise_variance=1e-6)
    before = vae._trained.state.parameters.copy()
    with pytest.warns(ConvergenceWarning, match="diverged"):
        vae.partial_fit(np.full((5, 5), 1e30, np.float32))
    np.testing.assert_array_equal(vae._trained.state.parameters, before)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        vae.partial_fit(X)
    assert (vae._trained.state.parameters != before).mean() > 0.9


def test_free_bits_keep_the_code_in_use():
    X = curve(200)
    strong = {"beta": 20.0, "max_epochs": 60, "learning_rate_init": 0.02}
    assert fit(X, **strong).kl_per_dimension_.sum() < 0.1
    assert fit(X, free_bits=0.5, **strong).kl_per_dimension_.min() > 0.3


def test_the_penalty_makes_weights_smaller():
    X = curve(100)
    sizes = []
    for alpha in (0.0, 1e3):
        parameters = fit(X, alpha=alpha, max_epochs=40)._trained.state.parameters
        sizes.append(np.square(parameters).sum())
    assert sizes[1] < 0.5 * sizes[0]


def test_weights_are_repeated_rows_with_batches_of_all():
    X = bits(40)
    times = np.random.default_rng(0).integers(0, 4, 40)
    weighted = fit(X, sample_weight=times, batch_size=10**6, max_epochs=30)
    repeated = fit(X.repeat(times, axis=0), batch_size=10**6, max_epochs=30)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(weighted.kl_per_dimension_, repeated.kl_per_dimension_, rtol=1e-7)


def test_verbose_prints_epochs(capsys):
    fit(curve(), verbose=True, early_stopping=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("Epoch 2, loss = ")
    assert "validation loss = " in lines[1]


@pytest.mark.core
def test_warnings_point_at_the_callers_line():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        VAE(**{**SMALL, "max_epochs": 1, "random_state": 0}).fit(curve(60))
    assert {warning.filename for warning in caught} == {__file__}
