"""Missing cells filled by a fitted mixture: by expectations, draws or the likeliest component."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from skem._parameters import check_parameters, integer, none, one_of
from skem._parameters import random_state as seeds
from skem.engine import index_gaps
from skem.families import GaussianFamily
from skem.families.parameters import shares_of
from skem.inference import ComputeResponsibilities, MixtureParameters
from skem.mixture._evaluating import evaluate
from skem.mixture._fitting import fit_quietly
from skem.mixture._point import POINT
from skem.mixture._reading import make_family
from skem.mixture._record import sampler_of
from skem.mixture._shared import GIVEN_STARTS

__all__ = ["METHODS", "check_draws", "fill_gaussian", "generator", "impute", "refit"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]
Rng: TypeAlias = np.random.RandomState

# Numbers of conditional means that are held at a time: 8 MB.
_VALUES = 1_000_000


class _Belonging(NamedTuple):
    """Parameters, and the probabilities (n_rows, K) that rows belong to their components."""

    theta: MixtureParameters
    resp: Floats


class _Scales(NamedTuple):
    """Gamma distributions of rows' scales, given their seen cells.

    Attributes
    ----------
    shapes : ndarray of shape (K,)
    rates : ndarray of shape (K, m)
    """

    shapes: Array
    rates: Array


class _Piece(NamedTuple):
    """What is known of some rows with the same gap, in standardised units.

    Attributes
    ----------
    rows : ndarray of shape (m,), intp
    gap : ndarray of shape (q,), intp
    expected : ndarray of shape (K, m, q)
        Conditional means of the missing cells.
    factors : ndarray of shape (K, q, q)
        Lower triangular L; the conditional covariance is the inverse of ``L L'``, over the row's
        scale.
    scales : Scales or None
        None where all rows have a scale of 1: they are Gaussian.
    """

    rows: NDArray[np.intp]
    gap: NDArray[np.intp]
    expected: Array
    factors: Array
    scales: _Scales | None


def impute(
    estimator: Any,
    X: Floats,
    method: str,
    n_draws: int,
    parameters: str,
    random_state: int | Rng | None,
) -> Floats:
    """Fill the missing cells of checked rows; see `BaseMixture.impute`."""
    ways: dict[str, Callable[..., _Belonging]] = {"fixed": _fixed, "bootstrap": _refitted}
    ways |= {name: partial(_drawn, draw) for name, draw in estimator._kind.parameter_draws.items()}
    check_draws(method, n_draws, parameters, random_state, ways)
    rng = generator(estimator, random_state)
    family, belonging = make_family(estimator), None
    tables = []
    for _ in range(n_draws):
        if belonging is None or parameters != "fixed":
            belonging = ways[parameters](estimator, X, rng)
        tables.append(_fill(family, belonging, X, METHODS[method], rng))
    return tables[0] if n_draws == 1 else np.stack(tables)


def check_draws(
    method: str,
    n_draws: int,
    parameters: str,
    random_state: int | Rng | None,
    ways: Collection[str],
) -> None:
    """Check what `impute` is given; ``ways`` are what ``parameters`` may be."""
    given = {"method": method, "n_draws": n_draws, "parameters": parameters}
    check_parameters(
        "impute",
        given | {"random_state": random_state},
        {
            "method": (one_of(METHODS),),
            "n_draws": (integer(1),),
            "parameters": (one_of(ways),),
            "random_state": (seeds, none),
        },
    )
    if method != "draw" and (n_draws > 1 or parameters != "fixed"):
        raise ValueError(
            f"method={method!r} fills the cells once, by the fitted parameters, but got "
            f"n_draws={n_draws} and parameters={parameters!r}: these need method='draw'"
        )


def generator(estimator: Any, random_state: int | Rng | None) -> Rng:
    """Return the source of draws: the one that `sample` goes on with, too, if none is given."""
    if random_state is None:
        return sampler_of(estimator)
    rng: Rng = check_random_state(random_state)
    return rng


# --- parameters -----------------------------------------------------------------------------


def _fixed(estimator: Any, X: Floats, rng: Rng) -> _Belonging:
    """Take the fitted parameters."""
    components = estimator._kind.read(estimator, make_family(estimator)).components
    weights = np.asarray(estimator.weights_, dtype=np.float64)
    resp = _responsibilities(estimator, X)
    return _without_noise(MixtureParameters(weights, components), resp)


def _responsibilities(estimator: Any, X: Floats) -> Floats:
    # Not by `predict_proba`, which would look for the names of columns that checked rows have lost.
    ask = partial(ComputeResponsibilities, dtype=X.dtype)
    result: Floats = estimator._evaluate(X, estimator._kind.assigner, ask)[0]
    return result


def _without_noise(theta: MixtureParameters, resp: Floats) -> _Belonging:
    """Return what is known if rows are no noise, whose column of ``resp`` is the last.

    What is nothing but noise has the components' weights.
    """
    k = len(theta.components.means)
    if resp.shape[1] == k:
        return _Belonging(theta, resp)
    weights = shares_of(theta.weights[:k])
    total = resp[:, :k].sum(axis=1, keepdims=True)
    share = np.where(total > 0, resp[:, :k] / np.where(total > 0, total, 1), weights)
    return _Belonging(theta._replace(weights=weights), share.astype(resp.dtype))


def _refitted(estimator: Any, X: Floats, rng: Rng) -> _Belonging:
    """Fit anew to the rows with random weights."""
    return _fixed(refit(estimator, X, _responsibilities(estimator, X), rng), X, rng)


def refit(estimator: Any, X: Floats, resp: Floats, rng: Rng) -> Any:
    """Fit anew to rows with random weights (Newton & Raftery 1994), from where they belong."""
    weights = rng.standard_exponential(len(X))
    start = {name: None for name in GIVEN_STARTS if hasattr(estimator, name)}
    share = resp.astype(np.float64)
    again = clone(estimator).set_params(
        **start,
        init_params=share / share.sum(axis=1, keepdims=True),
        n_init=1,
        warm_start=False,
        verbose=0,
        random_state=0,
    )
    # Checked rows have lost what is known of the columns of blocks.
    vars(again).update(
        {name: value for name, value in vars(estimator).items() if name == "_layout"}
    )
    fit_quietly(again, estimator._kind, X, weights / weights.mean())
    return again


def _drawn(
    draw: Callable[..., MixtureParameters], estimator: Any, X: Floats, rng: Rng
) -> _Belonging:
    """Draw parameters."""
    family = make_family(estimator)
    theta = draw(estimator, family, rng)
    resp = evaluate(estimator, POINT, family, theta, X, POINT.assigner, ComputeResponsibilities)[0]
    return _without_noise(theta, resp)


# --- what is put into a gap -----------------------------------------------------------------


def _mean(piece: _Piece, resp: Floats, rng: Rng) -> Array:
    """Return conditional means over all components, (m, q)."""
    result: Array = np.einsum("mk,kmq->mq", resp, piece.expected)
    return result


def _mode(piece: _Piece, resp: Floats, rng: Rng) -> Array:
    """Return the most probable components' conditional means, (m, q)."""
    result: Array = piece.expected[resp.argmax(axis=1), np.arange(len(resp))]
    return result


def _draw(piece: _Piece, resp: Floats, rng: Rng) -> Array:
    """Draw a component for each row, then from its conditional distribution, (m, q)."""
    total = np.cumsum(resp, axis=1, dtype=np.float64)
    labels = (rng.uniform(size=(len(resp), 1)) * total[:, -1:] >= total).sum(axis=1)
    labels = np.minimum(labels, resp.shape[1] - 1)
    result: Array = piece.expected[labels, np.arange(len(resp))]
    noise = rng.standard_normal(result.shape)
    if piece.scales is not None:
        shapes, rates = piece.scales
        drawn = rng.standard_gamma(shapes[labels]) / rates[labels, np.arange(len(resp))]
        noise /= np.sqrt(np.maximum(drawn, np.finfo(np.float64).tiny))[:, None]
    for k in np.unique(labels):
        own = labels == k
        result[own] += np.linalg.solve(piece.factors[k].T, noise[own].T).T
    return result


METHODS: dict[str, Callable[[_Piece, Floats, Rng], Array]] = {
    "draw": _draw,
    "mean": _mean,
    "mode": _mode,
}


def _fill(
    family: GaussianFamily,
    belonging: _Belonging,
    X: Floats,
    choose: Callable[[_Piece, Floats, Rng], Array],
    rng: Rng,
) -> Floats:
    """Return the table with its gaps filled; seen cells keep their bits."""
    theta, resp = belonging
    return fill_gaussian(family, theta, resp, X, choose, rng)


def fill_gaussian(
    family: GaussianFamily,
    theta: MixtureParameters,
    resp: Floats,
    X: Floats,
    choose: Callable[[_Piece, Floats, Rng], Array],
    rng: Rng,
) -> Floats:
    """Return rows of Gaussian columns with their gaps filled; parameters in the user's units."""
    origin = theta.weights @ theta.components.means
    scale = family.typical_scale(theta.weights, theta.components)
    components = family.standardise(theta.components, origin, scale)
    precisions = family.precisions(components.factors)
    precisions = family.gaussian.dense(precisions, *components.means.shape)
    freedom = getattr(components, "freedom", None)
    result = np.array(X)
    for piece in _pieces(X, components.means, precisions, freedom, origin, scale):
        values = choose(piece, resp[piece.rows], rng)
        result[np.ix_(piece.rows, piece.gap)] = values * scale[piece.gap] + origin[piece.gap]
    return result


def _pieces(
    X: Floats,
    means: Array,
    precisions: Array,
    freedom: Array | None,
    origin: Array,
    scale: Array,
) -> Iterator[_Piece]:
    """Go through the rows with gaps, pattern by pattern.

    With the precision Λ, the gap g and the seen cells o: ``E[x_g | x_o] = m_g - inv(Λ_gg) Λ_go
    (x_o - m_o)``, and the conditional covariance is ``inv(Λ_gg)`` (Bishop 2006, 2.73 and 2.75).
    With degrees of freedom (K,) that holds of rows with a scale of 1, and the scales have the
    posteriors that `skem.kernels.latent_scales` says.
    """
    n_components, n_features = means.shape
    most = max(1, _VALUES // (n_components * n_features))
    index = index_gaps(X, None)
    for start, stop, missing in zip(index.first[:-1], index.first[1:], index.missing, strict=True):
        gap, seen = np.flatnonzero(missing), np.flatnonzero(~missing)
        if not len(gap):
            continue
        block = precisions[:, gap]
        factors = np.linalg.cholesky(block[:, :, gap]).astype(np.float64, copy=False)
        slopes = -np.linalg.solve(block[:, :, gap], block[:, :, seen])
        for first in range(start, stop, most):
            rows = index.order[first : min(first + most, stop)]
            cells = X[np.ix_(rows, seen)].astype(np.float64)
            apart = (cells - origin[seen]) / scale[seen] - means[:, None, seen]
            change = apart @ np.swapaxes(slopes, 1, 2)
            scales = None
            if freedom is not None:
                # The marginal precision is Λ_oo - Λ_og inv(Λ_gg) Λ_go.
                weighted = apart @ precisions[:, seen][:, :, seen]
                weighted += change @ block[:, :, seen]
                distances = (weighted * apart).sum(axis=2)
                scales = _Scales(0.5 * (freedom + len(seen)), 0.5 * (freedom[:, None] + distances))
            yield _Piece(rows, gap, means[:, None, gap] + change, factors, scales)
