"""The InfoVAE: a divergence of the whole code in place of part of that of each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem._parameters import Allowed, none, one_of, real
from skem.vae._latents import Batch, GaussianLatent, GaussianSpace
from skem.vae._vae import VAE

__all__ = ["MMD_KERNELS", "InfoLatent", "InfoVAE", "WatchedInfoLatent", "as_rbfs"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# Prior samples are other numbers than the posterior's noise.
_PRIOR = np.uint64(2**61)


# Names of kernel functions, and what the kernels call them.
MMD_KERNELS = {"imq": 1, "rbf": 0}


def as_rbfs(kernel: str, bandwidth: float) -> tuple[Array, Array]:
    """Return the squared bandwidths and the factors of RBFs whose sum is a kernel function.

    The IMQ is ``1 / (1 + a)`` at ``a = d / (2 h^2)``: the integral of ``t exp(-t) exp(-t a)``,
    ``t = exp(s)``, over all s. The trapezoidal rule with steps of 3 / 4 has it to 2e-4.
    """
    if kernel == "rbf":
        return np.array([bandwidth**2]), np.ones(1)
    nodes = np.exp(0.75 * np.arange(-12, 5))
    return bandwidth**2 / nodes, 0.75 * nodes * np.exp(-nodes)


@dataclass(frozen=True)
class InfoLatent(GaussianLatent):
    """A Gaussian latent whose codes, of all rows together, are drawn to the prior.

    Parameters
    ----------
    mmd_weight : float
    kernel : {'imq', 'rbf'}
    bandwidth : float
    """

    mmd_weight: float = 1.0
    kernel: str = "rbf"
    bandwidth: float = 1.0

    def forward(
        self, parameters: Floats, head: Floats, batch: Batch, beta: float, space: GaussianSpace
    ) -> float:
        """Draw samples; the cost is the divergence's and the discrepancy's."""
        cost = super().forward(parameters, head, batch, beta, space)
        value = self._discrepancy(batch, space, np.empty((0, self.n_latent)))
        return cost + self.mmd_weight * float(batch.weights.sum()) * value

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
        slope = np.empty((len(head), self.n_latent))
        self._discrepancy(batch, space, slope)
        share = self.mmd_weight * float(batch.weights.sum())
        space.z_gradient[: len(head)] += share * slope
        return super().backward(parameters, gradient, head, batch, beta, losses, space)

    def sampling(self, n_samples: int) -> WatchedInfoLatent:
        """Return a latent that is watched: with more samples, and a discrepancy without chance."""
        return WatchedInfoLatent(**{**vars(self), "n_samples": n_samples})

    def _discrepancy(self, batch: Batch, space: GaussianSpace, gradient: Array) -> float:
        # Samples of one row are no independent draws of the code: one of each is enough.
        n_rows = len(batch.weights)
        prior = np.empty((n_rows, self.n_latent))
        kernels.noise.normals(batch.keys, batch.step + _PRIOR, prior)
        value: float = kernels.discrepancy.mmd(
            MMD_KERNELS[self.kernel],
            self.bandwidth,
            space.z[:n_rows].astype(np.float64),
            prior,
            batch.keys,
            batch.weights,
            gradient,
        )
        return value


class WatchedInfoLatent(InfoLatent):
    """The same with the expectation of the discrepancy, over codes and prior, and no gradient.

    An estimate from a few held-out rows is off by more than training gains in many epochs.
    """

    def _discrepancy(self, batch: Batch, space: GaussianSpace, gradient: Array) -> float:
        value: float = kernels.discrepancy.expected_mmd(
            *as_rbfs(self.kernel, self.bandwidth),
            space.mean,
            np.square(space.deviation),
            batch.keys,
            batch.weights,
        )
        return value


class InfoVAE(VAE):
    """Variational autoencoder with a maximum mean discrepancy in its loss.

    The ELBO's divergence keeps each row's posterior near the prior, and so keeps codes from
    telling rows apart; where the decoder is strong, the code can end up unused. The InfoVAE [1]_
    puts part of it aside (`beta` below 1), and draws the codes of all rows *together* to the prior
    instead, by an unbiased estimate of their squared maximum mean discrepancy (MMD) [2]_.

    Read more in the :ref:`user guide <info_vae>`.

    Parameters
    ----------
    n_latent : int, default=2
        Dimensions of the code.

    mmd_weight : float, default=100.0
        Factor of the squared MMD in the loss, which is in nats per row; the MMD itself is less
        than 2. In the paper's terms ``alpha + lambda - 1``.

    kernel : {'imq', 'rbf'}, default='rbf'
        Kernel of the MMD, at a squared distance d of codes: ``exp(-d / (2 h^2))`` or
        ``2 h^2 / (2 h^2 + d)``.

    bandwidth : float, default=None
        The kernel's h. None: the square root of `n_latent`, at which the mean squared distance
        of two draws from the prior is ``2 h^2``.

    hidden_layer_sizes, activation, likelihood, noise_variance, n_samples
        As for `VAE`.

    beta : float, default=0.5
        Factor of the divergence of each row: ``1 - alpha`` in the paper's terms.

    kl_warmup_steps, free_bits, n_importance_samples, solver, learning_rate_init, batch_size, \
max_epochs, tol, n_iter_no_change, early_stopping, validation_fraction, alpha, random_state, \
warm_start, verbose, n_jobs
        As for `VAE`.

    Attributes
    ----------
    loss_curve_ : list of float
        Mean loss of each epoch: the negative log-likelihood, `beta` times the divergence and
        `mmd_weight` times the squared MMD.

    likelihood_, noise_variance_, validation_loss_curve_, kl_per_dimension_, n_active_units_, \
converged_, n_iter_, n_steps_, n_features_in_, feature_names_in_
        As for `VAE`.

    See Also
    --------
    VAE : Maximises the ELBO itself.

    References
    ----------
    .. [1] Zhao, S., Song, J. & Ermon, S. (2017). InfoVAE: information maximizing variational
       autoencoders. arXiv:1706.02262.
    .. [2] Gretton, A. et al. (2012). A kernel two-sample test. JMLR 13, 723-773.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skem import InfoVAE
    >>> X = load_digits().data / 16
    >>> vae = InfoVAE(n_latent=4, n_iter_no_change=5, tol=1.0, random_state=0).fit(X)
    >>> vae.n_active_units_
    4
    """

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = {
        **VAE._allowed,
        "mmd_weight": (real(0.0),),
        "kernel": (one_of(MMD_KERNELS),),
        "bandwidth": (real(0.0, open_left=True), none),
    }

    def __init__(
        self,
        n_latent: int = 2,
        *,
        mmd_weight: float = 100.0,
        kernel: Literal["imq", "rbf"] = "rbf",
        bandwidth: float | None = None,
        hidden_layer_sizes: int | Sequence[int] = (128,),
        activation: Literal["identity", "relu", "silu", "tanh"] = "relu",
        likelihood: Literal["auto", "bernoulli", "gaussian"] = "auto",
        noise_variance: float | Literal["network", "per_feature", "shared"] = "shared",
        n_samples: int = 1,
        beta: float = 0.5,
        kl_warmup_steps: int = 0,
        free_bits: float = 0.0,
        n_importance_samples: int = 100,
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
        super().__init__(
            n_latent,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            likelihood=likelihood,
            noise_variance=noise_variance,
            n_samples=n_samples,
            beta=beta,
            kl_warmup_steps=kl_warmup_steps,
            free_bits=free_bits,
            n_importance_samples=n_importance_samples,
            solver=solver,
            learning_rate_init=learning_rate_init,
            batch_size=batch_size,
            max_epochs=max_epochs,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            alpha=alpha,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
            n_jobs=n_jobs,
        )
        self.mmd_weight = mmd_weight
        self.kernel = kernel
        self.bandwidth = bandwidth

    def _make_latent(self) -> InfoLatent:
        bandwidth = np.sqrt(self.n_latent) if self.bandwidth is None else self.bandwidth
        return InfoLatent(
            self.n_latent,
            self.n_samples,
            float(self.free_bits),
            float(self.mmd_weight),
            self.kernel,
            float(bandwidth),
        )
