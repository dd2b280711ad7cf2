"""Tables that the tests of the command share."""

import numpy as np
import pandas as pd

ADDED = ["cluster", "probability", "log_density"]


def blobs(n=60, seed=0):
    """Two well separated clusters in units that differ by a factor of 1000."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 2)) + np.where(np.arange(n) % 3, 0.0, 8.0)[:, None]
    return pd.DataFrame({"x": Z[:, 0], "y": 1000.0 * Z[:, 1] - 7.0})
