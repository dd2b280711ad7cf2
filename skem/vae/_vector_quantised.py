"""The autoencoder whose code is a choice from a codebook."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from skem._parameters import Allowed, check_sample_weight, integer, one_of, real
from skem.engine import Threads, count_threads
from skem.vae._base import COMMON, BaseAutoencoder, Floats
from skem.vae._evaluation import row_terms
from skem.vae._latents import Batch

__all__ = ["CODEBOOK_UPDATES", "VQVAE", "QuantisedLatent", "QuantisedSpace"]

Array: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]

CODEBOOK_UPDATES = ("ema", "gradient")

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
            return vectors[rng.choice(len(vectors), self.n_codes)]
        with warnings.catch_warnings():
            # Fewer distinct vectors than codes: some codes are equal.
            warnings.simplefilter("ignore", ConvergenceWarning)
            centres: Floats = (
                KMeans(self.n_codes, n_init=1, random_state=rng)
                .fit(vectors, sample_weight=weights)
                .cluster_centers_
            )
        return centres

    def code(self, parameters: Floats, head: Floats) -> Floats:
        """Return the vectors that were chosen."""
        return self.codebook(parameters)[self.choose(parameters, head)].reshape(head.shape)

    def diagnose(
        self, parameters: Floats, head: Floats, weights: Array
    ) -> tuple[dict[str, Any], str]:
        """Count how often each code is chosen."""
        lines = np.repeat(weights, self.n_latent_codes)
        usage = np.bincount(self.choose(parameters, head), lines, self.n_codes) / lines.sum()
        used = usage[usage > 0]
        attributes = {
            "codebook_": self.codebook(parameters).copy(),
            "code_frequencies_": usage,
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


class VQVAE(BaseAutoencoder):
    """Autoencoder with vector quantisation: the code is a choice from a codebook.

    The encoder's output is replaced by the nearest of `n_codes` vectors, which the decoder reads.
    Gradients go straight through the choice; the codebook follows the encoder's outputs [1]_. It
    starts from k-means, and codes that no row uses start again from a row far from its own.

    Read more in the :ref:`user guide <vq_vae>`.

    Parameters
    ----------
    n_codes : int, default=64
        Vectors in the codebook.

    n_latent_codes : int, default=1
        Vectors that make up the code of one row, all from the one codebook: a row has one of
        ``n_codes ** n_latent_codes`` codes.

    n_latent : int, default=2
        Dimensions of a vector.

    commitment_cost : float, default=0.25
        Factor of the squared distance between the encoder's output and its code in the loss.

    codebook_update : {'ema', 'gradient'}, default='ema'
        How the codebook learns: 'ema', as the exponential moving average (0.99) of what is assigned
        to each code, or by the gradient of the squared distance.

    hidden_layer_sizes, activation, likelihood, noise_variance, solver, learning_rate_init, \
batch_size, max_epochs, tol, n_iter_no_change, early_stopping, validation_fraction, alpha, \
random_state, warm_start, verbose, n_jobs
        As for `VAE`.

    Attributes
    ----------
    codebook_ : ndarray of shape (n_codes, n_latent)
        The vectors.

    code_frequencies_ : ndarray of shape (n_codes,)
        How often each is chosen for the rows.

    perplexity_ : float
        Exponential of the entropy of these frequencies: the number of codes in use, as it were.

    loss_curve_ : list of float
        Mean loss of each epoch: the negative log-likelihood of rows given their codes, in nats, and
        the squared distances to the codebook with their factors.

    likelihood_, noise_variance_, validation_loss_curve_, converged_, n_iter_, n_steps_, \
n_features_in_, feature_names_in_
        As for `VAE`.

    References
    ----------
    .. [1] van den Oord, A., Vinyals, O. & Kavukcuoglu, K. (2017). Neural discrete representation
       learning. NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skem import VQVAE
    >>> X = load_digits().data / 16
    >>> vae = VQVAE(16, n_latent_codes=3, max_epochs=20, tol=1.0, random_state=0).fit(X)
    >>> vae.encode(X).shape, vae.transform(X).shape
    ((1797, 3), (1797, 6))
    """

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = {
        "n_codes": (integer(1),),
        "n_latent_codes": (integer(1),),
        "n_latent": (integer(1),),
        "commitment_cost": (real(0.0),),
        "codebook_update": (one_of(CODEBOOK_UPDATES),),
        **{name: COMMON[name] for name in COMMON if name not in ("beta", "kl_warmup_steps")},
    }

    # A choice is certain: there is no divergence to weigh.
    beta = 1.0
    kl_warmup_steps = 0

    def __init__(
        self,
        n_codes: int = 64,
        *,
        n_latent_codes: int = 1,
        n_latent: int = 2,
        commitment_cost: float = 0.25,
        codebook_update: Literal["ema", "gradient"] = "ema",
        hidden_layer_sizes: int | Sequence[int] = (128,),
        activation: Literal["identity", "relu", "silu", "tanh"] = "relu",
        likelihood: Literal["auto", "bernoulli", "gaussian"] = "auto",
        noise_variance: float | Literal["network", "per_feature", "shared"] = "shared",
        solver: Literal["adam", "sgd"] = "adam",
        learning_rate_init: float = 1e-3,
        batch_size: int = 128,
        max_epochs: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        alpha: float = 0.0,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: bool | int = False,
        n_jobs: int | None = None,
    ) -> None:
        self.n_codes = n_codes
        self.n_latent_codes = n_latent_codes
        self.n_latent = n_latent
        self.commitment_cost = commitment_cost
        self.codebook_update = codebook_update
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.likelihood = likelihood
        self.noise_variance = noise_variance
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.alpha = alpha
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _make_latent(self) -> QuantisedLatent:
        return QuantisedLatent(
            self.n_codes,
            self.n_latent_codes,
            self.n_latent,
            float(self.commitment_cost),
            self.codebook_update == "ema",
        )

    def encode(self, X: ArrayLike) -> Labels:
        """Choose codes for rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        codes : ndarray of shape (n_samples, n_latent_codes), int64
            Indices into ``codebook_``; ``codebook_[codes]``, flattened row by row, is what
            `transform` returns.
        """
        head = self._heads(self._check_rows(X))
        latent = self._trained.model.latent
        assert isinstance(latent, QuantisedLatent)
        own = self._trained.model.split(self._trained.state.parameters)[3]
        return latent.choose(own, head).reshape(len(head), -1).astype(np.int64)

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the mean log-likelihood of rows given their codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            In nats per unit of weight. No likelihood of the rows: choosing a code costs nothing.
        """
        rows, trained = self._check_rows(X), self._trained
        with Threads(count_threads(self.n_jobs)) as threads:
            own = self._make_rows(rows)
            terms = row_terms(trained.model, trained.state.parameters, own, threads)
        values = terms.log_likelihood - trained.standard.log_volume
        weights = check_sample_weight(sample_weight, len(values))
        return float(np.average(values, weights=weights))
