"""The numba functions that do the work on rows: arrays in, arrays out, nothing else.

A submodule, and with it numba, is imported when it is first used, so that ``import skem`` stays
light: write ``from skem import kernels`` and then ``kernels.linear.linear_scores(...)``.
"""

from importlib import import_module
from types import ModuleType

__all__ = [
    "activations",
    "agglomeration",
    "centred",
    "coordinates",
    "covariances",
    "dense",
    "diagonal_gaps",
    "discrepancy",
    "elementary",
    "gap_inverses",
    "gaps",
    "gather",
    "gaussian_latent",
    "latent_scales",
    "likelihoods",
    "linear",
    "linear_gaps",
    "matrices",
    "noise",
    "normalise",
    "optimisers",
    "projected",
    "rotations",
    "rows",
    "shapes",
    "standardise",
    "student",
    "training",
    "variances",
    "volumes",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
