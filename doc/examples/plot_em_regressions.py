"""
Two straight lines in one cloud
===============================

A mixture of linear regressions: each row follows one of several lines, and which one is not seen.
Least squares through all rows finds the line that none of them follows.
"""

# %%
# The model
# ---------
# Component :math:`k` says :math:`y = x^\top \beta_k + \sigma_k \varepsilon`. Its statistics are
# those of a weighted regression: :math:`\sum r_k`, :math:`\sum r_k x x^\top`, :math:`\sum r_k x
# y` and :math:`\sum r_k y^2`. The rows are a tuple of two arrays, and ``start`` draws where a run
# begins, so that ``n_init`` can make several.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import logsumexp

from skem.em import fit


class Regressions:
    def __init__(self, n_components):
        self.n_components = n_components

    def log_joint(self, X, theta):
        x, y = X
        weights, slopes, sigmas = theta
        error = (y[:, None] - x @ slopes.T) / sigmas
        return np.log(weights / sigmas) - 0.5 * (error**2 + np.log(2 * np.pi))

    def expect(self, X, theta, weight):
        x, y = X
        joint = self.log_joint(X, theta)
        log_likelihood = logsumexp(joint, axis=1)
        resp = weight[:, None] * np.exp(joint - log_likelihood[:, None])
        xx = np.einsum("nk,ni,nj->kij", resp, x, x)
        xy = np.einsum("nk,n,ni->ki", resp, y, x)
        return (resp.sum(axis=0), xx, xy, y**2 @ resp), weight @ log_likelihood

    def maximise(self, statistics, theta):
        n, xx, xy, yy = statistics
        slopes = np.linalg.solve(xx, xy[..., None])[..., 0]
        return n / n.sum(), slopes, np.sqrt((yy - (slopes * xy).sum(axis=1)) / n)

    def start(self, X, rng):
        x, y = X
        lines = []
        for _ in range(self.n_components):
            rows = rng.choice(len(y), 3 * x.shape[1], replace=False)
            lines.append(np.linalg.lstsq(x[rows], y[rows])[0])
        weights = np.full(self.n_components, 1 / self.n_components)
        return weights, np.array(lines), np.full(self.n_components, y.std())


# %%
# The fit
# -------
# In an experiment of Cohen (1980) musicians tuned a tone to the octave of another, whose overtones
# were stretched by a factor. Some kept to the octave that they remember, a ratio of 2; some
# followed the overtones. Rows of that kind are simulated here. Of ten starts the best is kept.

rng = np.random.default_rng(0)
t = rng.uniform(1.2, 3.0, 300)
x = np.column_stack([np.ones_like(t), t])
upper = rng.random(300) < 0.4
y = np.where(upper, 2.0, t)
y = y + np.where(upper, 0.06, 0.12) * rng.standard_normal(300)

model = Regressions(2)
result = fit(model, (x, y), n_init=10, tol=1e-8, max_iter=1000, random_state=0)
weights, slopes, sigmas = result.theta
for k in np.argsort(slopes[:, 1]):
    line = f"y = {slopes[k, 0]:.2f} + {slopes[k, 1]:.2f} x"
    print(f"share {weights[k]:.2f}: {line}, sigma {sigmas[k]:.3f}")

# %%
# Colours mix as responsibilities do: where the lines cross, nobody can tell.

joint = model.log_joint((x, y), result.theta)
resp = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
first = int(np.argmax(slopes[:, 1]))
figure, ax = plt.subplots(figsize=(6.6, 4.8))
points = ax.scatter(t, y, c=resp[:, first], cmap="coolwarm", s=14, vmin=0, vmax=1)
ends = np.array([1.2, 3.0])
for k in range(2):
    ax.plot(ends, slopes[k, 0] + slopes[k, 1] * ends, color="k", linewidth=1)
intercept, slope = np.linalg.lstsq(x, y)[0]
ax.plot(ends, intercept + slope * ends, "k--", linewidth=1, label="least squares")
ax.set(xlabel="stretching of the overtones", ylabel="ratio that was tuned")
ax.legend()
figure.colorbar(points, label="probability of the steeper line")
figure.tight_layout()
plt.show()

# %%
# Reference: E. A. Cohen (1980). *Inharmonic tone perception*. Dissertation, Stanford University.
