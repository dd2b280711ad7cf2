"""Variational autoencoders: estimators in scikit-learn's form."""

from skem.vae._vae import VAE

__all__ = ["VAE"]
