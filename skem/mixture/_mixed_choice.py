"""The number of components, and kinds of columns, of a mixture for mixed tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import validate_data

from skem._docstrings import fill_docstring
from skem._parameters import Allowed, none
from skem.columns import list_alternatives, name_alternatives
from skem.mixture._choosing import CHOICE_PARAMETERS, COVARIANCE_TYPES, Choice
from skem.mixture._chosen import BlockChosen
from skem.mixture._em_mixture import EMMixture
from skem.mixture._grid import Model, list_types
from skem.mixture._layout import Layout
from skem.mixture._mixed import BLOCK_POINT
from skem.mixture._reading import set_attributes
from skem.mixture._shared import CHOICE_ENTRIES

__all__ = ["MixtureIC"]


@fill_docstring(CHOICE_ENTRIES)
class MixtureIC(BlockChosen, Choice):
    """Mixture for columns of every kind, whose number of components a criterion chooses.

    Fits `EMMixture` with every number of components, and keeps the best. Where several kinds are
    named for a block of columns, each of them is tried as well. With categories alone it chooses
    the number of latent classes.

    Read more in the :ref:`user guide <choice>`.

    A missing cell (NaN, None, NA) is left out, in every kind of column, see :ref:`missing`.

    Parameters
    ----------
    n_components : int or sequence of int, default=(1, 2, 3, 4, 5, 6, 7, 8, 9)
        Numbers of components K to try.

    columns : 'auto' or list of (kind or list of kinds, columns), default='auto'
        Which columns are of which kind, as in `EMMixture`. A list of kinds in a kind's place asks
        for a choice: ``[(["poisson", "negative_binomial"], ["visits"]), (["full", "diag"],
        ["age", "income"])]`` fits four models. Kinds that give densities (Gaussian ones,
        'lognormal', 'gamma', 'exponential') and kinds that give probabilities (the others) can't
        be compared.

    covariance_type : {'all'}, a covariance type, a sequence of them or None, default=None
        Structures to try for the Gaussian block that ``columns='auto'`` makes of the numbers, see
        `GaussianMixtureIC`. None: 'full'. In a list of blocks kinds say so.

    {criterion}

    {cv}

    {refit}

    tol : float, default=1e-5
        As in `EMMixture`. The defaults of this, of `max_iter` and of `acceleration` go nearer to
        the maximum than there: criteria of fits that stopped early would be compared with those
        of fits that did not.

    reg_covar, pseudo_count
        As in `EMMixture`.

    max_iter : int, default=1000
        Most iterations of each fit.

    n_init
        As in `EMMixture`. Likelihoods of categories have many maxima.

    acceleration : {None, 'squarem', 'anderson'}, default='squarem'
        As in `EMMixture`.

    init_params : {'auto', 'kmeans', 'k-means++', 'hierarchical', 'random', 'random_from_data'}, \
default='auto'
        As in `EMMixture`. Each fit searches for a start of its own.

    {random_state}

    {n_jobs}

    resolution, handle_unknown
        As in `EMMixture`. Categories are those of all rows, also where folds leave some out.

    {verbose}

    Attributes
    ----------
    {results_}

    best_estimator_ : EMMixture
        The best fit, to all rows.

    best_params_ : dict
        Its ``columns`` and ``n_components``.
    {best_index_}
    {best_score_}

    {n_iter_}
    {n_features_in_}

    {feature_names_in_}

    See Also
    --------
    EMMixture : A single fit.
    GaussianMixtureIC : For tables of measurements alone.
    skem.display.ModelSelectionDisplay : The criterion of all fits in one picture.

    References
    ----------
    .. [1] Nylund, K. L., Asparouhov, T. & Muthen, B. O. (2007). Deciding on the number of classes
       in latent class analysis and growth mixture modeling: a Monte Carlo simulation study.
       Structural Equation Modeling 14, 535-569.

    Examples
    --------
    >>> import pandas as pd
    >>> from skem import MixtureIC
    >>> X = pd.DataFrame(
    ...     {"smokes": ["no", "yes"] * 20, "visits": [0, 5, 1, 7, 0, 4, 2, 6] * 5}
    ... )
    >>> columns = [("bernoulli", ["smokes"]), (["poisson", "negative_binomial"], ["visits"])]
    >>> choice = MixtureIC(range(1, 4), columns=columns, random_state=0).fit(X)
    >>> choice.best_params_["n_components"]
    2
    >>> choice.best_params_["columns"]
    [('bernoulli', ['smokes']), ('poisson', ['visits'])]
    """

    _model_column = "kinds"
    _fitted = EMMixture
    _passed_on = (
        *("tol", "reg_covar", "pseudo_count", "max_iter", "n_init", "acceleration"),
        *("resolution", "handle_unknown"),
    )

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = CHOICE_PARAMETERS | {
        "covariance_type": (*COVARIANCE_TYPES, none),
        **{name: EMMixture._allowed[name] for name in ("columns", "pseudo_count")},
        "handle_unknown": EMMixture._allowed["handle_unknown"],
    }

    def __init__(
        self,
        n_components: int | Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8, 9),
        *,
        columns: Any = "auto",
        covariance_type: str | Sequence[str] | None = None,
        criterion: str = "bic",
        cv: Any = None,
        refit: bool = True,
        tol: float = 1e-5,
        reg_covar: float = 1e-6,
        pseudo_count: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 1,
        acceleration: str | None = "squarem",
        init_params: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        resolution: str | ArrayLike | None = "auto",
        handle_unknown: str = "error",
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.columns = columns
        self.covariance_type = covariance_type
        self.criterion = criterion
        self.cv = cv
        self.refit = refit
        self.tol = tol
        self.reg_covar = reg_covar
        self.pseudo_count = pseudo_count
        self.max_iter = max_iter
        self.n_init = n_init
        self.acceleration = acceleration
        self.init_params = init_params
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.resolution = resolution
        self.handle_unknown = handle_unknown
        self.verbose = verbose

    def _models(self, X: ArrayLike, seed: int) -> list[Model]:
        shared = self._settings(seed)
        if not isinstance(self.columns, str):
            if self.covariance_type is not None:
                raise ValueError(
                    f"covariance_type={self.covariance_type!r} is for columns='auto': in a list of "
                    "blocks give the kinds to try, as in (['full', 'diag'], columns)"
                )
            models = _read_all(list_alternatives(self.columns), X, shared)
        else:
            models = self._automatic(X, shared)
        validate_data(self, X, reset=True, skip_check_array=True)
        return _with_shared_rows(models)

    def _automatic(self, X: ArrayLike, shared: dict[str, Any]) -> list[Model]:
        """Return the models that values ask for, with each of the covariance types."""
        model = _read("auto", "", X, shared)
        layout: Layout = model.make(n_components=1)._layout
        blocks = [(block.name, layout.selected(block.columns)) for block in layout.blocks]
        model = model._replace(name=name_alternatives([blocks])[0])
        if self.covariance_type is None:
            return [model]
        if not model.gaussians:
            raise ValueError(
                f"covariance_type={self.covariance_type!r} is for columns of numbers, but X has "
                "none: leave it out"
            )
        _, n_columns = model.gaussians[0]
        types = list_types(self.covariance_type, n_columns)
        alternatives = list_alternatives(
            [
                (types if placed.kind is None else kind, which)
                for placed, (kind, which) in zip(layout.blocks, blocks, strict=True)
            ]
        )
        return _read_all(alternatives, X, shared)


def _read_all(
    alternatives: Sequence[list[tuple[Any, Any]]], X: ArrayLike, shared: dict[str, Any]
) -> list[Model]:
    names = name_alternatives(alternatives)
    return [
        _read(blocks, name, X, shared) for blocks, name in zip(alternatives, names, strict=True)
    ]


def _read(columns: Any, name: str, X: ArrayLike, shared: dict[str, Any]) -> Model:
    """Read the table as `EMMixture` does with these columns."""
    mixture = EMMixture(columns=columns, **shared)
    rows = BLOCK_POINT.read_rows(mixture, X, reset=True)
    known = set_attributes(mixture)
    layout = BLOCK_POINT.layout(mixture)
    gaussians = tuple((b.name, len(b.columns)) for b in layout.blocks if b.kind is None)
    make = partial(_make, columns, shared, known)
    return Model(name, {"columns": columns}, make, rows, gaussians)


def _make(columns: Any, shared: dict[str, Any], known: dict[str, Any], **own: Any) -> EMMixture:
    """Make a mixture that knows what reading the table has told."""
    mixture = EMMixture(columns=columns, **shared, **own)
    for key, value in known.items():
        setattr(mixture, key, value)
    return mixture


def _with_shared_rows(models: Sequence[Model]) -> list[Model]:
    """Let models that read the table alike have the same array."""
    first = models[0].rows
    return [
        model._replace(rows=first) if np.array_equal(model.rows, first, equal_nan=True) else model
        for model in models
    ]
