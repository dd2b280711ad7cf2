"""scikit-learn's callbacks, where this scikit-learn has them."""

import numpy as np
import pytest

from skem import VAE
from vae.tables import SMALL, assert_same_bits, curve, fit

callback = pytest.importorskip("sklearn.callback")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def _score(estimator, X, y):
    return {"score": estimator.score(X)}


def test_scores_of_every_epoch():
    X = curve()
    monitor = callback.ScoringMonitor(scoring=_score)
    vae = VAE(random_state=0, **SMALL).set_callbacks(monitor).fit(X)
    log = monitor.get_logs()
    epochs = [row["score"] for row in log.data if len(row["task_id_path"]) == 2]
    assert len(epochs) == vae.n_iter_
    expected = [fit(X, max_epochs=n).score(X) for n in range(1, vae.n_iter_ + 1)]
    np.testing.assert_allclose(epochs, expected, rtol=1e-12)
    assert {row["task_name"] for row in log.data} == {"fit", "epoch"}


def test_a_callback_changes_nothing():
    X = curve()
    monitor = callback.ScoringMonitor(scoring=_score)
    watched = VAE(random_state=0, **SMALL).set_callbacks(monitor).fit(X)
    assert_same_bits(watched, fit(X), X)


def test_progress_bar(capsys):
    pytest.importorskip("rich")
    X = curve()
    vae = VAE(random_state=0, **SMALL).set_callbacks(callback.ProgressBar()).fit(X)
    out = capsys.readouterr().out
    assert "VAE" in out
    assert "100%" in out
    assert_same_bits(vae, fit(X), X)
