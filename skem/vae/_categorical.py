"""The autoencoder with one category as its code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax
from sklearn.utils.validation import check_is_fitted

from skem._parameters import Allowed, integer
from skem.vae._base import COMMON, Floats
from skem.vae._density import DensityAutoencoder
from skem.vae._latents import Batch

__all__ = ["CategoricalLatent", "CategoricalSpace", "CategoricalVAE"]

Array: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]


class CategoricalSpace(NamedTuple):
    """Arrays of a batch of n rows and K categories: each row gives each category a line."""

    z: Floats  # (K n, K), one-hot
    z_gradient: Floats  # (0, K): nothing is learned about a one-hot vector
    line_weights: Array  # (K n,)
    log_q: Array  # (n, K)
    kl: Array  # (n, 1)
    divergence: Array  # (1, 1)


@dataclass(frozen=True)
class CategoricalLatent:
    """One of K categories, under a uniform prior; expectations are sums over all of them.

    Parameters
    ----------
    n_categories : int
    """

    n_categories: int
    n_parameters = 0
    optimised = True
    is_gaussian = False

    @property
    def n_head(self) -> int:
        """Logits."""
        return self.n_categories

    @property
    def n_inputs(self) -> int:
        """A one-hot vector."""
        return self.n_categories

    @property
    def n_samples(self) -> int:
        """A line for each category."""
        return self.n_categories

    def space(self, n_rows: int, dtype: Any) -> CategoricalSpace:
        """Make room for a batch."""
        k = self.n_categories
        return CategoricalSpace(
            np.repeat(np.eye(k, dtype=dtype), n_rows, axis=0),
            np.empty((0, k), dtype),
            np.empty(k * n_rows),
            np.empty((n_rows, k)),
            np.empty((n_rows, 1)),
            np.empty((1, 1)),
        )

    def forward(
        self, parameters: Floats, head: Floats, batch: Batch, beta: float, space: CategoricalSpace
    ) -> float:
        """Weigh each line by its category's posterior probability.

        The divergence is ``sum_k q_k log q_k + log K``.
        """
        space.log_q[:] = log_softmax(head.astype(np.float64), axis=1)
        q = np.exp(space.log_q)
        space.line_weights[:] = (q * batch.weights[:, None]).T.ravel()
        space.kl[:, 0] = (q * space.log_q).sum(axis=1) + np.log(self.n_categories)
        space.divergence[0, 0] = batch.weights @ space.kl[:, 0]
        return beta * float(space.divergence[0, 0])

    def backward(
        self,
        parameters: Floats,
        gradient: Floats,
        head: Floats,
        batch: Batch,
        beta: float,
        losses: Array,
        space: CategoricalSpace,
    ) -> Floats:
        """Return the gradient at the logits.

        With ``c_k = loss_k + beta log q_k`` it is ``w q_k (c_k - sum_j q_j c_j)``.
        """
        q = np.exp(space.log_q)
        costs = losses.reshape(self.n_categories, len(head)).T + beta * space.log_q
        excess = costs - (q * costs).sum(axis=1, keepdims=True)
        return (batch.weights[:, None] * q * excess).astype(head.dtype)

    def absorb(self, parameters: Floats, statistics: Floats) -> None:
        """Do nothing: it has no parameters."""

    def renew(
        self, parameters: Floats, head: Floats, weights: Array, rng: np.random.RandomState
    ) -> None:
        """Do nothing: it has no parameters."""

    def sampling(self, n_samples: int) -> CategoricalLatent:
        """Return the same: nothing is drawn."""
        return self

    def code(self, parameters: Floats, head: Floats) -> Floats:
        """Return the posterior probabilities."""
        probabilities: Floats = softmax(head.astype(np.float64), axis=1)
        return probabilities

    def diagnose(
        self, parameters: Floats, head: Floats, weights: Array
    ) -> tuple[dict[str, Any], str]:
        """Mean probabilities, and how many nats the category says about a row."""
        q = self.code(parameters, head)
        share = weights / weights.sum()
        mean = share @ q
        kl = share @ (q * np.log(np.maximum(q, 1e-300))).sum(axis=1)
        known = kl - mean @ np.log(np.maximum(mean, 1e-300))
        attributes = {
            "weights_": mean,
            "kl_per_dimension_": np.array([kl + np.log(self.n_categories)]),
            "n_active_units_": len(np.unique(q.argmax(axis=1))),
        }
        return attributes, "" if known > 0.01 or self.n_categories == 1 else _COLLAPSED

    def log_shares(self, head: Floats, space: CategoricalSpace) -> Array:
        """Return the log prior of each line: the sum over lines is the exact likelihood."""
        return np.full(len(space.z), -np.log(self.n_categories))


_COLLAPSED = (
    "The posterior has collapsed: all rows have the same probabilities of categories. Decrease "
    "beta or a known noise_variance, set kl_warmup_steps, try another random_state, or train for "
    "longer (max_epochs, learning_rate_init)."
)


class CategoricalVAE(DensityAutoencoder):
    """Variational autoencoder with one category as the code: a clusterer with networks.

    The decoder gives each of K categories a distribution of rows, the encoder gives each row
    probabilities of the categories. The prior is uniform, and the ELBO's expectation is a sum over
    all categories, without sampling; log-likelihoods are exact.

    With a linear decoder and a Gaussian likelihood it is a mixture of spherical components with
    equal weights and one variance, fitted by gradients and with an encoder in place of the E-step.

    Read more in the :ref:`user guide <categorical_vae>`.

    Parameters
    ----------
    n_categories : int, default=10
        Number of categories K.

    hidden_layer_sizes, activation, likelihood, noise_variance, beta, kl_warmup_steps, solver, \
learning_rate_init, batch_size, max_epochs, tol, n_iter_no_change, early_stopping, \
validation_fraction, alpha, random_state, warm_start, verbose, n_jobs
        As for `VAE`.

    Attributes
    ----------
    weights_ : ndarray of shape (n_categories,)
        Mean probability of each category over the rows.

    kl_per_dimension_ : ndarray of shape (1,)
        Mean divergence of the posterior from the uniform prior, in nats.

    n_active_units_ : int
        Number of categories that are the most probable one of some row.

    likelihood_, noise_variance_, loss_curve_, validation_loss_curve_, converged_, n_iter_, \
n_steps_, n_features_in_, feature_names_in_
        As for `VAE`.

    See Also
    --------
    EMGaussianMixture : Mixtures with weights and covariances, fitted by EM.

    References
    ----------
    .. [1] Kingma, D. P., Rezende, D. J., Mohamed, S. & Welling, M. (2014). Semi-supervised learning
       with deep generative models. NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skem import CategoricalVAE
    >>> X = load_iris().data
    >>> vae = CategoricalVAE(3, learning_rate_init=0.01, random_state=0).fit(X)
    >>> vae.predict(X).shape, vae.predict_proba(X).shape
    ((150,), (150, 3))
    """

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = {"n_categories": (integer(1),), **COMMON}

    def __init__(
        self,
        n_categories: int = 10,
        *,
        hidden_layer_sizes: int | Sequence[int] = (128,),
        activation: Literal["identity", "relu", "silu", "tanh"] = "relu",
        likelihood: Literal["auto", "bernoulli", "gaussian"] = "auto",
        noise_variance: float | Literal["network", "per_feature", "shared"] = "shared",
        beta: float = 1.0,
        kl_warmup_steps: int = 0,
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
        self.n_categories = n_categories
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.likelihood = likelihood
        self.noise_variance = noise_variance
        self.beta = beta
        self.kl_warmup_steps = kl_warmup_steps
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

    def _make_latent(self) -> CategoricalLatent:
        return CategoricalLatent(self.n_categories)

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Compute the encoder's probability of each category for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_categories), of the dtype of X
        """
        return self._codes(self._check_rows(X))

    def predict(self, X: ArrayLike) -> Labels:
        """Assign each row to its most probable category.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
        """
        return self.predict_proba(X).argmax(axis=1)

    def fit_predict(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Labels:
        """Train, and assign each row to its most probable category.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            Those of ``fit(X).predict(X)``.
        """
        return self.fit(X, y, sample_weight=sample_weight).predict(X)

    def inverse_transform(self, Z: ArrayLike) -> Any:
        """Decode probabilities of categories.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_categories)
            As `transform` gives them, or one-hot.

        Returns
        -------
        X : ndarray or frame of shape (n_samples, n_features), of the dtype of Z
            Means of the categories, averaged with these weights.
        """
        return super().inverse_transform(Z)

    def _means(self, codes: Floats) -> Floats:
        means = super()._means(np.eye(codes.shape[1]))
        return (codes @ means).astype(codes.dtype, copy=False)

    def sample(
        self,
        n_samples: int = 1,
        *,
        category: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> tuple[Any, Labels]:
        """Draw rows from the model, or from one of its categories.

        Parameters
        ----------
        n_samples : int, default=1
        category : int, default=None
            The category to draw from; None draws it as well, from the uniform prior.
        random_state : int or RandomState instance, default=None
            As for `VAE.sample`.

        Returns
        -------
        X : ndarray or frame of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,), int64
            The category of each row.
        """
        check_is_fitted(self)
        k = self._trained.model.latent.n_inputs
        allowed = isinstance(category, Integral) and 0 <= category < k
        if category is not None and not allowed:
            raise ValueError(f"category must be an int in the range [0, {k - 1}], got {category!r}")
        rng = self._rng(n_samples, random_state)
        labels = (
            rng.randint(k, size=n_samples) if category is None else np.full(n_samples, category)
        )
        return self._draw(np.eye(k)[labels], rng), labels.astype(np.int64)
