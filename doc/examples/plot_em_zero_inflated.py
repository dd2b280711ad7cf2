"""
More zeros than a Poisson distribution has
==========================================

Accidents of 647 women who made shells in five weeks of the First World War (Greenwood & Yule
1920). Most had none, more than a Poisson distribution allows for. Perhaps some of them could have
none, and the others' numbers are Poisson: a zero is then of one kind or the other, and which is
not seen.
"""

# %%
# The model
# ---------
# With the probability :math:`\pi` a row is a *sure zero*, else its count is Poisson with the rate
# :math:`\lambda`. The statistics are a dict of numbers: the weight of all rows, the expected
# weight of sure zeros, and the sum of the counts. A count that occurs often needs one row alone,
# with its frequency as the weight.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import poisson

from skem.em import fit


class ZeroInflatedPoisson:
    def expect(self, X, theta, weight):
        share, rate = theta["share"], theta["rate"]
        sure = np.where(X == 0, share, 0.0)
        likelihood = sure + (1 - share) * poisson.pmf(X, rate)
        statistics = {
            "rows": weight.sum(),
            "sure": weight @ (sure / likelihood),
            "count": weight @ X,
        }
        return statistics, weight @ np.log(likelihood)

    def maximise(self, statistics, theta):
        rows, sure, count = statistics.values()
        return {"share": sure / rows, "rate": count / (rows - sure)}


# %%
# The fit
# -------
# EM is slow here, for many zeros could be of either kind. Extrapolation reaches the same point
# with fewer passes over the rows. The two women with "five or more" accidents are taken as five.

counts = np.arange(6)
frequency = np.array([447, 132, 42, 21, 3, 2])
start = {"share": 0.5, "rate": 1.0}
settings = {"sample_weight": frequency, "tol": 1e-10, "max_iter": 1000}
plain = fit(ZeroInflatedPoisson(), counts, start, **settings)
fast = fit(ZeroInflatedPoisson(), counts, start, acceleration="squarem", **settings)
for name, result in {"plain": plain, "squarem": fast}.items():
    found = ", ".join(f"{key} {value:.4f}" for key, value in result.theta.items())
    print(f"{name:8} {result.n_iter:3} iterations, log-likelihood {result.bound:.4f}: {found}")

# %%
# The one Poisson distribution that fits best has too few zeros and too few women with three
# accidents or more. Two kinds of women come nearer, but leave too many with two accidents.
# Greenwood and Yule let each woman have a rate of her own, which gives the negative binomial
# distribution.

share, rate = fast.theta["share"], fast.theta["rate"]
total = frequency.sum()
mixed = share * (counts == 0) + (1 - share) * poisson.pmf(counts, rate)
expected = {
    "counted": frequency,
    "Poisson": total * poisson.pmf(counts, frequency @ counts / total),
    "zero-inflated": total * mixed,
}
figure, (ax, tail) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=[1, 1.4])
for i, (name, values) in enumerate(expected.items()):
    color = ("0.4", "tab:orange", "tab:blue")[i]
    ax.bar(counts[:2] + 0.27 * (i - 1), values[:2], 0.25, color=color, label=name)
    tail.bar(counts[2:] + 0.27 * (i - 1), values[2:], 0.25, color=color)
ax.set(xticks=counts[:2], xlabel="accidents", ylabel="women")
tail.set(xticks=counts[2:], xlabel="accidents (another scale)")
ax.legend()
figure.tight_layout()
plt.show()

# %%
# Reference: M. Greenwood and G. U. Yule (1920). An inquiry into the nature of frequency
# distributions representative of multiple happenings. *Journal of the Royal Statistical Society*
# 83, 255-279.
