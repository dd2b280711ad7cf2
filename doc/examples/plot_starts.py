"""
What goes wrong with starts
===========================

EM climbs to the nearest maximum of the likelihood, and where it starts decides which one that is.
How far below the best do fits end, and what does a search for a better start change?
"""

# %%
# The typical failure
# -------------------
# Eight Gaussians, and fits with eight components. k-means, scikit-learn's start, has put two
# centres on one cluster and one on two others. EM can't mend that: a component would have to leave
# its rows and cross the table, and every step of the way lowers the likelihood. A split-and-merge
# move does it at once, so the search that is the default here ends with one component for each.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import wishart
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from skem import EMGaussianMixture
from skem.display import MixtureDisplay

warnings.simplefilter("ignore", ConvergenceWarning)  # some fits reach max_iter


def simulate(seed, n_components, n_features, spread, n_rows=1500):
    """Rows of a Gaussian mixture that is drawn at random itself."""
    rng = np.random.default_rng(seed)
    means = spread * rng.standard_normal((n_components, n_features))
    freedom = n_features + 3
    covariances = wishart(freedom, np.eye(n_features) / freedom).rvs(n_components, rng)
    counts = rng.multinomial(n_rows, rng.dirichlet(np.full(n_components, 3.0)))
    parts = zip(means, covariances, counts, strict=True)
    return np.vstack([rng.multivariate_normal(*part) for part in parts])


X = simulate(0, n_components=8, n_features=2, spread=3.5)
figure, axes = plt.subplots(1, 2, figsize=(10, 5.4), sharex=True, sharey=True)
for ax, estimator in zip(axes, [GaussianMixture, EMGaussianMixture], strict=True):
    mixture = estimator(8, random_state=0).fit(X)
    MixtureDisplay.from_estimator(mixture, X, ax=ax, contents=())
    name = "scikit-learn" if estimator is GaussianMixture else "skem"
    ax.set(title=f"{name}: {mixture.score(X):.3f} nats per row", aspect="equal")
    ax.label_outer()
figure.tight_layout()
plt.show()

# %%
# How often?
# ----------
# Twenty tables of 1500 rows with 3 to 12 components in 2 to 8 dimensions, some well apart, some
# not. Four ways to fit them, and for each table the best fit that we know of: the best of those
# four, and of three searches run to the end. The picture has a point for each fit, and each way's
# points in the order of what they miss.

tight = {"tol": 1e-6, "max_iter": 1000}
ways = {
    "scikit-learn's default": GaussianMixture(random_state=0),
    'init_params="kmeans", tol=1e-6': EMGaussianMixture(
        init_params="kmeans", random_state=0, **tight
    ),
    'init_params="k-means++", n_init=10': EMGaussianMixture(
        init_params="k-means++", n_init=10, random_state=0
    ),
    "skem's default": EMGaussianMixture(random_state=0),
}
searches = EMGaussianMixture(n_init=3, acceleration="anderson", random_state=0, **tight)

missed = []
for seed in range(20):
    rng = np.random.default_rng(seed)
    n_components, n_features = int(rng.integers(3, 13)), int(rng.integers(2, 9))
    X = simulate(seed, n_components, n_features, spread=rng.uniform(0.8, 3.0))
    fits = [way.set_params(n_components=n_components) for way in (*ways.values(), searches)]
    scores = np.array([fit.fit(X).score(X) for fit in fits])
    missed.append(scores.max() - scores[:-1])
missed = np.sort(missed, axis=0)

figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for (name, values), marker in zip(zip(ways, missed.T, strict=True), "sv^o", strict=True):
    bad = (values > 0.005).sum()
    ax.plot(range(1, 21), values.clip(2e-5), marker, alpha=0.8, label=f"{name}: {bad} of 20")
ax.axhline(0.005, color="0.5", linestyle="--", linewidth=1)
ax.set(yscale="log", xlabel="tables, in each way's own order", xticks=[1, 5, 10, 15, 20])
ax.set_yticks([2e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1], ["0", "0.0001", "0.001", "0.01", "0.1", "1"])
ax.set_ylabel("nats per row below the best known")
ax.legend(title="more than 0.005 nats below (dashed line):", fontsize="small")
plt.show()

# %%
# A small ``tol`` does not help much: from k-means EM ends on a poor maximum, and precisely there.
# Restarts help, but the more components there are, the less likely a start is right about all of
# them. Moves put right one mistake after the other.
#
# Higher is not always better
# ---------------------------
# The likelihood of a Gaussian mixture has no highest point: a component that closes in on a few
# rows, more or less on a line by chance, raises it as far as its covariance may shrink. Whoever
# searches long enough finds such a *spurious* maximum. Here are 100 rows of two clusters. Of a
# hundred random starts with four components the best has a spike; the search makes no move that
# ends in one.

rng = np.random.default_rng(2)
X = rng.standard_normal((100, 2))
X[50:] = X[50:] * [1.0, 0.6] + [4.0, 0.0]
figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharex=True, sharey=True, layout="constrained")
for ax, start in zip(axes, ["random_from_data", "auto"], strict=True):
    n_init = 100 if start == "random_from_data" else 1
    mixture = EMGaussianMixture(4, init_params=start, n_init=n_init, random_state=0, **tight).fit(X)
    MixtureDisplay.from_estimator(mixture, X, ax=ax, contents=())
    few = 100 * mixture.weights_.min()
    ax.set_title(
        f"{start}: {mixture.score(X):.3f} nats per row\nsmallest component: {few:.0f} rows"
    )
    ax.label_outer()
plt.show()
