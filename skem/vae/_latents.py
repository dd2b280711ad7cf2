"""Latents: what lies between encoder and decoder, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels

__all__ = ["Batch", "GaussianLatent", "GaussianSpace", "Latent", "LatentSpace", "ScoringLatent"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

_ACTIVE = 0.01
_COLLAPSED = (
    "The posterior has collapsed: no dimension of the code depends on the rows "
    "(n_active_units_=0), and the decoder ignores it. Decrease beta or a known noise_variance, set "
    "kl_warmup_steps or free_bits, or train for longer (max_epochs, learning_rate_init)."
)


class Batch(NamedTuple):
    """Rows as a network reads them.

    Attributes
    ----------
    x : ndarray of shape (n_rows, n_features)
        Standardised, of the network's dtype.
    keys : ndarray of shape (n_rows,), uint64
        The source of each row's random numbers.
    weights : ndarray of shape (n_rows,), float64
        Weights that losses are summed with.
    step : ndarray of shape (1,), uint64
        The other source.
    """

    x: Floats
    keys: NDArray[np.uint64]
    weights: Array
    step: NDArray[np.uint64]

    def some(self, rows: slice) -> Batch:
        """Return some of the rows."""
        return Batch(self.x[rows], self.keys[rows], self.weights[rows], self.step)


class LatentSpace(Protocol):
    """The arrays of a batch of n rows that others read; a latent has more of its own."""

    @property
    def z(self) -> Floats:
        """The decoder's input, a line for each sample (n_lines, n_inputs)."""

    @property
    def z_gradient(self) -> Floats:
        """The loss's gradient there; without lines if nobody asks for it."""

    @property
    def line_weights(self) -> Array:
        """Weights of the lines (n_lines,)."""

    @property
    def kl(self) -> Array:
        """Divergence of each row's code in each dimension (n, n_latent), in nats."""

    @property
    def divergence(self) -> Array:
        """In the first line, its sums over rows with their weights."""


class Latent(Protocol):
    """What training needs of a latent; its arrays are in a space that it makes itself."""

    @property
    def n_head(self) -> int:
        """Width of the encoder's output."""

    @property
    def n_inputs(self) -> int:
        """Width of the decoder's input."""

    @property
    def n_parameters(self) -> int:
        """Parameters of its own."""

    @property
    def optimised(self) -> bool:
        """Whether the optimiser moves those; otherwise `absorb` does."""

    @property
    def n_samples(self) -> int:
        """Lines that the decoder gets for each row."""

    @property
    def is_gaussian(self) -> bool:
        """Whether the encoder's output is means, then log-variances, of codes N(0, I)."""

    def space(self, n_rows: int, dtype: Any) -> LatentSpace:
        """Make room for a batch."""

    def forward(
        self, parameters: Floats, head: Floats, batch: Batch, beta: float, space: Any
    ) -> float:
        """Write the decoder's input and the weights of its lines; return what the code costs."""

    def backward(
        self,
        parameters: Floats,
        gradient: Floats,
        head: Floats,
        batch: Batch,
        beta: float,
        losses: Array,
        space: Any,
    ) -> Floats:
        """Return the gradient at the encoder's output, of losses and of the cost."""

    def absorb(self, parameters: Floats, statistics: Floats) -> None:
        """Update its own parameters after a step, by what `backward` left in the gradient."""

    def renew(
        self, parameters: Floats, head: Floats, weights: Array, rng: np.random.RandomState
    ) -> None:
        """Start its own parameters, or those out of use, from codes of some rows."""

    def sampling(self, n_samples: int) -> Latent:
        """Return the same latent with another number of random samples, if it has any."""

    def code(self, parameters: Floats, head: Floats) -> Floats:
        """Return each row's code as the decoder reads it, without chance (n_rows, n_inputs)."""

    def diagnose(
        self, parameters: Floats, head: Floats, weights: Array
    ) -> tuple[dict[str, Any], str]:
        """Return fitted attributes that say how much the code is used, and a warning or ''."""

    def log_shares(self, head: Floats, space: Any) -> Array:
        """Return what each line adds to ``log p(x | z)`` in ``log p(x)``'s sum over lines."""


class GaussianSpace(NamedTuple):
    """Arrays of a batch of n rows, S samples each, L dimensions."""

    noise: Floats  # (S n, L)
    z: Floats  # (S n, L)
    z_gradient: Floats  # (S n, L)
    line_weights: Array  # (S n,)
    mean: Array  # (n, L): these three are the encoder's output in float64
    log_variance: Array  # (n, L)
    deviation: Array  # (n, L)
    kl: Array  # (n, L)
    divergence: Array  # (2, L): sums of the divergences and of what of them counts
    head_gradient: Floats  # (n, 2 L)


@dataclass(frozen=True)
class GaussianLatent:
    """N(mu(x), diag(sigma(x)^2)) under the prior N(0, I) (Kingma & Welling 2014).

    Parameters
    ----------
    n_latent : int
        Dimensions L.
    n_samples : int
        Reparameterised samples of each row.
    free_bits : float
        Divergence of each dimension and row, in nats, that costs nothing more than zero would
        (after Kingma et al. 2016, appendix C.8, there for means over a batch).
    """

    n_latent: int
    n_samples: int = 1
    free_bits: float = 0.0
    n_parameters = 0
    optimised = True
    is_gaussian = True

    @property
    def n_head(self) -> int:
        """Means and log-variances."""
        return 2 * self.n_latent

    @property
    def n_inputs(self) -> int:
        """The sample."""
        return self.n_latent

    def space(self, n_rows: int, dtype: Any) -> GaussianSpace:
        """Make room for a batch."""
        n_lines, n_latent = self.n_samples * n_rows, self.n_latent
        return GaussianSpace(
            np.empty((n_lines, n_latent), dtype),
            np.empty((n_lines, n_latent), dtype),
            np.empty((n_lines, n_latent), dtype),
            np.empty(n_lines),
            np.empty((n_rows, n_latent)),
            np.empty((n_rows, n_latent)),
            np.empty((n_rows, n_latent)),
            np.empty((n_rows, n_latent)),
            np.empty((2, n_latent)),
            np.empty((n_rows, 2 * n_latent), dtype),
        )

    def forward(
        self, parameters: Floats, head: Floats, batch: Batch, beta: float, space: GaussianSpace
    ) -> float:
        """Draw samples; return ``beta`` times the divergence that counts, summed over rows."""
        self._fill(batch, space.noise)
        mean, log_variance, deviation = space.mean, space.log_variance, space.deviation
        kernels.gaussian_latent.draw(head, space.noise, mean, log_variance, deviation, space.z)
        share = space.line_weights.reshape(self.n_samples, len(head))
        np.multiply(batch.weights, 1.0 / self.n_samples, out=share)
        counted = kernels.gaussian_latent.divergence(
            mean,
            log_variance,
            deviation,
            batch.weights,
            self.free_bits,
            space.kl,
            space.divergence,
        )
        return beta * float(counted)

    def _fill(self, batch: Batch, noise: Floats) -> None:
        """Draw the noise of each row's samples."""
        kernels.noise.normals(batch.keys, batch.step, noise)

    def backward(
        self,
        parameters: Floats,
        gradient: Floats,
        head: Floats,
        batch: Batch,
        beta: float,
        losses: Array,
        space: GaussianSpace,
    ) -> Floats:
        """Return the gradient at means and log-variances."""
        kernels.gaussian_latent.head_gradient(
            space.mean,
            space.log_variance,
            space.noise,
            space.deviation,
            space.z_gradient,
            batch.weights,
            space.kl,
            beta,
            self.free_bits,
            space.head_gradient,
        )
        return space.head_gradient

    def absorb(self, parameters: Floats, statistics: Floats) -> None:
        """Do nothing: it has no parameters."""

    def renew(
        self, parameters: Floats, head: Floats, weights: Array, rng: np.random.RandomState
    ) -> None:
        """Do nothing: it has no parameters."""

    def sampling(self, n_samples: int) -> GaussianLatent:
        """Return the same latent with another number of samples."""
        return replace(self, n_samples=n_samples)

    def code(self, parameters: Floats, head: Floats) -> Floats:
        """Return the posterior means."""
        return head[:, : self.n_latent]

    def deviation(self, head: Floats) -> Floats:
        """Return the posterior standard deviations."""
        bounds = kernels.gaussian_latent.LOWEST, kernels.gaussian_latent.HIGHEST
        deviations: Floats = np.exp(0.5 * np.clip(head[:, self.n_latent :], *bounds))
        return deviations

    def diagnose(
        self, parameters: Floats, head: Floats, weights: Array
    ) -> tuple[dict[str, Any], str]:
        """Mean divergences, and the dimensions whose mean moves with the row.

        Active is a dimension whose posterior mean has a variance over rows of more than 0.01
        (Burda, Grosse & Salakhutdinov 2016, section 5.1).
        """
        shape = (len(head), self.n_latent)
        kl, sums = np.empty(shape), np.empty((2, self.n_latent))
        mean, log_variance = np.empty(shape), np.empty(shape)
        kernels.gaussian_latent.split(head, mean, log_variance)
        share = weights / weights.sum()
        deviation = self.deviation(head.astype(np.float64))
        kernels.gaussian_latent.divergence(mean, log_variance, deviation, share, 0.0, kl, sums)
        variance = share @ np.square(mean - share @ mean)
        n_active = int(np.count_nonzero(variance > _ACTIVE))
        attributes = {"kl_per_dimension_": sums[0].copy(), "n_active_units_": n_active}
        return attributes, "" if n_active else _COLLAPSED

    def log_shares(self, head: Floats, space: GaussianSpace) -> Array:
        """Return ``log p(z) - log q(z | x) - log n_samples`` of each line.

        So ``logsumexp`` over a row's lines is the importance-weighted estimate of its
        log-likelihood (Burda, Grosse & Salakhutdinov 2016, equation 8).
        """
        shares = np.empty(len(space.z))
        kernels.gaussian_latent.log_ratio(head, space.noise, space.z, shares)
        return shares - np.log(self.n_samples)


class ScoringLatent(GaussianLatent):
    """The same with noise whose mean is 0 and whose variance is 1 over each row's samples.

    Then the mean of ``log p(z) - log q(z | x)`` over the samples is minus the divergence, so by
    Jensen's inequality the estimated bound of a row is never above its estimated log-likelihood.
    Both vary less, too. With one sample, the log-likelihood is the bound.
    """

    def _fill(self, batch: Batch, noise: Floats) -> None:
        super()._fill(batch, noise)
        if self.n_samples > 1:
            lines = noise.reshape(self.n_samples, len(batch.keys), self.n_latent)
            lines -= lines.mean(axis=0)
            lines /= np.sqrt(np.square(lines).mean(axis=0))

    def log_shares(self, head: Floats, space: GaussianSpace) -> Array:
        """Return ``log p(z) - log q(z | x) - log n_samples`` of each line."""
        if self.n_samples == 1:
            return -space.kl.sum(axis=1)
        return super().log_shares(head, space)
