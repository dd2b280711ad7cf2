"""
Deaths in the Times: a mixture of counts
========================================

On how many of 1096 days did the London Times report so many deaths of women of 80 years and over
(1910 to 1912)? Counts of independent events would be Poisson distributed. These vary too much.
"""

# %%
# One rate
# --------
# The table is ten counts and on how many days each was seen: the days are weights. A Poisson
# distribution has a variance as large as its mean.

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from skem import EMMixture

deaths = np.arange(10.0)[:, None]
days = np.array([162, 267, 271, 185, 111, 61, 27, 8, 3, 1])

mean = np.average(deaths[:, 0], weights=days)
variance = np.average((deaths[:, 0] - mean) ** 2, weights=days)
print(f"{days.sum()} days: mean {mean:.3f}, variance {variance:.3f}")

# %%
# Two rates, or a rate for each day
# ---------------------------------
# A mixture says that there are two kinds of days. A negative binomial says that each day has a rate
# of its own, drawn from a gamma distribution. `pseudo_count=0` is plain maximum likelihood.

limits = {"tol": 1e-10, "max_iter": 5000, "acceleration": "anderson", "pseudo_count": 0.0}
models = {
    "one Poisson": EMMixture(1, columns=[("poisson", [0])], **limits),
    "two Poissons": EMMixture(2, columns=[("poisson", [0])], random_state=0, **limits),
    "negative binomial": EMMixture(1, columns=[("negative_binomial", [0])], **limits),
}
for name, model in models.items():
    model.fit(deaths, sample_weight=days)
    log_likelihood = model.score(deaths, sample_weight=days) * days.sum()
    print(f"{name:18} log-likelihood {log_likelihood:.2f}, BIC {model.bic(deaths, days):.1f}")

mixture = models["two Poissons"]
rates = mixture.parameters_[0]["rates"][:, 0]
for weight, rate in zip(mixture.weights_, rates, strict=True):
    print(f"{weight:.0%} of the days: {rate:.2f} deaths")

# %%
# Both describe the days about equally well, and better than one rate. The mixture's two kinds of
# days have been read as summer and winter. The table alone can't tell: the rates of days may as
# well differ by degrees.

expected = {
    name: days.sum() * np.exp(model.score_samples(deaths)) for name, model in models.items()
}
parts = mixture.weights_ * stats.poisson(rates).pmf(deaths) * days.sum()

figure, axis = plt.subplots(layout="constrained")
axis.bar(deaths[:, 0], days, color="0.85", label="days seen")
for style, (name, values) in zip(("C3:o", "C0-o", "C2--s"), expected.items(), strict=True):
    axis.plot(deaths[:, 0], values, style, markersize=4, label=name)
for part, rate, style in zip(parts.T, rates, ("-", "-."), strict=True):
    axis.plot(deaths[:, 0], part, f"C0{style}", alpha=0.5, label=f"days of rate {rate:.2f}")
axis.set(xlabel="deaths reported on a day", ylabel="days", xticks=deaths[:, 0])
axis.legend()
plt.show()

# %%
# What a day belongs to
# ---------------------
# Days with two deaths or less may be of either kind; with six there is little doubt.

for count, share in zip(deaths[:, 0], mixture.predict_proba(deaths), strict=True):
    print(f"{count:.0f} deaths: {share[rates.argmax()]:.2f} of the higher rate")
