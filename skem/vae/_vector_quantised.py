"""The autoencoder whose code is a choice from a codebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._parameters import Allowed, integer, one_of, real
from skem.engine import Threads, count_threads
from skem.vae._base import COMMON, BaseAutoencoder, Floats
from skem.vae._density import weighted_mean
from skem.vae._evaluation import mixture_terms
from skem.vae._quantised_latent import QuantisedLatent

__all__ = ["CODEBOOK_UPDATES", "VQVAE"]

Labels: TypeAlias = NDArray[np.int64]

CODEBOOK_UPDATES = ("ema", "gradient")


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

    combinations_ : ndarray of shape (n_combinations, n_latent_codes), int64
        The different codes of the rows: indices into the codebook.

    combination_frequencies_ : ndarray of shape (n_combinations,)
        How often each of them is a row's code. `sample` and `score_samples` take them as the prior.

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
    >>> vae = VQVAE(16, n_latent_codes=3, n_iter_no_change=5, tol=1.0, random_state=0).fit(X)
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

    codebook_: Floats
    combinations_: Labels
    combination_frequencies_: NDArray[np.float64]

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
        max_epochs: int | Literal["auto"] = "auto",
        tol: float = 1e-4,
        n_iter_no_change: int | Literal["auto"] = "auto",
        early_stopping: bool | Literal["auto"] = "auto",
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

    def score_samples(self, X: ArrayLike) -> Floats:
        """Compute the log-likelihood of each row, with the codes' empirical distribution as prior.

        A mixture over `combinations_`, exactly: rows of the table have other codes in other
        combinations with probability zero.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,), of the dtype of X
            In nats. Other than `score`, it pays for the choice of the code.
        """
        rows = self._check_rows(X)
        trained = self._trained
        with Threads(count_threads(self.n_jobs)) as threads:
            values = mixture_terms(
                trained.model,
                trained.state.parameters,
                self._vectors(self.combinations_),
                self.combination_frequencies_,
                self._make_rows(rows),
                threads,
            )
        limits = np.finfo(rows.dtype)
        values -= trained.units.log_volume
        return np.clip(values, limits.min, limits.max).astype(rows.dtype, copy=False)

    def sample(
        self,
        n_samples: int = 1,
        *,
        code: int | Sequence[int] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> tuple[Any, Labels]:
        """Draw rows from the model, or from one of its codes.

        Parameters
        ----------
        n_samples : int, default=1
        code : int or sequence of n_latent_codes ints, default=None
            Indices into `codebook_`, as `encode` gives them. None draws them as well: all of a
            row's codes together, by their frequencies among the rows of the fit.
        random_state : int or RandomState instance, default=None
            As for `VAE.sample`.

        Returns
        -------
        X : ndarray or frame of shape (n_samples, n_features)
        codes : ndarray of shape (n_samples, n_latent_codes), int64
            The codes of each row.
        """
        rng = self._rng(n_samples, random_state)
        if code is None:
            shares = self.combination_frequencies_
            codes = self.combinations_[rng.choice(len(shares), n_samples, p=shares)]
        else:
            codes = np.tile(self._check_code(code), (n_samples, 1))
        return self._draw(self._vectors(codes), rng), codes

    def _check_code(self, code: int | Sequence[int]) -> Labels:
        n_codes, n_latent_codes = len(self.codebook_), self.combinations_.shape[1]
        given = np.atleast_1d(np.asarray(code))
        if (
            given.shape != (n_latent_codes,)
            or given.dtype.kind not in "iu"
            or not ((given >= 0) & (given < n_codes)).all()
        ):
            wanted = "an int" if n_latent_codes == 1 else f"a sequence of {n_latent_codes} ints"
            raise ValueError(f"code must be {wanted} in the range [0, {n_codes - 1}], got {code!r}")
        return given.astype(np.int64)

    def _vectors(self, codes: Labels) -> Floats:
        """Return what the decoder reads for indices (n, n_latent_codes)."""
        return self.codebook_[codes].reshape(len(codes), -1)

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
            In nats per unit of weight. No likelihood of the rows, since choosing a code costs
            nothing: `score_samples` has that.
        """
        return weighted_mean(self._log_likelihood(self._check_rows(X)), sample_weight)
