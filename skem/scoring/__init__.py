"""How components meet the rows of a tile."""

from skem.scoring.centred import CentredDiagonalScorer, CentredScorer
from skem.scoring.gaps import DenseGaps, DiagonalGaps, GapScorer
from skem.scoring.linear import LinearScorer
from skem.scoring.projected import ProjectedScorer
from skem.scoring.scorer import (
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
    "GapScorer",
    "GapStudentScorer",
    "LinearScorer",
    "ProjectedScorer",
    "Scorer",
    "Scores",
    "StudentScorer",
    "Sums",
    "expect_tile",
    "log_t_height",
    "normalise",
    "responsibilities",
]
