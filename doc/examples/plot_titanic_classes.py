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
import pandas as pd

from skem import EMMixture, MixtureIC
from skem.display import ModelSelectionDisplay, ProfileDisplay

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
# A line is a class; the parts of its bars are the probabilities of the answers. Two thirds are men,
# mostly of the crew, one in five of whom survived. Then the third class, of whom next to nobody
# did; the women, of whom nearly all did; and the children who survived.

mixture = choice.best_estimator_
print(mixture.summary())

ProfileDisplay.from_estimator(mixture)
plt.show()
