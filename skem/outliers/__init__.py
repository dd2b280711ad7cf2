"""Outlier detection by log densities, in scikit-learn's form."""

from skem.outliers._detector import MixtureOutlierDetector

__all__ = ["MixtureOutlierDetector"]
