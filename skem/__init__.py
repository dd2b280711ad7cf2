"""Latent-variable models for tables, in scikit-learn's form."""

from typing import TYPE_CHECKING, Any

from skem._version import __version__

if TYPE_CHECKING:
    from skem.mixture import EMGaussianMixture

__all__ = ["EMGaussianMixture", "__version__"]


def __getattr__(name: str) -> Any:
    # Late: scikit-learn takes seconds to import, which `skem --help` can do without.
    if name == "EMGaussianMixture":
        from skem.mixture import EMGaussianMixture

        return EMGaussianMixture
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
