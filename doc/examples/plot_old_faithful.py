"""
Old Faithful: clusters and densities
====================================

The eruptions of the Old Faithful geyser are of two kinds: short ones after which the next comes
soon, and long ones with a long wait. A mixture of two Gaussians finds both, and
:class:`~skem.display.MixtureDisplay` draws what it found.
"""

# %%
# The fit
# -------
# 272 eruptions, two columns, both in minutes. The columns needn't be standardised first: the fit
# doesn't depend on their units.

import matplotlib.pyplot as plt

from skem import EMGaussianMixture
from skem.datasets import load_faithful
from skem.display import MixtureDisplay

X = load_faithful(as_frame=True).data
mixture = EMGaussianMixture(2, n_init=5, random_state=0).fit(X)

print("weights:", mixture.weights_.round(3))
print("means (eruptions, waiting):", *mixture.means_.round(2))
print(f"log-likelihood: {mixture.lower_bound_:.4f} nats per row")
print(f"iterations: {mixture.n_iter_}, converged: {mixture.converged_}")

# %%
# The picture
# -----------
# Points have the color of their label (``predict``). Solid ellipses show each component at 1 and 2
# standard deviations. Dashed contours show the density of the whole mixture: they enclose 50, 90
# and 99 % of its probability.

display = MixtureDisplay.from_estimator(mixture, X)
display.ax_.legend(loc="lower right")
display.ax_.set_title("Old Faithful, two components")
plt.show()

# %%
# Four kinds of covariance
# ------------------------
# ``covariance_type`` says what the ellipses may look like: any (full), all alike (tied), upright
# (diag) or round (spherical). Round in which units? Spherical is the one type that does depend on
# them, so here the columns are standardised first.

from sklearn.preprocessing import StandardScaler

Z = StandardScaler().set_output(transform="pandas").fit_transform(X)
types = ["full", "tied", "diag", "spherical"]
figure, axes = plt.subplots(2, 2, figsize=(9, 8), sharex=True, sharey=True)
for ax, covariance_type in zip(axes.flat, types, strict=True):
    one = EMGaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(Z)
    MixtureDisplay.from_estimator(one, Z, ax=ax)
    ax.set(title=f"{covariance_type}: BIC {one.bic(Z):.1f}", aspect="equal")
    ax.label_outer()
figure.tight_layout()
plt.show()

# %%
# The least probable rows
# -----------------------
# ``score_samples`` gives each row's log density. The rows of lowest density are the ones that the
# model finds strangest.

table = X.assign(log_density=mixture.score_samples(X), cluster=mixture.predict(X))
print(table.nsmallest(5, "log_density").round(2).to_string())
