r"""
Probabilistic PCA with missing cells
====================================

Principal components as a latent-variable model (Tipping & Bishop 1999): a row is :math:`x = W z +
\mu + \sigma \varepsilon` with a few standard normal :math:`z`. A likelihood doesn't mind missing
cells: what is not seen is integrated out, and nothing has to be imputed first.
"""

# %%
# The model
# ---------
# Given the cells that a row shows, z is normal with the precision :math:`I + W_o^\top W_o /
# \sigma^2`, where :math:`W_o` has the rows of W for these cells. A column is then a regression on
# z and 1, with the expected :math:`\sum \tilde z \tilde z^\top`, :math:`\sum x \tilde z` and
# :math:`\sum x^2` over the rows that show it, :math:`\tilde z = (z, 1)`.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skem.em import fit


class ProbabilisticPCA:
    def __init__(self, n_components):
        self.n_components = n_components

    def latent(self, X, theta):
        """Means and covariances of z, and the log-likelihood of each row."""
        W, mean, variance = theta
        seen = ~np.isnan(X)
        error = np.where(seen, X - mean, 0.0)
        eye = np.eye(self.n_components)
        precision = eye + np.einsum("nd,di,dj->nij", seen, W, W) / variance
        covariance = np.linalg.inv(precision)
        z = np.einsum("nij,nj->ni", covariance, error @ W / variance)
        square = ((error - z @ W.T) * error).sum(axis=1) / variance
        log_det = np.linalg.slogdet(precision)[1] + seen.sum(axis=1) * np.log(2 * np.pi * variance)
        return z, covariance, -0.5 * (square + log_det)

    def expect(self, X, theta):
        z, covariance, log_likelihood = self.latent(X, theta)
        seen, filled = ~np.isnan(X), np.nan_to_num(X)
        line = np.column_stack([z, np.ones(len(X))])
        second = np.einsum("ni,nj->nij", line, line)
        second[:, :-1, :-1] += covariance
        statistics = {
            "lines": np.einsum("nd,nij->dij", seen, second),
            "values": filled.T @ line,
            "squares": (filled**2).sum(axis=0),
        }
        return statistics, log_likelihood.sum()

    def maximise(self, statistics, theta):
        lines, values, squares = statistics.values()
        solution = np.linalg.solve(lines, values[..., None])[..., 0]
        variance = (squares - (solution * values).sum(axis=1)).sum() / lines[:, -1, -1].sum()
        return solution[:, :-1], solution[:, -1], variance

    def start(self, X, rng):
        W = rng.standard_normal((X.shape[1], self.n_components))
        return W, np.nanmean(X, axis=0), np.nanvar(X)


# %%
# The fit
# -------
# The wine table has 13 columns. A third of its cells are deleted, at random.

wine = load_wine()
complete = StandardScaler().fit_transform(wine.data)
rng = np.random.default_rng(0)
X = np.where(rng.random(complete.shape) < 1 / 3, np.nan, complete)

model = ProbabilisticPCA(2)
result = fit(model, X, tol=1e-8, max_iter=1000, acceleration="squarem", random_state=0)
print(f"log-likelihood {result.bound:.4f} after {result.n_iter} iterations")
print(f"standard deviation of the noise: {np.sqrt(result.theta[2]):.3f}")

# %%
# Left, PCA of the complete table. Middle, the usual way: fill gaps with column means, then PCA;
# rows with many gaps are drawn to the middle. Right, the latent means of the model, rotated to
# the same axes, with the width that missing cells leave.

W, _, _ = result.theta
z, covariance, _ = model.latent(X, result.theta)
target = PCA(2).fit(complete)
filled = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
panels = {
    "complete": target.transform(complete),
    "gaps filled with means": PCA(2).fit_transform(filled),
}
axes_of_w = np.linalg.svd(W, full_matrices=False)
rotation = axes_of_w.Vh.T * axes_of_w.S
panels["missing cells integrated out"] = z @ rotation
figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharex=True, sharey=True)
for ax, (title, points) in zip(axes, panels.items(), strict=True):
    flip = np.sign((points * panels["complete"]).sum(axis=0))
    ax.scatter(*(points * flip).T, c=wine.target, cmap="viridis", s=12)
    ax.set(title=title)
    if title != "complete":
        error = np.linalg.norm(points * flip - panels["complete"], axis=1).mean()
        ax.set(xlabel=f"mean distance from the complete: {error:.2f}")
widths = np.sqrt(np.einsum("di,nde,ei->ni", rotation, covariance, rotation))
ax.errorbar(*(points * flip).T, *widths.T[::-1], fmt="none", color="0.75", linewidth=0.5, zorder=0)
figure.tight_layout()
plt.show()
