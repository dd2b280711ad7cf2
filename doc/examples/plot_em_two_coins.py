"""
Two coins: EM in a dozen lines
==============================

The smallest example that needs EM (Do & Batzoglou 2008): one of two coins is drawn, tossed ten
times and put back, five times over. We see the tosses, but not which coin it was. How often does
each coin show heads?
"""

# %%
# The model
# ---------
# ``expect`` looks at rows: how probable each coin is for each row, and from that the *expected
# counts* of heads and tails of each coin. ``maximise`` looks at these counts alone. The bound is
# the log-likelihood of the rows, up to the binomial coefficients, which do not depend on the
# coins.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import logsumexp

from skem.em import fit


class TwoCoins:
    def expect(self, X, theta):
        joint = np.log(0.5) + X @ np.log([theta, 1 - theta])
        log_likelihood = logsumexp(joint, axis=1)
        resp = np.exp(joint - log_likelihood[:, None])
        return resp.T @ X, log_likelihood.sum()

    def maximise(self, counts, theta):
        return counts[:, 0] / counts.sum(axis=1)


# %%
# The fit
# -------
# After one iteration from 0.6 and 0.5 the paper has 0.71 and 0.58, after ten 0.80 and 0.52. A
# callback notes the path.

heads = np.array([5, 9, 8, 4, 7])
X = np.column_stack([heads, 10 - heads])
start = np.array([0.6, 0.5])
path = [start]


def note(iteration):
    path.append(iteration.theta)


result = fit(TwoCoins(), X, start, tol=1e-6, callbacks=note)
print("after one iteration: ", path[1].round(2))
print(f"after {result.n_iter}: ", result.theta.round(2), "converged:", result.converged)

# %%
# The path climbs the log-likelihood, with short steps at the end. The second maximum is the same
# with the coins' names exchanged.

grid = np.linspace(0.3, 0.95, 200)
a, b = np.meshgrid(grid, grid)
tosses = X[:, :, None, None]
each = [tosses[:, 0] * np.log(p) + tosses[:, 1] * np.log(1 - p) for p in (a, b)]
height = np.logaddexp(*each).sum(axis=0) + len(X) * np.log(0.5)

figure, ax = plt.subplots(figsize=(6.2, 5.4))
levels = height.max() - np.array([12, 8, 5, 3, 2, 1, 0.5, 0.2, 0.05])
ax.contour(a, b, height, levels=levels, cmap="Blues", linewidths=1)
ax.plot(*np.transpose(path), "o-", color="tab:red", markersize=4, label="EM")
ax.plot(*start, "ks", label="start")
ax.set(xlabel="coin A: probability of heads", ylabel="coin B: probability of heads", aspect="equal")
ax.legend(loc="lower left")
figure.tight_layout()
plt.show()

# %%
# Reference: C. B. Do and S. Batzoglou (2008). What is the expectation maximization algorithm?
# *Nature Biotechnology* 26, 897-899.
