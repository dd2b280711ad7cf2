"""Kinds of columns with parameters, and their densities by SciPy."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from skem.families import kinds

N_COMPONENTS, N_COLUMNS = 3, 2


class Case(NamedTuple):
    """Two columns of three components."""

    kind: Any
    parameters: Any
    log_density: Callable[[Any, Any], Any]  # of (n, 1, d) values under parameters
    terms: Callable[[Any, Any], Any]  # the largest term that it is a sum of


def categories(values, parameters):
    """Of two columns of 3 and 2 categories."""
    p = parameters.probabilities
    result = np.full((len(values), len(p), 2), np.nan)
    for j, probabilities in enumerate((p[:, :3], p[:, 3:])):
        for i, value in enumerate(values[:, 0, j]):
            if not np.isnan(value):
                result[i, :, j] = np.log(probabilities[:, int(value)])
    return result


def negative_binomials(values, parameters):
    """A size of infinity is a Poisson distribution."""
    means, sizes = parameters
    finite = np.where(np.isinf(sizes), 1.0, sizes)
    density = stats.nbinom(finite, finite / (finite + means)).logpmf(values)
    return np.where(np.isinf(sizes), stats.poisson(means).logpmf(values), density)


CASES = {
    "bernoulli": Case(
        kinds.Bernoulli(2),
        kinds.BernoulliParameters(np.array([[0.2, 0.9], [0.55, 1e-9], [0.999, 0.4]])),
        lambda x, p: stats.bernoulli(p.probabilities).logpmf(x),
        lambda x, p: -np.log(p.probabilities) - np.log1p(-p.probabilities),
    ),
    "categorical": Case(
        kinds.Categorical(n_categories=(3, 2)),
        kinds.CategoricalParameters(
            np.array(
                [[0.2, 0.5, 0.3, 0.9, 0.1], [0.1, 0.1, 0.8, 0.6, 0.4], [0.6, 0.3, 0.1, 0.3, 0.7]]
            )
        ),
        categories,
        lambda x, p: 1.0,
    ),
    "poisson": Case(
        kinds.Poisson(2),
        kinds.PoissonParameters(np.array([[1.0, 8.0], [6.0, 0.5], [12.0, 1e-9]])),
        lambda x, p: stats.poisson(p.rates).logpmf(x),
        lambda x, p: np.abs(x * np.log(p.rates)) + p.rates,
    ),
    "negative_binomial": Case(
        kinds.NegativeBinomial(2),
        kinds.NegativeBinomialParameters(
            # SciPy's own parameter has no more digits for sizes much larger than means.
            np.array([[1.0, 8.0], [6.0, 0.5], [1e9, 1e-3]]),
            np.array([[0.1, 1e4], [3.0, np.inf], [5.0, 0.3]]),
        ),
        negative_binomials,
        lambda x, p: (x + np.minimum(p.sizes, 1e8)) * (np.abs(np.log(x + 1e-9)) + 20) + p.means,
    ),
    "geometric": Case(
        kinds.Geometric(2),
        kinds.GeometricParameters(np.array([[0.1, 0.7], [0.5, 1e-9], [0.9999, 0.3]])),
        lambda x, p: stats.geom(p.probabilities, loc=-1).logpmf(x),
        lambda x, p: -(x + 1) * np.log1p(-p.probabilities) - np.log(p.probabilities),
    ),
    "gamma": Case(
        kinds.Gamma(2),
        kinds.GammaParameters(
            np.array([[2.0, 0.3], [1e5, 1.0], [7.0, 1e-3]]),
            np.array([[1.0, 1e-9], [0.2, 30.0], [5e7, 1.0]]),
        ),
        lambda x, p: stats.gamma(p.shapes, scale=1 / p.rates).logpdf(x),
        lambda x, p: x * p.rates + np.abs(p.shapes) * (1 + np.abs(np.log(x * p.rates))),
    ),
    "lognormal": Case(
        kinds.Lognormal(2),
        kinds.LognormalParameters(
            np.array([[2.0, -0.3], [-9.0, 1.0], [7.0, 0.0]]),
            np.array([[1.0, 1e-3], [0.2, 30.0], [5.0, 1.0]]),
        ),
        lambda x, p: stats.lognorm(np.sqrt(p.variances), scale=np.exp(p.means)).logpdf(x),
        lambda x, p: (1 + np.log(x) ** 2 + p.means**2) / p.variances,
    ),
    "exponential": Case(
        kinds.Exponential(2),
        kinds.ExponentialParameters(np.array([[1.0, 1e-9], [0.2, 30.0], [5e7, 1.0]])),
        lambda x, p: stats.expon(scale=1 / p.rates).logpdf(x),
        lambda x, p: x * p.rates + np.abs(np.log(p.rates)),
    ),
}


# Parameters near enough to each other to be told apart by no row alone, for fits.
MILD = {
    "bernoulli": kinds.BernoulliParameters(np.array([[0.2, 0.9], [0.6, 0.1], [0.9, 0.4]])),
    "categorical": CASES["categorical"].parameters,
    "poisson": kinds.PoissonParameters(np.array([[1.0, 8.0], [6.0, 0.5], [12.0, 12.0]])),
    "negative_binomial": kinds.NegativeBinomialParameters(
        np.array([[1.0, 8.0], [6.0, 0.5], [20.0, 30.0]]),
        np.array([[2.0, 1.0], [3.0, 0.7], [9.0, 5.0]]),
    ),
    "geometric": kinds.GeometricParameters(np.array([[0.1, 0.7], [0.5, 0.05], [0.9, 0.3]])),
    "gamma": kinds.GammaParameters(
        np.array([[2.0, 0.5], [1.0, 6.0], [30.0, 1.0]]),
        np.array([[1.0, 0.1], [0.5, 1.0], [5.0, 0.02]]),
    ),
    "lognormal": kinds.LognormalParameters(
        np.array([[2.0, -0.5], [-1.0, 1.0], [0.5, 3.0]]),
        np.array([[0.6, 0.1], [0.5, 1.0], [0.8, 0.2]]),
    ),
    "exponential": kinds.ExponentialParameters(np.array([[1.0, 9.0], [0.2, 0.3], [5.0, 1.0]])),
}


def rows(name, n_rows, seed=0, missing=0.0):
    """Rows of a mixture in equal shares, with cells missing at random."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(N_COMPONENTS, size=n_rows)
    values = CASES[name].kind.sample(MILD[name], labels, rng)
    values[rng.random_sample(values.shape) < missing] = np.nan
    return values
