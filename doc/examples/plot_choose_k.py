"""
How many components?
====================

The likelihood rises with every component, so it can't choose their number. BIC, ICL and AIC
charge for parameters; held-out rows need no charge. Ways to choose, on the Old Faithful table.
"""

# %%
# BIC, ICL and AIC by hand
# ------------------------
# Smaller is better. ICL also charges for rows that are divided between components, so it favours
# fewer, well separated ones. AIC charges less than both, and asks for more components.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from skem import EMGaussianMixture
from skem.datasets import load_faithful
from skem.display import MixtureDisplay

X = load_faithful(as_frame=True).data
numbers = list(range(1, 8))
fits = [EMGaussianMixture(k, n_init=5, random_state=0).fit(X) for k in numbers]
criteria = {
    "BIC": [mixture.bic(X) for mixture in fits],
    "ICL": [mixture.icl(X) for mixture in fits],
    "AIC": [mixture.aic(X) for mixture in fits],
}

figure, ax = plt.subplots(layout="constrained")
for name, values in criteria.items():
    best = int(np.argmin(values))
    label = f"{name}: smallest at {numbers[best]}"
    (line,) = ax.plot(numbers, values, marker=".", label=label)
    ax.plot(numbers[best], values[best], "o", c=line.get_color(), mfc="none", ms=12)
ax.set(xlabel="components", ylabel="criterion (2 x nats)", xticks=numbers)
ax.legend()
plt.show()

# %%
# Components and covariances at once, with GridSearchCV
# -----------------------------------------------------
# ``GridSearchCV`` maximises, and BIC is better when smaller, so the scorer is its negative. BIC
# judges a fit on the rows that it was fitted on, so all rows are both the training and the test
# part.


def negative_bic(mixture, X, y=None):
    return -mixture.bic(X)


rows = np.arange(len(X))
grid = {
    "n_components": numbers,
    "covariance_type": ["full", "tied", "diag", "spherical"],
}
search = GridSearchCV(
    EMGaussianMixture(n_init=5, random_state=0),
    grid,
    scoring=negative_bic,
    cv=[(rows, rows)],
).fit(X)
print(search.best_params_, f"BIC {-search.best_score_:.1f}")

# %%
# What was chosen:

display = MixtureDisplay.from_estimator(search.best_estimator_, X)
display.ax_.set_title("Smallest BIC")
plt.show()

# %%
# Held-out rows
# -------------
# Without a scorer, ``GridSearchCV`` uses ``score``, the mean log-likelihood of the rows left out,
# and needs no charge for parameters. The first folds of a table may differ from the last, so
# shuffle.

from sklearn.model_selection import KFold

folds = KFold(5, shuffle=True, random_state=0)
mixture = EMGaussianMixture(n_init=5, random_state=0)
held_out = GridSearchCV(mixture, grid, cv=folds).fit(X)
print(held_out.best_params_, f"{held_out.best_score_:.4f} nats per row")
