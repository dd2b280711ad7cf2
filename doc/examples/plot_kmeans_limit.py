"""
k-means as the hard, isotropic limit of EM
==========================================

Two steps lead from a Gaussian mixture to k-means: all components get one round covariance and the
same weight, and each row goes wholly to the most probable of them. The pictures show what each
step gives up.
"""

# %%
# From ellipses to straight borders
# ---------------------------------
# A narrow long cluster, a wide one and a small one. Colours mix as responsibilities do.
#
# 1. Full covariances: borders are curved, and blurred where clusters overlap.
# 2. One variance for all components and features (EII), equal weights: rows are compared by their
#    squared distance from the means alone, so borders are straight, half-way between means.
# 3. The same with a tenth of the variance. Responsibilities are near 0 and 1 almost everywhere: as
#    the variance goes to zero, they become hard by themselves.
# 4. Hard assignments. This is k-means.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.metrics import euclidean_distances

from skem import EMGaussianMixture

rng = np.random.default_rng(1)
X = rng.standard_normal((600, 2))
X[:250] = X[:250] @ [[2.0, 1.6], [0.0, 0.4]]
X[250:500] = X[250:500] * 1.1 + [3.2, -1.6]
X[500:] = X[500:] * 0.35 + [-1.2, 1.6]

centres = [[0.0, 0.0], [3.0, -1.0], [-1.0, 2.0]]
settings = {"means_init": centres, "reg_covar": 0.0, "random_state": 0}
alike = {"covariance_type": "EII", "weight_concentration_prior": float("inf")}
full = EMGaussianMixture(3, **settings).fit(X)
soft = EMGaussianMixture(3, **alike, **settings).fit(X)
hard = EMGaussianMixture(3, **alike, **settings, assignment="hard", tol=0.0).fit(X)


def by_distance(points):
    """Responsibilities of EII with equal weights, and a tenth of its variance."""
    squares = euclidean_distances(points, soft.means_, squared=True)
    return softmax(-squares / (2.0 * 0.1 * soft.covariances_[0, 0]), axis=1)


def one_of_each(points):
    """Responsibilities of 0 and 1."""
    return np.eye(3)[hard.predict(points)]


panels = {
    "1. full covariances": (full, full.predict_proba),
    "2. EII, equal weights": (soft, soft.predict_proba),
    "3. a tenth of the variance": (soft, by_distance),
    "4. hard: k-means": (hard, one_of_each),
}
colors = np.array([to_rgb(name) for name in ("tab:blue", "tab:orange", "tab:green")])
xs, ys = np.linspace(-6, 8, 350), np.linspace(-6, 6, 300)
grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(2, 2, figsize=(9, 7.9), sharex=True, sharey=True)
for ax, (title, (mixture, responsibilities)) in zip(axes.flat, panels.items(), strict=True):
    mixed = responsibilities(grid) @ colors
    ax.imshow(
        mixed.reshape(len(ys), len(xs), 3),
        origin="lower",
        extent=(xs[0], xs[-1], ys[0], ys[-1]),
        alpha=0.45,
        interpolation="bilinear",
    )
    ax.scatter(*X.T, s=3, color="0.2")
    ax.plot(*mixture.means_.T, "k+", markersize=12, markeredgewidth=2)
    ax.set(title=title, xlim=xs[[0, -1]], ylim=ys[[0, -1]])
figure.tight_layout()
plt.show()

# %%
# The last fit and scikit-learn's ``KMeans`` from the same centres: the same labels, and the one
# variance is the inertia divided by the number of values.

kmeans = KMeans(3, init=centres, n_init=1, tol=0.0).fit(X)
print("rows with the same label:", (kmeans.labels_ == hard.predict(X)).sum(), "of", len(X))
print(f"inertia: {kmeans.inertia_:.6f}, {hard.covariances_[0, 0] * X.size:.6f}")

# %%
# What was given up: equal round components can't describe the long cluster, so two of them divide
# it, and one takes the small cluster along. Hard borders, besides, cut tails off, so the variance
# comes out smaller and the means are farther apart:

for name, mixture in {"soft": soft, "hard": hard}.items():
    closest = euclidean_distances(mixture.means_)[np.triu_indices(3, 1)].min()
    print(f"{name}: variance {mixture.covariances_[0, 0]:.2f}, closest means {closest:.2f} apart")
