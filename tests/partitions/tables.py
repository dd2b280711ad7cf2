"""Tables for the tests of Dask collections, and the same in partitions of uneven lengths."""

import numpy as np

# Many rows, one, none, and what is left.
CUTS = [0, 230, 231, 231, 500, 700]
N, D, K = CUTS[-1], 3, 3


def table():
    rng = np.random.default_rng(0)
    centres = 4.0 * rng.standard_normal((K, D))
    return centres[rng.integers(K, size=N)] + rng.standard_normal((N, D))


def with_gaps():
    """Cells are missing in the last partition only."""
    X = table()
    X[CUTS[-2] :][np.random.default_rng(1).uniform(size=(N - CUTS[-2], D)) < 0.2] = np.nan
    return X


def weights():
    """Some are zero, and all of those of the second last partition."""
    w = np.random.default_rng(2).uniform(0.5, 2.0, N)
    w[::7] = 0.0
    w[CUTS[-3] : CUTS[-2]] = 0.0
    return w


def cut(values):
    import dask.array as da

    lengths = tuple(np.diff(CUTS).tolist())
    return da.from_array(values, chunks=(lengths, *values.shape[1:]))


def parameters(mixture):
    """Everything that a fit found, as bytes."""
    names = ("weights_", "means_", "covariances_", "lower_bounds_", "n_iter_")
    return [np.asarray(getattr(mixture, name)).tobytes() for name in names]


def flat(entries):
    """All numbers of `parameters_` or the like."""
    return [
        np.asarray(part, dtype=np.float64)
        for entry in entries
        for name, value in entry.items()
        if name not in ("kind", "columns", "categories")
        for part in (value if isinstance(value, list) else [value])
    ]
