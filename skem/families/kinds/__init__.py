"""Kinds of columns: what distribution each column of a block has in a component."""

from skem.families.kinds.contract import ConjugateKind, Kind, Linear, LineStatistics
from skem.families.kinds.linear import LinearKind
from skem.families.kinds.poisson import Poisson, PoissonParameters

__all__ = [
    "ConjugateKind",
    "Kind",
    "LineStatistics",
    "Linear",
    "LinearKind",
    "Poisson",
    "PoissonParameters",
]
