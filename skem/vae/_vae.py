"""The variational autoencoder with a Gaussian code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from skem._parameters import Allowed, integer, real
from skem.vae._base import COMMON, Floats
from skem.vae._density import DensityAutoencoder
from skem.vae._latents import GaussianLatent, ScoringLatent

__all__ = ["VAE"]


class VAE(DensityAutoencoder):
    """Variational autoencoder.

    Encodes rows by a few continuous numbers and decodes them again; reduces dimensions, estimates
    densities and generates rows. An encoder network gives each row a Gaussian posterior
    ``N(mu(x), diag(sigma(x)^2))`` over codes z, whose prior is ``N(0, I)``; a decoder network gives
    each code a distribution of rows. Both are trained to raise the evidence lower bound (ELBO) of
    the rows' log-likelihood, in nats: losses are sums over features and means over rows.

    Read more in the :ref:`user guide <vae>`.

    Parameters
    ----------
    n_latent : int, default=2
        Dimensions L of the code.

    hidden_layer_sizes : int or sequence of int, default=(128,)
        Widths of the encoder's hidden layers; the decoder has them in reverse order. Empty: both
        are linear, and with a Gaussian likelihood the model is probabilistic PCA [3]_.

    activation : {'identity', 'relu', 'silu', 'tanh'}, default='relu'
        Activation function of the hidden layers.

    likelihood : {'auto', 'bernoulli', 'gaussian'}, default='auto'
        Distribution of a row given its code: 'gaussian' for real numbers, 'bernoulli' for values
        in [0, 1]. 'auto' is 'bernoulli' if all values are 0 or 1 in the rows of positive weight
        that `fit` sees, else 'gaussian'. Set it where models are compared, as in cross-validation:
        a fold of counts that happen to be 0 and 1 would be scored by another likelihood.

    noise_variance : {'network', 'per_feature', 'shared'} or float, default='shared'
        Variance of the Gaussian likelihood, in the units of X:

        - 'shared': one for all features, learned [4]_;
        - 'per_feature': one for each feature, learned;
        - 'network': one for each feature and code, a second output of the decoder;
        - a float: known.

        A learned variance is at least 1e-6 times that of the rows themselves. The first two follow
        a moving average of the expected squared error, which is where the likelihood is largest.

    n_samples : int, default=1
        Samples of each row's code in a training step.

    beta : float, default=1.0
        Factor of the divergence in the loss [5]_. The ELBO has 1.

    kl_warmup_steps : int, default=0
        Number of training steps in which the factor rises from 0 to `beta` in a straight line.

    free_bits : float, default=0.0
        Nats of divergence in each dimension of each row that are free: less is not rewarded.

    n_importance_samples : int, default=100
        Samples of each row's code with which `score_samples`, `score` and `elbo` estimate. Their
        noise has a mean of 0 and a variance of 1 in each row.

    solver : {'adam', 'sgd'}, default='adam'
        Optimiser: Adam, or stochastic gradient descent with Nesterov's momentum of 0.9.

    learning_rate_init : float, default=1e-3
        Step size. The default fits tables of all sizes: with steps by the size of the table or of a
        batch, fits were no better (see "How far" in the user guide).

    batch_size : int, default=128
        Rows in a step; all, if there are fewer.

    max_epochs : int or 'auto', default='auto'
        Largest number of visits to all rows. 'auto' fits the size of the table: as many as make
        20 000 steps, at least 200, so ``max(200, 20_000 / ceil(n_rows / batch_size))``.

    tol : float, default=1e-4
        A loss that falls by less in an epoch, in nats per row, has stopped falling.

    n_iter_no_change : int or 'auto', default='auto'
        Number of epochs over which the loss is averaged, and in which neither that average nor the
        loss itself must have fallen by `tol` an epoch before training has converged. None counts
        while the divergence is warming up. 'auto': as many as make 500 steps, at least 10.

    early_stopping : bool or 'auto', default='auto'
        Whether to hold out rows, to watch their loss instead of the training's, and to end with
        the weights of the best epoch, or of the start. Weights are averages then, over up to a
        tenth of the epochs [8]_. 'auto' does if ``max_epochs='auto'`` and the
        table has at least 5 different rows: a number of epochs is trained for on all rows. With
        'auto' the linear model of the start stays, of all rows, unless at least 10 different rows
        are held out and gain more than chance by training (see Notes).

    validation_fraction : float, default=0.1
        Share of the rows to hold out, by weight. Equal rows stay together.

    alpha : float, default=0.0
        Strength of the L2 penalty: the sum of the rows' losses gets ``alpha / 2`` times the sum of
        the squared weights (not biases).

    random_state : int, RandomState instance or None, default=None
        Source of the first weights, of the order of rows and of all noise.

    warm_start : bool, default=False
        Whether `fit` starts from the weights, units and likelihood of the last one.

    verbose : bool or int, default=False
        Whether to print the loss after each epoch.

    n_jobs : int, default=None
        Number of threads. None stands for as many as the linear algebra library may use, -1 for
        all cores. Every bit of the result is the same for each number; only wide networks and
        large batches are shared among threads in training.

    Attributes
    ----------
    likelihood_ : {'bernoulli', 'gaussian'}
        The likelihood in use.

    noise_variance_ : float, ndarray of shape (n_features,) or None
        Variance of the Gaussian likelihood; None where it differs between rows.

    loss_curve_ : list of float
        Mean loss of each epoch, in nats: the negative ELBO for ``beta=1`` without `free_bits`.

    validation_loss_curve_ : list of float or None
        With `early_stopping`, loss of the held-out rows after each epoch, by averaged weights.

    kl_per_dimension_ : ndarray of shape (n_latent,)
        Mean divergence of the posterior from the prior in each dimension, in nats.

    n_active_units_ : int
        Dimensions that are used: those whose posterior mean has a variance over the rows of more
        than 0.01 [6]_.

    converged_ : bool
        Whether the loss stopped falling: that of the held-out rows, if there are any.

    n_iter_ : int
        Number of epochs.

    n_steps_ : int
        Number of training steps.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during `fit`, where all of them are strings.

    See Also
    --------
    sklearn.decomposition.PCA : The linear special case, in closed form.
    sklearn.neural_network.MLPRegressor : The networks that parameter names follow.

    Notes
    -----
    With a Gaussian likelihood the networks read columns with a mean of zero and a variance of one:
    of each column where each has its own noise variance, else on average over columns, which leaves
    the model the same as in the units of X. Values farther than 1e10 of these units from the mean
    count as lying there.

    With a Gaussian likelihood, networks start as probabilistic PCA with as many dimensions, in
    closed form [7]_: pairs of hidden units carry the principal components, and the other units
    start without a say. So training only improves on the linear model. Where it can't, as on a
    small table, ``early_stopping='auto'`` leaves that: with n different rows held out, their gain
    must be ``10 / n`` standard errors, and n at least 10. Where hidden layers are narrower than
    twice the code, and for more than 1 024 columns, the start is random.

    A row's noise is a function of its values, the seed and the step. So scores of a row do not
    depend on other rows, and equal rows have equal scores.

    References
    ----------
    .. [1] Kingma, D. P. & Welling, M. (2014). Auto-encoding variational Bayes. ICLR.
    .. [2] Rezende, D. J., Mohamed, S. & Wierstra, D. (2014). Stochastic backpropagation and
       approximate inference in deep generative models. ICML.
    .. [3] Lucas, J., Tucker, G., Grosse, R. & Norouzi, M. (2019). Don't blame the ELBO! A linear
       VAE perspective on posterior collapse. NeurIPS.
    .. [4] Rybkin, O., Daniilidis, K. & Levine, S. (2021). Simple and effective VAE training with
       calibrated decoders. ICML.
    .. [5] Higgins, I. et al. (2017). beta-VAE: learning basic visual concepts with a constrained
       variational framework. ICLR.
    .. [6] Burda, Y., Grosse, R. & Salakhutdinov, R. (2016). Importance weighted autoencoders.
       ICLR.
    .. [7] Tipping, M. E. & Bishop, C. M. (1999). Probabilistic principal component analysis.
       Journal of the Royal Statistical Society B 61(3), 611-622.
    .. [8] Shamir, O. & Zhang, T. (2013). Stochastic gradient descent for non-smooth optimization:
       convergence results and optimal averaging schemes. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skem import VAE
    >>> X = load_digits().data / 16
    >>> vae = VAE(n_latent=4, n_iter_no_change=5, tol=1.0, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (1797, 4)
    >>> vae.sample(3).shape
    (3, 64)
    """

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = {
        "n_latent": (integer(1),),
        "n_samples": (integer(1),),
        "free_bits": (real(0.0),),
        "n_importance_samples": (integer(1),),
        **COMMON,
    }

    n_samples: int
    free_bits: float
    n_latent: int
    n_importance_samples: int

    def __init__(
        self,
        n_latent: int = 2,
        *,
        hidden_layer_sizes: int | Sequence[int] = (128,),
        activation: Literal["identity", "relu", "silu", "tanh"] = "relu",
        likelihood: Literal["auto", "bernoulli", "gaussian"] = "auto",
        noise_variance: float | Literal["network", "per_feature", "shared"] = "shared",
        n_samples: int = 1,
        beta: float = 1.0,
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
        self.n_latent = n_latent
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.likelihood = likelihood
        self.noise_variance = noise_variance
        self.n_samples = n_samples
        self.beta = beta
        self.kl_warmup_steps = kl_warmup_steps
        self.free_bits = free_bits
        self.n_importance_samples = n_importance_samples
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

    def _make_latent(self) -> GaussianLatent:
        return GaussianLatent(self.n_latent, self.n_samples, float(self.free_bits))

    def _scoring_latent(self) -> ScoringLatent:
        return ScoringLatent(self._trained.model.latent.n_inputs, self.n_importance_samples)

    def encode(self, X: ArrayLike, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Compute the posterior of each row's code.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        return_std : bool, default=False

        Returns
        -------
        mean : ndarray of shape (n_samples, n_latent), of the dtype of X
        std : ndarray of shape (n_samples, n_latent), of the dtype of X
            Only if ``return_std``.
        """
        rows = self._check_rows(X)
        latent = GaussianLatent(self._trained.model.latent.n_inputs)
        head = self._heads(rows)
        mean = latent.code(head[:0], head).astype(rows.dtype)
        if not return_std:
            return mean
        return mean, latent.deviation(head).astype(rows.dtype)

    def sample(
        self, n_samples: int = 1, *, random_state: int | np.random.RandomState | None = None
    ) -> Any:
        """Draw rows from the model: a code from the prior, a row from the likelihood.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int or RandomState instance, default=None
            None goes on with a generator that the fit seeded from the estimator's own
            ``random_state``: calls differ from each other, and a program run twice draws the
            same rows.

        Returns
        -------
        X : ndarray or frame of shape (n_samples, n_features)
            With the likelihood's noise; `inverse_transform` gives means. A frame with the names of
            the columns if `set_output` asks for frames.
        """
        rng = self._rng(n_samples, random_state)
        codes = rng.standard_normal((n_samples, self._trained.model.latent.n_inputs))
        return self._draw(codes, rng)
