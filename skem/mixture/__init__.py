"""Mixture models: estimators in scikit-learn's form."""

from skem.mixture._em import EMGaussianMixture
from skem.mixture._variational import VariationalGaussianMixture

__all__ = ["EMGaussianMixture", "VariationalGaussianMixture"]
