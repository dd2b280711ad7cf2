"""How components meet the rows of a tile."""

from skem.scoring.centred import CentredDiagonalScorer, CentredScorer
from skem.scoring.gaps import DenseGaps, DiagonalGaps, GapScorer
from skem.scoring.gather import GatherScorer
from skem.scoring.latent_scales import (
    GapLatentScaleScorer,
    LatentScaleScorer,
    UnknownScaleScorer,
    gamma_entropy,
)
from skem.scoring.linear import LinearScorer
from skem.scoring.linear_gaps import LinearGapScorer, gap_scorer
from skem.scoring.noise import NoiseScorer
from skem.scoring.product import Layout, Part, ProductScorer, lay_out
from skem.scoring.projected import ProjectedScorer
from skem.scoring.scorer import (
    MomentScorer,
    Scorer,
    Scores,
    Sums,
    expect_tile,
    normalise,
    responsibilities,
)
from skem.scoring.student import FeatureStudentScorer, StudentScorer, log_t_height
from skem.scoring.student_gaps import GapFeatureStudentScorer, GapStudentScorer

__all__ = [
    "CentredDiagonalScorer",
    "CentredScorer",
    "DenseGaps",
    "DiagonalGaps",
    "FeatureStudentScorer",
    "GapFeatureStudentScorer",
    "GapLatentScaleScorer",
    "GapScorer",
    "GapStudentScorer",
    "GatherScorer",
    "LatentScaleScorer",
    "Layout",
    "LinearGapScorer",
    "LinearScorer",
    "MomentScorer",
    "NoiseScorer",
    "Part",
    "ProductScorer",
    "ProjectedScorer",
    "Scorer",
    "Scores",
    "StudentScorer",
    "Sums",
    "UnknownScaleScorer",
    "expect_tile",
    "gamma_entropy",
    "gap_scorer",
    "lay_out",
    "log_t_height",
    "normalise",
    "responsibilities",
]
