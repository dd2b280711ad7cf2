"""Missing cells filled by a fitted mixture of blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families.product import Block, ProductFamily
from skem.inference import ComputeResponsibilities, MixtureParameters
from skem.mixture._evaluating import evaluate
from skem.mixture._impute import METHODS, check_draws, fill_gaussian, generator, refit
from skem.mixture._mixed import BLOCK_POINT

__all__ = ["impute_blocks", "impute_tables"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]
Rng: TypeAlias = np.random.RandomState


def impute_tables(
    estimator: Any,
    X: Floats,
    method: str,
    n_draws: int,
    parameters: str,
    random_state: int | Rng | None,
) -> list[Array]:
    """Fill the missing cells of checked rows several times; see `BlockMixtureMethods.impute`."""
    ways: dict[str, Callable[..., Any]] = {"fixed": _fixed, "bootstrap": _refitted}
    ways |= {name: partial(_drawn, draw) for name, draw in estimator._kind.parameter_draws.items()}
    check_draws(method, n_draws, parameters, random_state, ways)
    rng = generator(estimator, random_state)
    family = estimator._kind.family(estimator)
    tables: list[Array] = []
    for _ in range(n_draws):
        if not tables or parameters != "fixed":
            theta, resp = ways[parameters](estimator, family, X, rng)
        tables.append(_fill_blocks(family, theta, resp, X, method, rng))
    return tables


def impute_blocks(estimator: Any, X: Floats, resp: Floats, method: str, rng: Rng) -> Array:
    """Fill the missing cells of checked rows, given responsibilities, by fitted parameters."""
    family = estimator._kind.family(estimator)
    return _fill_blocks(family, _parameters(estimator, family), resp, X, method, rng)


# --- parameters -----------------------------------------------------------------------------


def _parameters(estimator: Any, family: ProductFamily) -> MixtureParameters:
    weights = np.asarray(estimator.weights_, dtype=np.float64)
    return MixtureParameters(weights, estimator._kind.read_parameters(estimator, family))


def _fixed(
    estimator: Any, family: ProductFamily, X: Floats, rng: Rng
) -> tuple[MixtureParameters, Floats]:
    """Take the fitted parameters."""
    ask = partial(ComputeResponsibilities, dtype=X.dtype)
    resp = estimator._evaluate(X, estimator._kind.assigner, ask)[0]
    return _parameters(estimator, family), resp


def _refitted(
    estimator: Any, family: ProductFamily, X: Floats, rng: Rng
) -> tuple[MixtureParameters, Floats]:
    """Fit anew to rows with random weights."""
    _, resp = _fixed(estimator, family, X, rng)
    return _fixed(refit(estimator, X, resp, rng), family, X, rng)


def _drawn(
    draw: Callable[..., MixtureParameters],
    estimator: Any,
    family: ProductFamily,
    X: Floats,
    rng: Rng,
) -> tuple[MixtureParameters, Floats]:
    """Draw parameters."""
    theta = draw(estimator, family, rng)
    ask = ComputeResponsibilities
    resp = evaluate(estimator, BLOCK_POINT, family, theta, X, BLOCK_POINT.assigner, ask)[0]
    return theta, resp


# --- what is put into a gap -----------------------------------------------------------------


def _fill_blocks(
    family: ProductFamily,
    theta: MixtureParameters,
    resp: Floats,
    X: Floats,
    method: str,
    rng: Rng,
) -> Array:
    """Return the table with its gaps filled; parameters are in the user's units."""
    share: Array = resp.astype(np.float64)
    if method != "mean":
        share = np.eye(share.shape[1])[_components(share, method, rng)]
    filled: Array = X.astype(np.float64)
    for block, own in zip(family.blocks, theta.components, strict=True):
        cells: Array = filled[:, block.columns]
        if np.isnan(cells).any():
            of_block = MixtureParameters(theta.weights, own)
            filled[:, block.columns] = _fill(block, of_block, cells, share, method, rng)
    return filled


def _components(resp: Array, method: str, rng: Rng) -> NDArray[np.intp]:
    """Return a component of each row: the most probable, or one drawn, for all blocks alike."""
    if method == "mode":
        return resp.argmax(axis=1)
    total = np.cumsum(resp, axis=1)
    labels = (rng.uniform(size=(len(resp), 1)) * total[:, -1:] >= total).sum(axis=1)
    result: NDArray[np.intp] = np.minimum(labels, resp.shape[1] - 1)
    return result


def _fill(
    block: Block, theta: MixtureParameters, cells: Array, resp: Array, method: str, rng: Rng
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
