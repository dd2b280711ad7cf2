"""Mixture models: estimators in scikit-learn's form."""

from skem.mixture._em import EMGaussianMixture

__all__ = ["EMGaussianMixture"]
