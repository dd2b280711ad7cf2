"""Simulated mixtures on which a fit is neither trivial nor hopeless, one for each seed."""

from typing import NamedTuple

import numpy as np
from scipy.stats import wishart

SEEDS = range(60)
ROWS = 3000
COMPONENTS, FEATURES = (3, 12), (2, 8)  # both ends are possible
SPREAD = (0.8, 3.0)  # of the means, in standard deviations of a component


class Simulated(NamedTuple):
    """Rows of a mixture, and what they were drawn from."""

    X: np.ndarray  # (ROWS, D)
    K: int
    spread: float
    weights: np.ndarray  # (K,)
    means: np.ndarray  # (K, D)
    covariances: np.ndarray  # (K, D, D)


def simulate(seed):
    """Draw a mixture, and rows of it.

    Means are normal times a spread between 0.8 and 3, weights Dirichlet(3), covariances
    Wishart with D + 3 degrees of freedom, whose mean is the identity.
    """
    rng = np.random.default_rng(seed)
    K = int(rng.integers(COMPONENTS[0], COMPONENTS[1] + 1))
    D = int(rng.integers(FEATURES[0], FEATURES[1] + 1))
    spread = float(rng.uniform(*SPREAD))
    weights = rng.dirichlet(np.full(K, 3.0))
    means = spread * rng.standard_normal((K, D))
    freedom = D + 3
    covariances = wishart(freedom, np.eye(D) / freedom).rvs(size=K, random_state=rng)
    labels = rng.choice(K, size=ROWS, p=weights)
    noise = rng.standard_normal((ROWS, D))
    roots = np.linalg.cholesky(covariances)
    X = means[labels] + np.einsum("nij,nj->ni", roots[labels], noise)
    return Simulated(X, K, spread, weights, means, covariances)
