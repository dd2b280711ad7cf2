"""What the mixtures' estimators share: texts of docstrings, and what parameters allow."""

from __future__ import annotations

from skem._docstrings import read_entries
from skem._parameters import (
    Allowed,
    array,
    boolean,
    integer,
    jobs,
    none,
    one_of,
    random_state,
    real,
)
from skem.inference import ACCELERATIONS, START_METHODS, Tree

__all__ = [
    "BLOCK_ENTRIES",
    "BLOCK_PARAMETERS",
    "CHOICE_ENTRIES",
    "ENTRIES",
    "GIVEN_STARTS",
    "SHARED_PARAMETERS",
]

# The parameters that a fit may be told to start from.
GIVEN_STARTS = ("weights_init", "means_init", "precisions_init", "parameters_init")

# What `init_params` may be.
_STARTS = (
    one_of(START_METHODS),
    array,
    Allowed(lambda value: isinstance(value, Tree), "a skem.inference.Tree"),
)

SHARED_PARAMETERS: dict[str, tuple[Allowed, ...]] = {
    "n_components": (integer(1),),
    "tol": (real(0.0),),
    "reg_covar": (real(0.0),),
    "max_iter": (integer(0),),
    "n_init": (integer(1),),
    "init_params": _STARTS,
    "random_state": (random_state, none),
    "warm_start": (boolean,),
    "verbose": (integer(0), boolean),
    "verbose_interval": (integer(1),),
    "n_jobs": (jobs, none),
    "mean_prior": (array, none),
    "mean_precision_prior": (real(0.0, open_left=True), none),
    "covariance_prior": (real(0.0, open_left=True), array, none),
    "degrees_of_freedom_prior": (real(0.0, open_left=True), none),
    "learning_decay": (real(0.5, 1.0, open_left=True),),
    "learning_offset": (real(0.0),),
    "block_size": (integer(1), none),
    "assignment": (one_of(("soft", "hard")),),
    "acceleration": (one_of(ACCELERATIONS), none),
    "resolution": (one_of(("auto",)), array, none),
    "noise": (boolean, real(0.0, open_left=True)),
}

_OF_BLOCKS = (
    one_of(("auto",)),
    Allowed(
        lambda value: isinstance(value, list | tuple) and len(value) > 0,
        "a list of pairs (kind, columns)",
    ),
)
_OF_GAUSSIANS = (
    "mean_prior",
    "mean_precision_prior",
    "covariance_prior",
    "degrees_of_freedom_prior",
    "noise",
)

# Of mixtures of blocks of columns.
BLOCK_PARAMETERS = {
    name: allowed for name, allowed in SHARED_PARAMETERS.items() if name not in _OF_GAUSSIANS
} | {"columns": _OF_BLOCKS}

# Besides parameters, what estimators for tables of numbers say of their rows.
_PARAGRAPHS = {
    "cells_and_collections": """\
NaN in `X` is a missing cell: the fit and all answers are those of the seen cells, see
:ref:`missing`.

Dask arrays and data frames are taken where arrays are, see :ref:`many_rows`."""
}

ENTRIES = _PARAGRAPHS | read_entries("""
n_init : int, default=1
    Number of starts; the fit with the highest bound is kept. They run in parallel threads,
    with the same result for every `n_jobs`. One is enough where nothing of it is drawn.
random_state : int, RandomState instance or None, default=None
    Source of the starts' random numbers and of `sample`'s.
warm_start : bool, default=False
    Whether `fit` starts from what the last `fit` found. `n_init` is then ignored, and a
    changed number of components or features is an error.
verbose : int, default=0
    1 prints starts and iterations, 2 also times and gains.
verbose_interval : int, default=10
    Number of iterations between two lines.
learning_decay : float, default=0.7
    Exponent of the rate of `partial_fit`, in (0.5, 1].
learning_offset : float, default=10.0
    Slows the first steps of `partial_fit` down; non-negative.
block_size : int, default=None
    Rows that a thread takes at a time, rounded up to a whole number of the engine's groups.
    None: one group. Every bit of the result is the same for each number.
resolution : 'auto', None or array-like of shape (n_features,), default='auto'
    The steps that the columns are recorded in (a year, a count, a centimetre), which no
    component is narrower than, see :ref:`resolution`:

    - 'auto': found in the rows; 0 for a column without steps;
    - an array: these, in the columns' units; 0 for none;
    - None: nothing is held. A fit from given parameters is then scikit-learn's.

    Of steps u the covariances are held above a matrix that is below ``diag(u^2 / 4)`` and below
    the covariance of all rows. Components that are at it are named in a `ConvergenceWarning`.
    One component is never changed, nor is a mixture of wider ones.
noise : bool or float, default=False
    Whether there is one more component for rows that belong to no cluster: noise, which has the
    same density everywhere, see :ref:`noise`:

    - True: that of the smaller of two boxes around the rows, along the columns or along the
      principal axes of the standardised columns, as in mclust;
    - a float: one divided by this volume, in the columns' units.

    `n_components` and starts leave noise out, except responsibilities, which have its column as
    the last. With noise the default start is sought among the rows that are not sparse.
noise_weight_ : float
    The weight of the noise; only with `noise`. ``weights_`` and it sum to one.
resolution_ : ndarray of shape (n_features,) or None
    The steps that covariances were held by, 0 for columns without; None for
    ``resolution=None``.
converged_ : bool
    Whether the best start converged.
n_iter_ : int
    Its number of iterations, each an M-step and an E-step; accelerated, those that were undone
    are counted.
lower_bounds_ : list of float
    The same after each iteration of `fit`; it never falls.
n_features_in_ : int
    Number of features seen during `fit`.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features seen during `fit`, where all of them are strings.
n_jobs : int, default=None
    Number of threads. None stands for as many as the linear algebra library may use (all
    cores, unless ``OMP_NUM_THREADS``, threadpoolctl or joblib's workers say otherwise), -1
    for all cores. Every bit of the result is the same for each number.
""")

BLOCK_ENTRIES = ENTRIES | read_entries("""
columns : 'auto' or list of (kind, columns), default='auto'
    Which columns are of which kind. Each column is in one block; columns are selected as in
    `sklearn.compose.ColumnTransformer`: by names, positions, slices, masks or callables such as
    `sklearn.compose.make_column_selector`. Within a block they are in the table's order.

    - ``'full'``, ``'tied'``, ``'diag'``, ``'spherical'`` and mclust's fourteen names: a Gaussian
      block with covariances of that structure;
    - ``'bernoulli'``: two values (0 and 1, yes and no); the second one's probability is told;
    - ``'categorical'``: categories of any type: text, booleans, pandas' categories, whole numbers;
    - ``'poisson'``, ``'negative_binomial'`` and ``'geometric'``: counts; the second vary more than
      the first, the third are failures before a first success;
    - ``'exponential'``, ``'gamma'`` and ``'lognormal'``: waiting times and other positive amounts;
    - an object that is a kind of columns (`skem.families.kinds.Kind`), see :ref:`adding_a_kind`.

    'auto': numbers are one Gaussian block ('full'), text, booleans and categories are categorical.
    What was taken for what is in `kinds_`. A column of numbers with some text is an error.
reg_covar : float, default=1e-6
    Added to the variances of Gaussian blocks, relative to the data's own; see
    `EMGaussianMixture`.
pseudo_count : float, default=1e-6
    Rows that each component is given besides its own, in blocks that are not Gaussian: spread
    evenly over a column's categories, and of the mean of all rows in counts and waiting times. So
    no category has a probability of zero, and new rows have finite scores. 0 is plain maximum
    likelihood, larger numbers are MAP estimates.
init_params : {'auto', 'kmeans', 'k-means++', 'hierarchical', 'random', 'random_from_data'}, \
Tree or array-like of shape (n_samples, n_components), default='auto'
    Where the fit starts; see `EMGaussianMixture`. Distances are those of features: standardised
    Gaussian columns, indicators of categories, roots of counts; missing cells count as the means
    of their columns.
resolution : 'auto', None or array-like, default='auto'
    As for `EMGaussianMixture`, for the columns of Gaussian blocks and for 'gamma' and 'lognormal'
    ones: an array has a step for each of these, in the table's order.
handle_unknown : {'error', 'missing'}, default='error'
    What becomes of a category at `predict` that was not there at `fit`: an error that names it,
    or a missing cell.
""")

# Of choices among mixtures.
CHOICE_ENTRIES = ENTRIES | read_entries("""
criterion : {'bic', 'icl', 'aic', 'cv'}, default='bic'
    What the best fit is best by:

    - 'bic': Bayesian information criterion (Schwarz 1978), the lowest;
    - 'icl': integrated completed likelihood (Biernacki, Celeux & Govaert 2000), the lowest;
    - 'aic': Akaike's information criterion, the lowest;
    - 'cv': cross-validated mean log-likelihood (Smyth 2000), the highest.
cv : int, splitter, iterable or None, default=None
    Folds for ``criterion='cv'``: an int for that many folds of shuffled rows, or of shuffled
    groups if `fit` is given `groups` (None: 5); or what else scikit-learn takes for `cv`.
refit : bool, default=True
    Whether to keep the best fit in ``best_estimator_``, which all methods need.
n_jobs : int, default=None
    Number of threads; see `EMGaussianMixture`. They share the fits where an iteration takes
    long enough for it. Every bit of the result but ``fit_time`` is the same for each number.
verbose : int, default=0
    1 prints a line for each fit that has ended, 2 also its time. scikit-learn's callbacks
    (1.9 and later) see each fit as a task.
random_state : int, RandomState instance or None, default=None
    Source of the random numbers of starts and folds. An int is that of every single fit.
results_ : dict of str to ndarray of shape (n_fits,)
    A column for each key, a row for each fit; `pandas.DataFrame` takes it as it is.

    - ``covariance_type`` (of `MixtureIC`: ``kinds``), ``n_components``;
    - ``bic``, ``icl``, ``aic``: of all rows, lower is better, NaN where the fit failed;
    - ``log_likelihood``: of all rows, in nats;
    - ``n_parameters``: number of free parameters;
    - ``converged``, ``n_iter``, ``fit_time`` in seconds;
    - ``collapsed``: whether a component is held up by `reg_covar` alone, or has fewer rows
      than determine its covariance, so that the likelihood can't be compared; also where all
      rows determine no such covariances, and there was no fit;
    - ``crowded``: whether there are fewer than 5 rows for each of several components;
    - ``warnings``: what the fit warned of, one in each line;
    - ``error``: why the fit failed or was not made, empty where it was;
    - for ``criterion='cv'``: ``split0_test_score`` and so on, the mean log density of the
      rows left out in nats per unit of weight; ``mean_test_score`` and
      ``std_test_score``, their mean and standard deviation, weighted by those rows' weight;
    - ``rank``: 1 for the best by the criterion.

    By 'bic', 'icl' and 'aic' collapsed and crowded fits rank after all others; failed
    ones come last.
best_index_ : int
    Its row in ``results_``.
best_score_ : float
    Its criterion, as in ``results_``: lower is better, higher for 'cv'.
n_iter_ : int
    Number of iterations of the best fit.
""")
