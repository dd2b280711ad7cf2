"""Covariance structures by the names that users give them."""

from __future__ import annotations

from skem.families.diag import DiagGaussian
from skem.families.full import FullGaussian
from skem.families.gaussian import GaussianFamily
from skem.families.parsimonious import PARSIMONIOUS
from skem.families.spherical import SphericalGaussian
from skem.families.tied import TiedGaussian

__all__ = ["GAUSSIAN_FAMILIES", "conjugate_names"]

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


def conjugate_names() -> list[str]:
    """List the names of those whose covariances have a conjugate prior."""
    return [name for name, family in GAUSSIAN_FAMILIES.items() if family.conjugate]
