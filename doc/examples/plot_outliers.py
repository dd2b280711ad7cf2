"""
Odd birds, and what is odd about them
=====================================

344 penguins of three species. The detector knows neither the species nor which birds are odd: it
fits a mixture to the bulk of the rows, flags those where the mixture would draw less than one row
in a hundred, and says which measurement it would have expected instead.
"""

# %%
# Flag
# ----
# Two birds have no measurements; a row without any is never an outlier.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skem import MixtureOutlierDetector

try:
    folder = Path(__file__).parent
except NameError:  # in a notebook
    folder = Path.cwd()
penguins = pd.read_csv(folder / ".." / "user_guide" / "penguins.csv")
X = penguins[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]]
detector = MixtureOutlierDetector(random_state=0).fit(X)
scores = detector.decision_function(X)
odd = np.flatnonzero(scores < 0)
odd = odd[np.argsort(scores[odd])]
print("components:", len(detector.estimator_.weights_))
print(penguins.loc[odd, ["species", "sex", *X.columns]].to_string())

# %%
# Explain
# -------
# ``given_rest`` is how surprising a cell is beside the row's others. Densities are per unit of the
# column, so each column's median over all rows is taken off before columns are compared.

explained = detector.explain_density(X)
surprise = explained["given_rest"] - explained["given_rest"].median()
for bird in odd:
    column = surprise.loc[bird].idxmax()
    print(
        f"bird {bird}, {penguins.species[bird]}: {column} is {X.loc[bird, column]:g}, "
        f"expected {explained['expected'].loc[bird, column]:.1f}"
    )

# %%
# The oddest two have the longest bills of their species. Arrows lead to what was expected.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
for name, rows in penguins.groupby("species"):
    left.scatter(rows.flipper_length_mm, rows.bill_length_mm, s=12, alpha=0.6, label=name)
left.scatter(
    X.flipper_length_mm[odd], X.bill_length_mm[odd], s=80, facecolors="none", edgecolors="k"
)
for bird in odd[:2]:
    x, y = X.flipper_length_mm[bird], X.bill_length_mm[bird]
    expected = explained["expected"].bill_length_mm[bird]
    left.annotate("", (x, expected), (x, y), arrowprops={"arrowstyle": "->"})
    left.annotate(f"bird {bird}", (x, y), (-8, 4), textcoords="offset points", ha="right")
left.set(xlabel="flipper (mm)", ylabel="bill (mm)", title="Outliers, circled")
left.legend(loc="lower right")
right.hist(scores, 40, color="0.7")
right.plot(scores[odd], np.full(len(odd), 1.0), "kv", label="outliers")
right.axvline(0, color="k", linewidth=1)
right.set(xlabel="nats above the threshold", ylabel="birds", title="decision_function")
right.legend()
figure.tight_layout()
plt.show()
