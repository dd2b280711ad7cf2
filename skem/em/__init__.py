"""Expectation-maximisation for a model of one's own."""

from skem.em._fit import fit
from skem.em._loop import Iteration, Result
from skem.em._model import Model

__all__ = ["Iteration", "Model", "Result", "fit"]
