"""Mixture models: estimators in scikit-learn's form."""

from skem.mixture._bootstrap import (
    LikelihoodRatioTest,
    StandardErrors,
    bootstrap_likelihood_ratio,
    bootstrap_standard_errors,
)
from skem.mixture._choice import GaussianMixtureIC
from skem.mixture._em import EMGaussianMixture
from skem.mixture._student import EMStudentMixture
from skem.mixture._summary import MixtureSummary
from skem.mixture._variational import VariationalGaussianMixture

__all__ = [
    "EMGaussianMixture",
    "EMStudentMixture",
    "GaussianMixtureIC",
    "LikelihoodRatioTest",
    "MixtureSummary",
    "StandardErrors",
    "VariationalGaussianMixture",
    "bootstrap_likelihood_ratio",
    "bootstrap_standard_errors",
]
