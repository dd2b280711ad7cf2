"""Latent-variable models for tables, in scikit-learn's form."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from skem._version import __version__

if TYPE_CHECKING:
    from skem import datasets, display, em, families, impute, inference, mixture, outliers, vae  # noqa: F401
    from skem.impute import MixtureImputer
    from skem.mixture import (
        EMGaussianMixture,
        EMMixture,
        EMStudentMixture,
        GaussianMixtureIC,
        MixtureIC,
        StudentMixtureIC,
        VariationalGaussianMixture,
        VariationalMixture,
        bootstrap_likelihood_ratio,
        bootstrap_standard_errors,
    )
    from skem.outliers import MixtureOutlierDetector
    from skem.vae import VAE, VQVAE, CategoricalVAE, InfoVAE

__all__ = [
    "VAE",
    "VQVAE",
    "CategoricalVAE",
    "EMGaussianMixture",
    "EMMixture",
    "EMStudentMixture",
    "GaussianMixtureIC",
    "InfoVAE",
    "MixtureIC",
    "MixtureImputer",
    "MixtureOutlierDetector",
    "StudentMixtureIC",
    "VariationalGaussianMixture",
    "VariationalMixture",
    "__version__",
    "bootstrap_likelihood_ratio",
    "bootstrap_standard_errors",
]

_HOMES = {
    "CategoricalVAE": "skem.vae",
    "EMGaussianMixture": "skem.mixture",
    "EMMixture": "skem.mixture",
    "EMStudentMixture": "skem.mixture",
    "GaussianMixtureIC": "skem.mixture",
    "InfoVAE": "skem.vae",
    "MixtureIC": "skem.mixture",
    "MixtureImputer": "skem.impute",
    "MixtureOutlierDetector": "skem.outliers",
    "StudentMixtureIC": "skem.mixture",
    "VAE": "skem.vae",
    "VQVAE": "skem.vae",
    "VariationalGaussianMixture": "skem.mixture",
    "VariationalMixture": "skem.mixture",
    "bootstrap_likelihood_ratio": "skem.mixture",
    "bootstrap_standard_errors": "skem.mixture",
}

_PACKAGES = (
    "datasets",
    "display",
    "em",
    "families",
    "impute",
    "inference",
    "mixture",
    "outliers",
    "vae",
)


def __getattr__(name: str) -> Any:
    # Late: scikit-learn takes seconds to import, which `skem --help` can do without.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _PACKAGES:
        return import_module(f"skem.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])
