"""
Classes of people on the Titanic
================================

2201 people, four questions: class of travel, sex, age, and whether they survived. All columns are
categories, so a mixture of them is a latent class analysis: within a class the answers are
independent, and the classes explain how they hang together.
"""

# %%
# The table
# ---------
# Equal rows are counted, and the counts are the rows' weights: a weight of 670 is the row 670
# times (Dawson 1995, "The unusual episode data revisited").

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skem import EMMixture, MixtureIC
from skem.display import ModelSelectionDisplay

counts = {
    ("1st", "female", "adult"): (4, 140),
    ("1st", "female", "child"): (0, 1),
    ("1st", "male", "adult"): (118, 57),
    ("1st", "male", "child"): (0, 5),
    ("2nd", "female", "adult"): (13, 80),
    ("2nd", "female", "child"): (0, 13),
    ("2nd", "male", "adult"): (154, 14),
    ("2nd", "male", "child"): (0, 11),
    ("3rd", "female", "adult"): (89, 76),
    ("3rd", "female", "child"): (17, 14),
    ("3rd", "male", "adult"): (387, 75),
    ("3rd", "male", "child"): (35, 13),
    ("crew", "female", "adult"): (3, 20),
    ("crew", "male", "adult"): (670, 192),
}
lines = [
    (*who, answer, count)
    for who, both in counts.items()
    for answer, count in zip(("no", "yes"), both, strict=True)
    if count
]
table = pd.DataFrame(lines, columns=["class", "sex", "age", "survived", "people"])
X, people = table.drop(columns="people"), table["people"].to_numpy()

# %%
# How many classes
# ----------------
# :class:`~skem.MixtureIC` fits each number of classes and compares the fits by BIC. Likelihoods of
# latent classes have many maxima. A fit takes a moment only, so twenty random starts are made; of
# four classes few lead to the highest.

limits = {"tol": 1e-7, "max_iter": 2000, "acceleration": "anderson"}
starts = {"init_params": "random", "n_init": 20, "random_state": 0}
choice = MixtureIC(range(1, 7), **starts, **limits).fit(X, sample_weight=people)
columns = ["n_components", "log_likelihood", "n_parameters", "bic", "rank"]
print(pd.DataFrame(choice.results_)[columns].round(2).to_string(index=False))

display = ModelSelectionDisplay.from_estimator(choice)

# %%
# Are the answers independent within classes? Residuals of pairs are about 1 or less where they are.
# Without classes nothing is; four leave little, and what is left says which pair.

one = EMMixture(1).fit(X, sample_weight=people)
for mixture in (one, choice.best_estimator_):
    print(f"\n{mixture.n_components} class(es)")
    print(mixture.bivariate_residuals(X, people).round(1).to_string())

# %%
# The classes
# -----------
# Each bar is the probability of an answer in a class. Two thirds are men, mostly of the crew, one
# in five of whom survived. Then the third class, of whom next to nobody did; the women, of whom
# nearly all did; and the children who survived.

mixture = choice.best_estimator_
print(mixture.summary())

(block,) = mixture.parameters_
figure, axes = plt.subplots(1, 4, figsize=(10, 3.4), sharey=True, layout="constrained")
for axis, name, categories, shares in zip(
    axes, block["columns"], block["categories"], block["probabilities"], strict=True
):
    places = np.arange(len(categories))
    for number, (share, weight) in enumerate(zip(shares, mixture.weights_, strict=True)):
        label = f"class {number}: {weight:.0%}"
        axis.bar(places + 0.2 * (number - 1.5), share, width=0.2, label=label)
    axis.set_xticks(places, categories)
    axis.set_title(name)
axes[0].set_ylabel("probability in the class")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()
