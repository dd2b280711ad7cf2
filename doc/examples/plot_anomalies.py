"""
Anomaly scores: an autoencoder next to a mixture
================================================

Both tell how probable a row is. Fitted to the benign tumours of the breast cancer table alone, they
should find the malignant ones improbable.
"""

# %%
# Fit to what is normal
# ---------------------
# Half of the benign rows train; the other half and all malignant rows are scored.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skem import VAE, EMGaussianMixture

X, benign = load_breast_cancer(return_X_y=True)
train, rest = train_test_split(X[benign == 1], test_size=0.5, random_state=0)
test = np.vstack([rest, X[benign == 0]])
is_malignant = np.r_[np.zeros(len(rest)), np.ones(np.count_nonzero(benign == 0))]

models = {
    "VAE": VAE(4, hidden_layer_sizes=(64,), noise_variance="per_feature", random_state=0),
    "mixture": EMGaussianMixture(2, reg_covar=1e-3, n_init=5, random_state=0),
}

# %%
# Scores
# ------
# The area under the ROC curve is the share of pairs, one malignant and one benign, in which the
# malignant row is the less probable one.

_, axes = plt.subplots(1, 2, figsize=(9, 3.5))
for ax, (name, model) in zip(axes, models.items(), strict=True):
    pipe = make_pipeline(StandardScaler(), model).fit(train)
    surprise = -pipe.score_samples(test)
    area = roc_auc_score(is_malignant, surprise)
    bins = np.geomspace(1, surprise.max() - surprise.min() + 1, 40)
    for kind, label in enumerate(("benign", "malignant")):
        shifted = surprise[is_malignant == kind] - surprise.min() + 1
        ax.hist(shifted, bins, alpha=0.6, label=label)
    ax.set(xscale="log", xlabel="nats above the most probable row, plus 1", title=name)
    ax.legend()
    ax.set_ylabel("rows")
    print(f"{name}: area under the ROC curve {area:.3f}")
plt.tight_layout()
plt.show()
