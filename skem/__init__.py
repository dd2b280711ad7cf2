"""Latent-variable models for tables, in scikit-learn's form."""

from skem._version import __version__
from skem.mixture import EMGaussianMixture

__all__ = ["EMGaussianMixture", "__version__"]
