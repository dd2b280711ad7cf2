"""
Components that nobody needs
============================

A variational mixture starts with more components than there are clusters. Those that the rows
don't need lose their weight. This is the Old Faithful sequence of Bishop (2006, figure 10.6), with
:class:`~skem.VariationalGaussianMixture`.
"""

# %%
# Six components become two
# -------------------------
# A small concentration prefers few components. The fit is stopped on its way, to see it happen:
# ellipses at one standard deviation, one for each component that has rows. Each stop starts anew
# from the same start.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skem import EMGaussianMixture, VariationalGaussianMixture
from skem.datasets import load_faithful
from skem.display import MixtureDisplay

X = load_faithful(as_frame=True).data
Z = StandardScaler().set_output(transform="pandas").fit_transform(X)
parameters = {
    "n_components": 6,
    "weight_concentration_prior_type": "dirichlet_distribution",
    "weight_concentration_prior": 1e-3,
    "init_params": "k-means++",
    "random_state": 0,
}
figure, axes = plt.subplots(2, 2, figsize=(9, 8), sharex=True, sharey=True)
for ax, max_iter in zip(axes.flat, [1, 15, 60, 200], strict=True):
    mixture = VariationalGaussianMixture(**parameters, max_iter=max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(Z)
    shown = mixture.prune()
    MixtureDisplay.from_estimator(shown, Z, ax=ax, ellipse_std=(1.0,), contents=())
    ax.set_title(
        f"{mixture.n_iter_} iterations: {mixture.effective_n_components_} components, "
        f"bound {mixture.lower_bound_:.1f}"
    )
    ax.label_outer()
figure.tight_layout()
plt.show()

print("expected counts:", mixture.expected_counts_.round(1))
for name, value in mixture.elbo_terms()._asdict().items():
    print(f"{name:>24} {value:10.2f}")
print(f"{'bound':>24} {mixture.lower_bound_:10.2f}")

# %%
# The bound chooses
# -----------------
# ``lower_bound_`` is the whole evidence lower bound. It compares numbers of components and
# covariance types, with no other penalty. Here the starts have as many components as the axis says.

sizes = range(1, 8)
figure, ax = plt.subplots(figsize=(7, 4.5))
for covariance_type in ("full", "tied", "diag", "spherical"):
    bounds = [
        VariationalGaussianMixture(
            k, covariance_type=covariance_type, n_init=3, max_iter=500, random_state=0
        )
        .fit(Z)
        .lower_bound_
        for k in sizes
    ]
    best = int(np.argmax(bounds))
    (line,) = ax.plot(sizes, bounds, "o-", label=covariance_type)
    ax.plot(sizes[best], bounds[best], "o", ms=14, mfc="none", color=line.get_color())
# One component alone lies far below.
ax.set(xlabel="components", ylabel="evidence lower bound, nats", ylim=(-475, -425))
ax.legend(title="covariances (ring: best)")
plt.show()

# %%
# What forty rows don't tell
# --------------------------
# With few rows the parameters are uncertain. EM's density ignores that and hugs the rows. The
# posterior predictive density averages over the posterior and has wide tails. Thin ellipses are
# drawn from the posterior (a normal mean given a Wishart precision), at one standard deviation.

from scipy.stats import wishart

few = Z.to_numpy()[:40]
em = EMGaussianMixture(2, random_state=0).fit(few)
vb = VariationalGaussianMixture(2, random_state=0).fit(few)

side = np.linspace(-3.5, 3.5, 200)
grid = np.stack(np.meshgrid(side, side), axis=-1)
circle = np.linspace(0, 2 * np.pi, 100)
unit = np.array([np.cos(circle), np.sin(circle)])
figure, axes = plt.subplots(1, 2, figsize=(10, 5), sharex=True, sharey=True)
levels = np.arange(-12, 1.6, 1.5)
for ax, mixture, title in zip(axes, (em, vb), ("EM", "posterior predictive"), strict=True):
    log_density = mixture.score_samples(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    drawn = ax.contourf(side, side, np.clip(log_density, levels[0], None), levels, cmap="Blues")
    ax.plot(*few.T, "k.", ms=8)
    ax.set(title=f"{title}: log density", xlabel="eruptions (standardised)", aspect="equal")
axes[0].set_ylabel("waiting (standardised)")
figure.colorbar(drawn, ax=axes, label="nats")

rng = np.random.default_rng(0)
for k in range(vb.effective_n_components_):
    scatter = vb.covariances_[k] * vb.degrees_of_freedom_[k]
    for _ in range(15):
        precision = wishart(vb.degrees_of_freedom_[k], np.linalg.inv(scatter)).rvs(random_state=rng)
        covariance = np.linalg.inv(precision)
        mean = rng.multivariate_normal(vb.means_[k], covariance / vb.mean_precision_[k])
        outline = mean[:, None] + np.linalg.cholesky(covariance) @ unit
        axes[1].plot(*outline, color="C1", lw=0.6, alpha=0.7)
axes[1].set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
plt.show()
