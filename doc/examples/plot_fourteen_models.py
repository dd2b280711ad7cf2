"""
The geometry of the fourteen models
===================================

A covariance has a volume, a shape and an orientation. Each may be one for all components, or
every component's own. That makes fourteen models (Celeux & Govaert 1995), and ``covariance_type``
takes them by the three letters of R's mclust.
"""

# %%
# All of them on the same rows
# ----------------------------
# Three clusters that differ in volume, shape and orientation. Their labels are known here, so that
# only the covariances differ: ``init_params`` takes the labels as responsibilities, and with
# ``max_iter=0`` a fit is what the M-step of its model makes of them. Ellipses are two standard
# deviations wide, and drawn with their axes.
#
# The letters stand for volume, shape and orientation, in this order: **E**\ qual for all,
# **V**\ arying, or the **I**\ dentity's (a round shape, upright axes). Each pair side by side is
# the same model with equal and with varying volumes. Volume means the area here: where it is equal,
# a longer ellipse is a thinner one. In brackets: the number of free parameters of the three
# covariances.

import matplotlib.pyplot as plt
import numpy as np

from skem import EMGaussianMixture
from skem.display import MixtureDisplay


def covariance(volume, ratio, degrees):
    """Covariance with that volume, ratio of its two widths and direction of the wider one."""
    angle = np.deg2rad(degrees)
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return volume * (axes * [ratio, 1.0 / ratio]) @ axes.T


rng = np.random.default_rng(0)
labels = np.repeat([0, 1, 2], 200)
means = [[-4.2, 0.0], [0.3, 2.2], [4.6, -0.8]]
covariances = [covariance(0.35, 2.0, 75), covariance(0.9, 3.2, 20), covariance(1.8, 1.6, -20)]
parts = zip(means, covariances, strict=True)
X = np.vstack([rng.multivariate_normal(*part, size=200) for part in parts])

models = ["EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE"]
models += ["VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"]
words = [
    {"E": "equal volumes", "V": "own volumes"},
    {"E": "equal shapes", "V": "own shapes", "I": "round"},
    {"E": "common axes", "V": "own axes", "I": "upright"},
]
colors = ["tab:blue", "tab:orange", "tab:green"]

figure, panels = plt.subplots(4, 4, figsize=(11, 8.2), sharex=True, sharey=True)
fits = {}
for ax, model in zip(panels.flat, models, strict=False):
    mixture = EMGaussianMixture(
        3, covariance_type=model, init_params=np.eye(3)[labels], max_iter=0
    ).fit(X)
    fits[model] = mixture
    ax.scatter(*X.T, s=2, color="0.8")
    display = MixtureDisplay.from_estimator(
        mixture, None, ax=ax, contents=(), ellipse_std=(2.0,), colors=colors
    )
    for mean, one, color in zip(display.means, display.covariances, colors, strict=True):
        variances, axes = np.linalg.eigh(one)
        for variance, axis in zip(variances, axes.T, strict=True):
            ends = mean + 2.0 * np.sqrt(variance) * np.outer([-1.0, 1.0], axis)
            ax.plot(*ends.T, color=color, linewidth=1)
    n_free = mixture.n_parameters() - 3 * 2 - 2  # less means and weights
    ax.set(title=f"{model} ({n_free})", ylabel="", xticks=[], yticks=[], aspect="equal")
    said = [word[letter] for word, letter in zip(words, model, strict=True)]
    ax.set_xlabel(", ".join(said[:2] if model[1] == "I" else said), fontsize=8)
for ax in panels.flat[len(models) :]:
    ax.axis("off")
panels[3, 2].text(
    *(0.03, 0.5),
    "letters: volume, shape, orientation\n"
    "E: equal for all components\n"
    "V: varying, each component's own\n"
    "I: the identity's, round or upright\n"
    "(n): parameters of the covariances",
    transform=panels[3, 2].transAxes,
    verticalalignment="center",
    linespacing=1.6,
    in_layout=False,
)
figure.tight_layout()
plt.show()

# %%
# What it costs and what it gains
# -------------------------------
# Freedom is paid for in parameters. For K components and D features, with r = D (D - 1) / 2 angles
# to a rotation, the covariances have so many, of which volumes are 1 or K, shapes D - 1 or
# K (D - 1), orientations r or K r:
#
# .. list-table::
#    :header-rows: 1
#    :widths: 20 40 20 20
#
#    * - Model
#      - Parameters of the covariances
#      - D = 2, K = 3
#      - D = 10, K = 3
#    * - EII, VII
#      - 1, K
#      - 1, 3
#      - 1, 3
#    * - EEI, VEI
#      - D, K + D - 1
#      - 2, 4
#      - 10, 12
#    * - EVI, VVI
#      - 1 + K (D - 1), K D
#      - 4, 6
#      - 28, 30
#    * - EEE, VEE
#      - D + r, K + D - 1 + r
#      - 3, 5
#      - 55, 57
#    * - EVE, VVE
#      - 1 + K (D - 1) + r, K D + r
#      - 5, 7
#      - 73, 75
#    * - EEV, VEV
#      - D + K r, K + D - 1 + K r
#      - 5, 7
#      - 145, 147
#    * - EVV, VVV
#      - 1 + K (D - 1) + K r, K D + K r
#      - 7, 9
#      - 163, 165
#
# BIC weighs that against the likelihood. These 600 rows, with clusters that differ in everything,
# pay for all nine; with fewer rows, or more features, a simpler model often wins. This time
# iterations go on from the labels to a maximum.

for mixture in fits.values():
    mixture.set_params(max_iter=1000, tol=1e-6).fit(X)
for model, mixture in sorted(fits.items(), key=lambda fit: fit[1].bic(X)):
    print(f"{model}: BIC {mixture.bic(X):7.1f}, {mixture.score(X):.3f} nats per row")
