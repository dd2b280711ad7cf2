"""The kinds of columns by name."""

from __future__ import annotations

from typing import Any

from skem.families.kinds.bernoulli import Bernoulli
from skem.families.kinds.categorical import Categorical
from skem.families.kinds.exponential import Exponential
from skem.families.kinds.gamma import Gamma
from skem.families.kinds.geometric import Geometric
from skem.families.kinds.linear import LinearKind
from skem.families.kinds.lognormal import Lognormal
from skem.families.kinds.negative_binomial import NegativeBinomial
from skem.families.kinds.poisson import Poisson

__all__ = ["KINDS"]

KINDS: dict[str, type[LinearKind[Any]]] = {
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "exponential": Exponential,
    "gamma": Gamma,
    "geometric": Geometric,
    "lognormal": Lognormal,
    "negative_binomial": NegativeBinomial,
    "poisson": Poisson,
}
