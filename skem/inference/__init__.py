"""Rules that turn statistics into parameters, the loops around them, and where they start."""

from skem.inference.agglomeration import Tree, grow_tree
from skem.inference.extrapolation import ACCELERATIONS
from skem.inference.initialisation import Start
from skem.inference.loops import Earlier, Run, batch_em, blend
from skem.inference.merging import batch_em_merging
from skem.inference.passes import EStep, Passes
from skem.inference.rules import (
    MixtureParameters,
    MixturePosterior,
    PointRule,
    Rule,
    Theta,
    VariationalRule,
    joint_scorer,
)
from skem.inference.search import SEARCH, START_METHODS, find_start
from skem.inference.shares import GivenShares
from skem.inference.tasks import Assign, Certainty, ComputeResponsibilities, LogDensity

__all__ = [
    "ACCELERATIONS",
    "SEARCH",
    "START_METHODS",
    "Assign",
    "Certainty",
    "ComputeResponsibilities",
    "EStep",
    "Earlier",
    "GivenShares",
    "LogDensity",
    "MixtureParameters",
    "MixturePosterior",
    "Passes",
    "PointRule",
    "Rule",
    "Run",
    "Start",
    "Theta",
    "Tree",
    "VariationalRule",
    "batch_em",
    "batch_em_merging",
    "blend",
    "find_start",
    "grow_tree",
    "joint_scorer",
]
