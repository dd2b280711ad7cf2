"""Mixture models: estimators in scikit-learn's form."""

from skem.mixture._bootstrap import (
    LikelihoodRatioTest,
    bootstrap_likelihood_ratio,
)
from skem.mixture._choice import GaussianMixtureIC
from skem.mixture._em import EMGaussianMixture
from skem.mixture._em_mixture import EMMixture
from skem.mixture._mixed_choice import MixtureIC
from skem.mixture._profiles import BlockSummary
from skem.mixture._standard_errors import (
    BlockStandardErrors,
    StandardErrors,
    StudentStandardErrors,
    bootstrap_standard_errors,
)
from skem.mixture._student import EMStudentMixture
from skem.mixture._student_choice import StudentMixtureIC
from skem.mixture._summary import MixtureSummary
from skem.mixture._variational import VariationalGaussianMixture
from skem.mixture._variational_mixture import VariationalMixture

__all__ = [
    "BlockStandardErrors",
    "BlockSummary",
    "EMGaussianMixture",
    "EMMixture",
    "EMStudentMixture",
    "GaussianMixtureIC",
    "LikelihoodRatioTest",
    "MixtureIC",
    "MixtureSummary",
    "StandardErrors",
    "StudentMixtureIC",
    "StudentStandardErrors",
    "VariationalGaussianMixture",
    "VariationalMixture",
    "bootstrap_likelihood_ratio",
    "bootstrap_standard_errors",
]
