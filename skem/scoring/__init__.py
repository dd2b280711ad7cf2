"""How components meet the rows of a tile."""

from skem.scoring.centred import CentredDiagonalScorer, CentredScorer
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
from skem.scoring.student import FeatureStudentScorer, StudentScorer

__all__ = [
    "CentredDiagonalScorer",
    "CentredScorer",
    "FeatureStudentScorer",
    "LinearScorer",
    "ProjectedScorer",
    "Scorer",
    "Scores",
    "StudentScorer",
    "Sums",
    "expect_tile",
    "normalise",
    "responsibilities",
]
