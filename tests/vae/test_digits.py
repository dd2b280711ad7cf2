"""Held-out binary digits: as well as the same model does in PyTorch."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skem import VAE
from vae.tables import compiled, fit


@pytest.mark.skipif(not compiled, reason="ten thousand steps")
def test_bounds_of_held_out_digits():
    # Eager PyTorch with the same widths, optimiser and epochs ends at -18.74 and -17.74.
    X = (load_digits().data > 7.5).astype(np.float32)
    train, test = train_test_split(X, test_size=0.2, random_state=0)
    parameters = {"hidden_layer_sizes": (128,), "max_epochs": 300, "n_iter_no_change": 300}
    bounds = []
    for seed in range(3):
        vae = fit(train, VAE(8, n_importance_samples=500, random_state=seed, **parameters))
        bounds.append((vae.elbo(test).elbo.mean(), vae.score(test)))
    elbo, importance_weighted = np.mean(bounds, axis=0)
    assert elbo > -18.85
    assert importance_weighted > -17.85
