"""What a component is: one flat class for each covariance structure, and the weights.

The protocols are public: what inference and estimators ask of a family, by who asks. Those of kinds
of columns are in `skem.families.kinds`.
"""

from skem.families.contract import (
    Conjugate,
    Coordinates,
    Estimable,
    Extrapolable,
    Family,
    Searchable,
    Statistics,
)
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
    "Conjugate",
    "Coordinates",
    "DegreesOfFreedom",
    "DiagGaussian",
    "Estimable",
    "Extrapolable",
    "Family",
    "FullGaussian",
    "GaussianFamily",
    "GaussianParameters",
    "GaussianPosterior",
    "GaussianPrior",
    "GaussianStatistics",
    "NoisyFamily",
    "NoisyStatistics",
    "Searchable",
    "SingularCovarianceError",
    "SphericalGaussian",
    "Statistics",
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
