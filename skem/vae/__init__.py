"""Variational autoencoders: estimators in scikit-learn's form."""

from skem.vae._categorical import CategoricalVAE
from skem.vae._info import InfoVAE
from skem.vae._vae import VAE
from skem.vae._vector_quantised import VQVAE

__all__ = ["VAE", "VQVAE", "CategoricalVAE", "InfoVAE"]
