"""Pictures of fitted estimators, in scikit-learn's Display form."""

from skem.display._mixture import MixtureDisplay

__all__ = ["MixtureDisplay"]
