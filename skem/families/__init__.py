"""What a component is: one flat class for each covariance structure, and the weights."""

from skem.families.diag import DiagGaussian
from skem.families.full import FullGaussian
from skem.families.gaussian import GaussianFamily
from skem.families.parameters import (
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    GaussianStatistics,
    SingularCovarianceError,
)
from skem.families.parsimonious import PARSIMONIOUS
from skem.families.predictive import predictive_scorer, sample_predictive
from skem.families.scorers import Scorer, Scores
from skem.families.spherical import SphericalGaussian
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
    "DiagGaussian",
    "FullGaussian",
    "GaussianFamily",
    "GaussianParameters",
    "GaussianPosterior",
    "GaussianPrior",
    "GaussianStatistics",
    "Scorer",
    "Scores",
    "SingularCovarianceError",
    "SphericalGaussian",
    "StickBreakingWeights",
    "Sticks",
    "TiedGaussian",
    "VariationalWeights",
    "predictive_scorer",
    "sample_predictive",
]

GAUSSIAN_FAMILIES: dict[str, type[GaussianFamily]] = {
    "full": FullGaussian,
    "tied": TiedGaussian,
    "diag": DiagGaussian,
    "spherical": SphericalGaussian,
    "VVV": FullGaussian,
    "EEE": TiedGaussian,
    "VVI": DiagGaussian,
    "VII": SphericalGaussian,
    **PARSIMONIOUS,
}
