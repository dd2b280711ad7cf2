"""
Digits as a few symbols
=======================

A :class:`~skem.VQVAE` writes each image as a few symbols of one alphabet: indices into a codebook.
"""

# %%
# Training
# --------
# Four symbols for each image, out of 32: 20 bits.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skem import VQVAE

X, y = load_digits(return_X_y=True)
X = X / 16
vae = VQVAE(
    32, n_latent_codes=4, n_latent=4, max_epochs=200, n_iter_no_change=30, random_state=0
).fit(X)
print(f"perplexity: {vae.perplexity_:.1f} of {vae.n_codes} codes")
print("codes of the first images:", *vae.encode(X[:3]), sep="\n")

# %%
# Images and what is left of them
# -------------------------------
# Above each pair the four symbols.

codes, images = vae.encode(X[:10]), vae.reconstruct(X[:10])
_, axes = plt.subplots(2, 10, figsize=(10, 2.6))
for i in range(10):
    for ax, image in zip(axes[:, i], (X[i], images[i]), strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    axes[0, i].set_title(" ".join(map(str, codes[i])), fontsize=8)
axes[0, 0].set_ylabel("image")
axes[1, 0].set_ylabel("decoded")
plt.tight_layout()

# %%
# The alphabet in use
# -------------------
# How often each symbol is chosen, the most frequent first.

_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.bar(np.arange(vae.n_codes), np.sort(vae.code_frequencies_)[::-1])
ax.set(xlabel="code, by frequency", ylabel="share of all choices")
plt.show()
