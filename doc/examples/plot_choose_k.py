"""
How many components, and of which shape?
========================================

The likelihood rises with every component, so it can't choose their number. Criteria charge for
parameters, held-out rows need no charge, and the bootstrap says how sure a choice is. All of
them on the Old Faithful table.
"""

# %%
# Fourteen models, one to nine components
# ---------------------------------------
# :class:`~skem.GaussianMixtureIC` fits mclust's fourteen models with 1 to 9 components each, all
# from one start, and keeps the fit with the lowest BIC. The picture has a line for each model;
# dashed lines have equal volumes.

import matplotlib.pyplot as plt
import pandas as pd

from skem import (
    EMGaussianMixture,
    GaussianMixtureIC,
    bootstrap_likelihood_ratio,
    bootstrap_standard_errors,
)
from skem.datasets import load_faithful
from skem.display import MixtureDisplay, ModelSelectionDisplay

X = load_faithful(as_frame=True).data
choice = GaussianMixtureIC(random_state=0).fit(X)
display = ModelSelectionDisplay.from_estimator(choice)
display.ax_.set_ylim(2300, 2450)
plt.show()

# %%
# What was chosen:

display = MixtureDisplay.from_estimator(choice.best_estimator_, X)
display.ax_.set_title("{covariance_type}, {n_components} components".format(**choice.best_params_))
plt.show()

# %%
# ``results_`` has a row for each fit. The best few are close: a difference of less than 2 is
# hardly worth a mention, one of more than 10 is strong (Kass & Raftery 1995).

results = pd.DataFrame(choice.results_)
print(results.sort_values("rank").head(6)[["covariance_type", "n_components", "bic", "icl", "aic"]])

# %%
# The same table by other criteria
# --------------------------------
# ICL also charges for rows that are divided between components, so it asks for clusters that are
# well apart. AIC charges less than both, and asks for more components. ``criterion="cv"`` charges
# nothing: it is the mean log density of rows that the fit has not seen.

few = {"n_components": range(1, 8), "covariance_type": ["EEE", "VVV"], "random_state": 0}
for criterion in ("bic", "icl", "aic", "cv"):
    best = GaussianMixtureIC(criterion=criterion, **few).fit(X)
    print(f"{criterion}: {best.best_params_}, {best.best_score_:.4f}")

# %%
# How sure is the number?
# -----------------------
# The bootstrap of the likelihood ratio draws tables from the fit with K components, and looks
# how often K + 1 gain as much there as they do here. By this test two components are too few,
# whether they share a covariance (EEE) or not (VVV). It asks whether there is anything more in
# the rows. BIC asks whether it is worth its parameters, and of the six that a third component
# of VVV has (6 log 272 = 34) it says no.

settings = {"init_params": "hierarchical", "tol": 1e-5, "max_iter": 1000}
for model in ("EEE", "VVV"):
    two = EMGaussianMixture(2, covariance_type=model, **settings)
    test = bootstrap_likelihood_ratio(X, two, n_bootstrap=39, random_state=0)
    print(f"{model}, 2 against 3: ratio {test.statistic:.1f}, p = {test.p_value:.3f}")

# %%
# And the standard errors of what was fitted:

errors = bootstrap_standard_errors(X, choice.best_estimator_, n_bootstrap=99, random_state=0)
frame = pd.DataFrame(choice.best_estimator_.means_, columns=X.columns)
print(
    frame.round(2).astype(str)
    + " ± "
    + pd.DataFrame(errors.means, columns=X.columns).round(2).astype(str)
)
