"""Pictures of fitted estimators, in scikit-learn's Display form."""

from skem.display._autoencoder import LatentDisplay, TrainingCurveDisplay
from skem.display._choice import ModelSelectionDisplay
from skem.display._mixture import MixtureDisplay
from skem.display._profile import ProfileDisplay

__all__ = [
    "LatentDisplay",
    "MixtureDisplay",
    "ModelSelectionDisplay",
    "ProfileDisplay",
    "TrainingCurveDisplay",
]
