"""Missing cells filled by a fitted mixture of blocks."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skem._parameters import check_parameters, none, one_of
from skem._parameters import random_state as seeds
from skem.families.product import Block
from skem.inference import MixtureParameters
from skem.mixture._impute import METHODS, fill_gaussian

__all__ = ["impute_blocks"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


def impute_blocks(
    estimator: Any,
    X: Floats,
    resp: Floats,
    method: str,
    random_state: int | np.random.RandomState | None,
) -> Array:
    """Fill the missing cells of checked rows; see `BlockMixtureMethods.impute`."""
    check_parameters(
        "impute",
        {"method": method, "random_state": random_state},
        {"method": (one_of(METHODS),), "random_state": (seeds, none)},
    )
    rng = estimator._record.sampler if random_state is None else check_random_state(random_state)
    share: Array = resp.astype(np.float64)
    if method != "mean":
        share = np.eye(share.shape[1])[_components(share, method, rng)]
    family = estimator._kind.family(estimator)
    parameters = estimator._kind.read_parameters(estimator, family)
    weights = np.asarray(estimator.weights_, dtype=np.float64)
    filled: Array = X.astype(np.float64)
    for block, own in zip(family.blocks, parameters, strict=True):
        cells: Array = filled[:, block.columns]
        if np.isnan(cells).any():
            theta = MixtureParameters(weights, own)
            filled[:, block.columns] = _fill(block, theta, cells, share, method, rng)
    return filled


def _components(resp: Array, method: str, rng: np.random.RandomState) -> NDArray[np.intp]:
    """Return a component of each row: the most probable, or one drawn, for all blocks alike."""
    if method == "mode":
        return resp.argmax(axis=1)
    total = np.cumsum(resp, axis=1)
    labels = (rng.uniform(size=(len(resp), 1)) * total[:, -1:] >= total).sum(axis=1)
    result: NDArray[np.intp] = np.minimum(labels, resp.shape[1] - 1)
    return result


def _fill(
    block: Block,
    theta: MixtureParameters,
    cells: Array,
    resp: Array,
    method: str,
    rng: np.random.RandomState,
) -> Array:
    if block.is_gaussian:
        choose = METHODS["draw" if method == "draw" else "mean"]
        return np.asarray(fill_gaussian(block.family, theta, resp, cells, choose, rng))
    kind = block.family.kind
    if method == "draw":
        values = kind.sample(theta.components, resp.argmax(axis=1), rng)
    else:
        values = kind.impute(theta.components, resp)
    result: Array = np.where(np.isnan(cells), values, cells)
    return result
