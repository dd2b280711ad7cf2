"""
Ozone on days when nobody measured it
=====================================

New York, May to September 1973: wind and temperature are known of each of 153 days, ozone of 116,
solar radiation of 146. A mixture is fitted to the cells that are there, and says what the others
may have been.
"""

# %%
# Fitted to what is there
# -----------------------
# No row is dropped and no cell is filled first: missing cells are NaN, and the likelihood is that
# of the seen cells. BIC chooses the mixture.

import matplotlib.pyplot as plt
import numpy as np

from skem import GaussianMixtureIC
from skem.datasets import load_airquality

X, _ = load_airquality(return_X_y=True)
choice = GaussianMixtureIC(range(1, 5), covariance_type=["full", "tied"], random_state=0).fit(X)
mixture = choice.best_estimator_
print("chosen:", choice.best_params_)
print("complete rows:", (~np.isnan(X)).all(axis=1).sum(), "of", len(X))

# %%
# Guesses, and how sure they are
# ------------------------------
# ``impute`` gives the conditional mean of each missing cell. Draws show what else it may have been;
# with ``parameters="bootstrap"`` each of them has parameters of its own, so that the uncertainty of
# the fit counts, too.

means = mixture.impute(X)
draws = mixture.impute(X, "draw", n_draws=100, parameters="bootstrap", random_state=0)
low, high = np.quantile(draws, [0.05, 0.95], axis=0)

ozone, temperature = 0, 3
gone = np.isnan(X[:, ozone])
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
left.scatter(X[~gone, temperature], X[~gone, ozone], s=14, color="0.6", label="measured")
left.errorbar(
    means[gone, temperature],
    means[gone, ozone],
    yerr=np.abs([low[gone, ozone] - means[gone, ozone], high[gone, ozone] - means[gone, ozone]]),
    fmt="o",
    markersize=4,
    elinewidth=1,
    color="tab:red",
    label="imputed, with 90 % intervals",
)
left.set(xlabel="temperature (°F)", ylabel="ozone (ppb)", title="Conditional means")
left.legend(loc="upper left")
right.scatter(X[~gone, temperature], X[~gone, ozone], s=14, color="0.6", label="measured")
right.scatter(
    draws[0, gone, temperature], draws[0, gone, ozone], s=18, color="tab:blue", label="one draw"
)
right.set(xlabel="temperature (°F)", title="A draw")
right.legend(loc="upper left")
figure.tight_layout()
plt.show()

# %%
# Means lie near a curve: a table that is filled with them is more regular than any that was
# measured. A draw scatters about the curve as measured days do. Some intervals reach below zero,
# for a Gaussian knows of no lower end; where that matters, model the logarithm.

columns = ["measured", "means", "one draw"]
tables = [X[~gone], means[gone], draws[0, gone]]
for name, table in zip(columns, tables, strict=True):
    print(f"{name:>9}: standard deviation of ozone {np.std(table[:, ozone]):.1f} ppb")

# %%
# A figure from all draws
# -----------------------
# The mean of ozone over all days, from each of the hundred tables; their estimates are pooled by
# Rubin's rules (:ref:`missing`). Between the tables it varies because cells are missing.

estimates = draws[:, :, ozone].mean(axis=1)
within = draws[:, :, ozone].var(axis=1, ddof=1).mean() / len(X)
between = (1 + 1 / len(draws)) * estimates.var(ddof=1)
print(f"measured days only: {X[~gone, ozone].mean():.1f} ppb")
print(f"all days: {estimates.mean():.1f} ± {np.sqrt(within + between):.1f} ppb")
print(f"share of the variance that is due to missing cells: {between / (within + between):.0%}")
