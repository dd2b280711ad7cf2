"""
Logistic curves of two kinds: a step that merely improves
=========================================================

Animals get a dose, and some of each litter respond. There are two kinds of litters, with two
dose-response curves. The M-step of such a mixture has no closed form; but EM needs no maximum: a
step that raises the bound is enough (*generalised EM*).
"""

# %%
# The model
# ---------
# Component :math:`k` says that of :math:`m` animals :math:`y` respond, binomial with :math:`p = 1
# / (1 + e^{-x^\top \beta_k})`. The expected log-likelihood has the gradient :math:`g_k = \sum r_k
# (y - m p) x`, and its curvature is nowhere more than :math:`B_k = \sum r_k \tfrac{m}{4} x
# x^\top` (Böhning & Lindsay 1988). So the step :math:`\beta_k + B_k^{-1} g_k` always improves.
# The statistics are :math:`B_k` and :math:`B_k \beta_k + g_k`, so that all that ``maximise``
# needs is in them: an extrapolation of statistics then moves the parameters.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit, gammaln, logsumexp

from skem.em import fit


class LogisticMixture:
    def log_joint(self, X, theta):
        x, y, m = X
        weights, slopes = theta
        line = x @ slopes.T
        choose = gammaln(m + 1) - gammaln(y + 1) - gammaln(m - y + 1)
        return (
            np.log(weights)
            + choose[:, None]
            + y[:, None] * line
            - m[:, None] * np.logaddexp(0, line)
        )

    def expect(self, X, theta, weight):
        x, y, m = X
        _, slopes = theta
        joint = self.log_joint(X, theta)
        log_likelihood = logsumexp(joint, axis=1)
        resp = weight[:, None] * np.exp(joint - log_likelihood[:, None])
        curvature = np.einsum("nk,n,ni,nj->kij", resp, m / 4, x, x)
        gradient = (resp * (y[:, None] - m[:, None] * expit(x @ slopes.T))).T @ x
        target = np.einsum("kij,kj->ki", curvature, slopes) + gradient
        return (resp.sum(axis=0), curvature, target), weight @ log_likelihood

    def maximise(self, statistics, theta):
        n, curvature, target = statistics
        return n / n.sum(), np.linalg.solve(curvature, target[..., None])[..., 0]


# %%
# The fit
# -------
# 80 litters of twelve, simulated. A gradient step is shorter than a whole M-step, so there are
# many iterations, and acceleration pays.

rng = np.random.default_rng(1)
dose = rng.uniform(-2, 2, 80)
x = np.column_stack([np.ones(80), dose])
truth = np.array([[1.5, 2.5], [-1.5, 0.8]])
kind = (rng.random(80) < 0.45).astype(int)
m = np.full(80, 12)
y = rng.binomial(m, expit((x * truth[kind]).sum(axis=1)))
start = np.array([0.5, 0.5]), np.array([[0.5, 0.0], [-0.5, 0.0]])

runs = {
    name or "plain": fit(
        LogisticMixture(), (x, y, m), start, tol=1e-9, max_iter=3000, acceleration=name
    )
    for name in (None, "squarem", "anderson")
}
for name, run in runs.items():
    print(f"{name:9} {run.n_iter:4} iterations, log-likelihood {run.bound:.6f}")
print("shares", runs["plain"].theta[0].round(2), "curves", runs["plain"].theta[1].round(2).tolist())

# %%
# Left, the litters by their probability of being of the first kind, the two curves, and dotted
# those they were drawn from. Right, what is left to gain: straight lines for plain steps, far
# steeper ones with extrapolation.

weights, slopes = runs["anderson"].theta
joint = LogisticMixture().log_joint((x, y, m), (weights, slopes))
resp = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
figure, (ax, gains) = plt.subplots(1, 2, figsize=(10.5, 4.4))
points = ax.scatter(dose, y / m, c=resp[:, 0], cmap="coolwarm", s=22, vmin=0, vmax=1)
doses = np.linspace(-2, 2, 100)
for k in range(2):
    ax.plot(doses, expit(slopes[k, 0] + slopes[k, 1] * doses), "k-", linewidth=1)
    ax.plot(doses, expit(truth[k, 0] + truth[k, 1] * doses), "k:", linewidth=1)
ax.set(xlabel="dose", ylabel="share that responds")
figure.colorbar(points, label="probability of the first kind")
top = max(run.bound for run in runs.values()) + 1e-8
for name, run in runs.items():
    gains.semilogy(top - np.array(run.bounds), label=name)
gains.set(xlabel="iteration", ylabel="log-likelihood left to gain (nats)")
gains.legend()
figure.tight_layout()
plt.show()

# %%
# Reference: D. Böhning and B. G. Lindsay (1988). Monotonicity of quadratic-approximation
# algorithms. *Annals of the Institute of Statistical Mathematics* 40, 641-663.
