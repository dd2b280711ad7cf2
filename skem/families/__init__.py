"""What a component is: one flat class for each covariance structure, and the weights."""

from skem.families.diag import DiagGaussian
from skem.families.freedom import DegreesOfFreedom
from skem.families.full import FullGaussian
from skem.families.gaussian import GaussianFamily
from skem.families.noise import NoisyFamily, NoisyStatistics
from skem.families.parameters import (
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    GaussianStatistics,
    SingularCovarianceError,
)
from skem.families.predictive import draw_components, predictive_scorer, sample_predictive
from skem.families.priors import (
    empirical_scale,
    given_scale,
    make_prior,
    observed_scale,
    user_scale,
)
from skem.families.registry import GAUSSIAN_FAMILIES, conjugate_names
from skem.families.spherical import SphericalGaussian
from skem.families.student import StudentFamily
from skem.families.student_data import StudentParameters, StudentStatistics, covariance_ratio
from skem.families.tied import TiedGaussian
from skem.families.weights import (
    CategoricalWeights,
    StickBreakingWeights,
    Sticks,
    VariationalWeights,
)

__all__ = [
    "GAUSSIAN_FAMILIES",
    "CategoricalWeights",
    "DegreesOfFreedom",
    "DiagGaussian",
    "FullGaussian",
    "GaussianFamily",
    "GaussianParameters",
    "GaussianPosterior",
    "GaussianPrior",
    "GaussianStatistics",
    "NoisyFamily",
    "NoisyStatistics",
    "SingularCovarianceError",
    "SphericalGaussian",
    "StickBreakingWeights",
    "Sticks",
    "StudentFamily",
    "StudentParameters",
    "StudentStatistics",
    "TiedGaussian",
    "VariationalWeights",
    "conjugate_names",
    "covariance_ratio",
    "draw_components",
    "empirical_scale",
    "given_scale",
    "make_prior",
    "observed_scale",
    "predictive_scorer",
    "sample_predictive",
    "user_scale",
]
