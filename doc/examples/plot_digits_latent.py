"""
Digits: a map of codes, and new digits
======================================

A :class:`~skem.VAE` with a code of two numbers puts the 1797 handwritten digits of scikit-learn on
a map. Digits that look alike lie near each other, and each point of the map is a digit.
"""

# %%
# Training
# --------
# The images have 8 x 8 pixels with values from 0 to 1. A tenth of them is held out to say when to
# stop.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.datasets import load_digits

from skem import VAE
from skem.display import LatentDisplay, TrainingCurveDisplay

X, y = load_digits(return_X_y=True)
X = X / 16
vae = VAE(2, early_stopping=True, n_iter_no_change=30, max_epochs=400, random_state=0).fit(X)
TrainingCurveDisplay.from_estimator(vae)
print(f"epochs: {vae.n_iter_}, active units: {vae.n_active_units_}")
print("nats in each dimension:", vae.kl_per_dimension_.round(2))

# %%
# The map
# -------
# The networks never saw which digit an image shows. Dashed circles are the prior at 1 and 2
# standard deviations.

LatentDisplay.from_estimator(vae, X, y, dimensions=(0, 1))

# %%
# New digits
# ----------
# Codes on a grid of quantiles of the prior, decoded: what lies between the digits.

n = 11
place = norm.ppf(np.linspace(0.03, 0.97, n))
codes = np.stack(np.meshgrid(place, place[::-1]), axis=-1).reshape(-1, 2)
images = vae.inverse_transform(codes).reshape(n, n, 8, 8)
_, ax = plt.subplots(figsize=(6, 6))
framed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
mosaic = framed.transpose(0, 2, 1, 3).reshape(10 * n, 10 * n)
ax.imshow(mosaic, cmap="gray_r", vmin=0, vmax=1)
ax.set(xticks=[], yticks=[], xlabel="code 0", ylabel="code 1", title="Decoded codes")
plt.show()
