"""Kinds of columns: what distribution each column of a block has in a component."""

from skem.families.kinds.bernoulli import Bernoulli, BernoulliParameters
from skem.families.kinds.categorical import Categorical, CategoricalParameters, DirichletLaw
from skem.families.kinds.coded import CodedKind
from skem.families.kinds.conjugate import BetaLaw, GammaLaw
from skem.families.kinds.contract import ConjugateKind, Kind, Linear, LineStatistics
from skem.families.kinds.exponential import Exponential, ExponentialParameters
from skem.families.kinds.gamma import Gamma, GammaParameters
from skem.families.kinds.geometric import Geometric, GeometricParameters
from skem.families.kinds.linear import ConjugateLinearKind, LinearKind, UnboundedLikelihoodError
from skem.families.kinds.lognormal import Lognormal, LognormalParameters, NormalGammaLaw
from skem.families.kinds.negative_binomial import NegativeBinomial, NegativeBinomialParameters
from skem.families.kinds.poisson import Poisson, PoissonParameters

__all__ = [
    "Bernoulli",
    "BernoulliParameters",
    "BetaLaw",
    "Categorical",
    "CategoricalParameters",
    "CodedKind",
    "ConjugateKind",
    "ConjugateLinearKind",
    "DirichletLaw",
    "Exponential",
    "ExponentialParameters",
    "Gamma",
    "GammaLaw",
    "GammaParameters",
    "Geometric",
    "GeometricParameters",
    "Kind",
    "LineStatistics",
    "Linear",
    "LinearKind",
    "Lognormal",
    "LognormalParameters",
    "NegativeBinomial",
    "NegativeBinomialParameters",
    "NormalGammaLaw",
    "Poisson",
    "PoissonParameters",
    "UnboundedLikelihoodError",
]
