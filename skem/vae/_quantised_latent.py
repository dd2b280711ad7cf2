"""The latent that is a choice from a codebook."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from skem.vae._latents import Batch

__all__ = ["QuantisedLatent", "QuantisedSpace"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# Share of the old in the moving averages of counts and sums (van den Oord et al., appendix A.1).
_KEPT = 0.99

# A row whose squared distance to its code is a smaller share of the rows' variance needs none.
_NEAR = 1e-3


class QuantisedSpace(NamedTuple):
    """Arrays of a batch of n rows, M codes each, of d numbers."""

    z: Floats  # (n, M d)
    z_gradient: Floats  # (n, M d)
    line_weights: Array  # (n,)
    chosen: NDArray[np.intp]  # (n M,)
    kl: Array  # (n, 1): zero, a choice is certain
    divergence: Array  # (1, 1)


@dataclass(frozen=True)
class QuantisedLatent:
    """The nearest of K vectors, for each of M parts of the encoder's output.

    Its parameters are the codebook (K, d) and, for moving averages, counts (K,) and sums (K, d).

    Parameters
    ----------
    n_codes, n_latent_codes, n_latent : int
        K, M and d.
    commitment_cost : float
        Factor of the squared distance to the codebook, which the encoder lowers.
    ema : bool
        Whether codes follow the moving averages of what is assigned to them, or gradients.
    """

    n_codes: int
    n_latent_codes: int
    n_latent: int
    commitment_cost: float
    ema: bool
    n_samples = 1
    is_gaussian = False

    @property
    def n_head(self) -> int:
        """What is quantised."""
        return self.n_latent_codes * self.n_latent

    @property
    def n_inputs(self) -> int:
        """The vectors that were chosen."""
        return self.n_head

    @property
    def optimised(self) -> bool:
        """Whether the codebook has a gradient."""
        return not self.ema

    @property
    def n_parameters(self) -> int:
        """Of the codebook, and of the moving averages."""
        size = self.n_codes * self.n_latent
        return 2 * size + self.n_codes if self.ema else size

    def codebook(self, parameters: Floats) -> Floats:
        """Return a view of the codes (K, d)."""
        size = self.n_codes * self.n_latent
        return parameters[:size].reshape(self.n_codes, self.n_latent)

    def _averages(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return views of counts (K,) and sums (K, d)."""
        size = self.n_codes * self.n_latent
        counts, sums = parameters[size : size + self.n_codes], parameters[size + self.n_codes :]
        return counts, sums.reshape(self.n_codes, self.n_latent)

    def choose(self, parameters: Floats, head: Floats) -> NDArray[np.intp]:
        """Return the nearest code of each part (n M,)."""
        vectors, codes = head.reshape(-1, self.n_latent), self.codebook(parameters)
        squares = np.square(codes).sum(axis=1)
        return (squares - 2.0 * (vectors @ codes.T)).argmin(axis=1)

    def space(self, n_rows: int, dtype: Any) -> QuantisedSpace:
        """Make room for a batch."""
        return QuantisedSpace(
            np.empty((n_rows, self.n_head), dtype),
            np.empty((n_rows, self.n_head), dtype),
            np.empty(n_rows),
            np.empty(n_rows * self.n_latent_codes, np.intp),
            np.zeros((n_rows, 1)),
            np.zeros((1, 1)),
        )

    def forward(
        self, parameters: Floats, head: Floats, batch: Batch, beta: float, space: QuantisedSpace
    ) -> float:
        """Choose codes; return the squared distances to them, with their factors.

        Encoder and codebook each lower their own share of them; the cost is both together.
        """
        space.chosen[:] = self.choose(parameters, head)
        space.z[:] = self.codebook(parameters)[space.chosen].reshape(head.shape)
        space.line_weights[:] = batch.weights
        squares = np.square(head - space.z, dtype=np.float64).sum(axis=1)
        factor = self.commitment_cost + (0.0 if self.ema else 1.0)
        return factor * float(batch.weights @ squares)

    def backward(
        self,
        parameters: Floats,
        gradient: Floats,
        head: Floats,
        batch: Batch,
        beta: float,
        losses: Array,
        space: QuantisedSpace,
    ) -> Floats:
        """Return the gradient at the encoder's output.

        The decoder's gradient goes straight through the choice (van den Oord et al. 2017, section
        3.2). ``gradient`` receives the codebook's, or a batch's counts and sums.
        """
        lines = np.repeat(batch.weights, self.n_latent_codes)
        vectors = head.reshape(-1, self.n_latent).astype(np.float64)
        counts = np.bincount(space.chosen, lines, self.n_codes)
        sums = np.zeros((self.n_codes, self.n_latent))
        np.add.at(sums, space.chosen, lines[:, None] * vectors)
        if self.ema:
            self.codebook(gradient)[:] = 0.0
            own_counts, own_sums = self._averages(gradient)
            own_counts[:], own_sums[:] = counts, sums
        else:
            self.codebook(gradient)[:] = 2.0 * (counts[:, None] * self.codebook(parameters) - sums)
        pull = (2.0 * self.commitment_cost) * batch.weights[:, None] * (head - space.z)
        return (space.z_gradient + pull).astype(head.dtype)

    def absorb(self, parameters: Floats, statistics: Floats) -> None:
        """Move the averages towards a batch's counts and sums, and codes to their means."""
        counts, sums = self._averages(parameters)
        new_counts, new_sums = self._averages(statistics)
        counts *= _KEPT
        counts += (1.0 - _KEPT) * new_counts
        sums *= _KEPT
        sums += (1.0 - _KEPT) * new_sums
        used = counts > 1e-12
        self.codebook(parameters)[used] = sums[used] / counts[used, None]

    def renew(
        self, parameters: Floats, head: Floats, weights: Array, rng: np.random.RandomState
    ) -> None:
        """Start the codebook by k-means; later, move codes that no row uses to far vectors."""
        codes, vectors = self.codebook(parameters), head.reshape(-1, self.n_latent)
        if not codes.any():
            codes[:] = self._start(vectors, np.repeat(weights, self.n_latent_codes), rng)
            restarted = np.arange(self.n_codes)
        else:
            restarted = self._restart(codes, vectors, self.choose(parameters, head), rng)
        if self.ema:
            counts, sums = self._averages(parameters)
            counts[restarted] = self.n_latent_codes / self.n_codes
            sums[restarted] = counts[restarted, None] * codes[restarted]

    def _restart(
        self,
        codes: Floats,
        vectors: Floats,
        chosen: NDArray[np.intp],
        rng: np.random.RandomState,
    ) -> NDArray[np.intp]:
        """Move codes out of use to vectors that are far from their own; return which moved."""
        squares = np.square(vectors - codes[chosen], dtype=np.float64).sum(axis=1)
        spread = np.square(vectors - vectors.mean(axis=0), dtype=np.float64).sum(axis=1).mean()
        squares[squares < _NEAR * spread] = 0.0
        unused = np.setdiff1d(np.arange(self.n_codes), chosen)
        moved = unused[: np.count_nonzero(squares)]
        if len(moved):
            # As k-means++ chooses: with the squared distance as the weight.
            share = squares / squares.sum()
            codes[moved] = vectors[rng.choice(len(vectors), len(moved), replace=False, p=share)]
        return moved

    def _start(self, vectors: Floats, weights: Array, rng: np.random.RandomState) -> Floats:
        if len(vectors) <= self.n_codes:
            return vectors[np.arange(self.n_codes) % len(vectors)]
        with warnings.catch_warnings():
            # Fewer distinct vectors than codes: some codes are equal.
            warnings.simplefilter("ignore", ConvergenceWarning)
            centres: Floats = (
                KMeans(self.n_codes, n_init=1, random_state=rng)
                .fit(vectors, sample_weight=weights)
                .cluster_centers_
            )
        return centres

    def sampling(self, n_samples: int) -> QuantisedLatent:
        """Return the same: nothing is drawn."""
        return self

    def code(self, parameters: Floats, head: Floats) -> Floats:
        """Return the vectors that were chosen."""
        return self.codebook(parameters)[self.choose(parameters, head)].reshape(head.shape)

    def diagnose(
        self, parameters: Floats, head: Floats, weights: Array
    ) -> tuple[dict[str, Any], str]:
        """Count how often each code is chosen."""
        chosen = self.choose(parameters, head)
        lines = np.repeat(weights, self.n_latent_codes)
        usage = np.bincount(chosen, lines, self.n_codes) / lines.sum()
        used = usage[usage > 0]
        combinations, which = np.unique(
            chosen.reshape(len(head), -1).astype(np.int64), axis=0, return_inverse=True
        )
        attributes = {
            "codebook_": self.codebook(parameters).copy(),
            "code_frequencies_": usage,
            "combinations_": combinations,
            "combination_frequencies_": np.bincount(which.ravel(), weights) / weights.sum(),
            "perplexity_": float(np.exp(-(used * np.log(used)).sum())),
        }
        return attributes, "" if len(used) > 1 or self.n_codes == 1 else _COLLAPSED

    def log_shares(self, head: Floats, space: QuantisedSpace) -> Array:
        """Return zeros: the likelihood is that of the row given its own code."""
        return np.zeros(len(space.z))


_COLLAPSED = (
    "The codebook has collapsed: all rows have the same code (perplexity_=1). Decrease a known "
    "noise_variance, increase n_latent_codes, or train for longer (max_epochs, learning_rate_init)."
)
