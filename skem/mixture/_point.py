"""Point estimates: what `EMGaussianMixture` asks and publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._parameters import check_shape
from skem.families import CategoricalWeights, GaussianFamily, GaussianPrior, Scorer
from skem.inference import (
    SEARCH,
    MixtureParameters,
    PointRule,
    Run,
    Tree,
    Visit,
    batch_em,
    joint_scorer,
)
from skem.mixture._forms import Problem, Stepwise, column_names
from skem.mixture._held import describe_held
from skem.mixture._setup import (
    Standard,
    check_positive,
    components_to_table,
    components_to_user,
    fitted_components,
    make_family,
    make_prior,
    prior_covariance,
    spread_of_rows,
)

if TYPE_CHECKING:
    from skem.mixture._em import EMGaussianMixture

__all__ = ["PointForm"]

Array: TypeAlias = NDArray[np.float64]

# A component with a smaller weight than this has lost all its rows.
_EMPTIED = 1e-12


class PointForm:
    """Maximum likelihood and MAP; see `skem.mixture._forms.Form`."""

    algorithm = "EM"
    loop = staticmethod(batch_em)

    def rule(
        self,
        estimator: EMGaussianMixture,
        family: GaussianFamily,
        visit: Visit,
        prior: GaussianPrior | None,
    ) -> PointRule:
        """Make the rule with the priors that the user gave; flat ones otherwise."""
        prior = prior or _make_prior(estimator, family, visit)
        hard = estimator.assignment == "hard"
        return PointRule(self.weights(estimator), family, prior, hard=hard)

    def weights(self, estimator: EMGaussianMixture) -> CategoricalWeights:
        """Make the weights' family, without a prior if the user gave none."""
        concentration = estimator.weight_concentration_prior
        return CategoricalWeights(1.0 if concentration is None else float(concentration))

    def start_method(self, estimator: EMGaussianMixture) -> str | Tree | ArrayLike | None:
        """Return `init_params`; 'kmeans' for a search where a part is given, None where all is."""
        given = (estimator.weights_init, estimator.means_init, estimator.precisions_init)
        if all(value is not None for value in given):
            return None
        method = estimator.init_params
        some = any(value is not None for value in given)
        return "kmeans" if some and isinstance(method, str) and method == SEARCH else method

    def complete(self, problem: Problem, theta: MixtureParameters | None) -> MixtureParameters:
        """Put `*_init` in their places; nothing of them is changed."""
        return _complete(problem, theta)

    def read(self, estimator: EMGaussianMixture, family: GaussianFamily) -> MixtureParameters:
        """Read the fitted attributes back, in the user's units."""
        components = fitted_components(estimator, family)
        return MixtureParameters(np.asarray(estimator.weights_, dtype=np.float64), components)

    def to_table(
        self, family: GaussianFamily, theta: MixtureParameters, origin: Array, scale: Array
    ) -> MixtureParameters:
        """Bring parameters in the user's units to a table's."""
        components = components_to_table(family, theta.components, origin, scale)
        return theta._replace(components=components)

    def assigner(self, estimator: Any, family: GaussianFamily, theta: MixtureParameters) -> Scorer:
        """Score by log joint densities."""
        return joint_scorer(family, theta)

    density = assigner

    def draw(
        self,
        estimator: Any,
        family: GaussianFamily,
        theta: MixtureParameters,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw Gaussian rows."""
        return family.sample(theta.components, labels, rng)

    def attributes(self, problem: Problem, theta: MixtureParameters) -> dict[str, Any]:
        """Return weights, means, covariances and precisions in the user's units."""
        family, standard = problem.family, problem.standard
        user = components_to_user(family, theta.components, standard.origin, standard.scale)
        return {
            "weights_": theta.weights,
            "means_": user.means,
            "covariances_": user.covariances,
            "precisions_": family.precisions(user.factors),
            "precisions_cholesky_": user.factors,
        }

    def bound(self, problem: Problem, bound: float) -> float:
        """Bring a bound in the table's units to the user's; per unit of weight in both."""
        log_scale = np.log(problem.standard.scale)
        k, prior = problem.plan.n_components, problem.rule.prior
        jacobian = problem.family.log_prior_jacobian(prior, log_scale, k)
        return bound - float(log_scale.sum()) - jacobian / problem.table.total_weight

    def outcome(self, problem: Problem, run: Run[MixtureParameters]) -> dict[str, Any]:
        """Remember the rows' weight and units for steps that may follow."""
        return {"_stepwise": None, "_seen": (problem.table.total_weight, *problem.standard)}

    def outcome_of_batch(
        self, problem: Problem, visit: Visit, theta: MixtureParameters, population: float
    ) -> tuple[float, dict[str, Any]]:
        """Return the bound of this batch."""
        rule = problem.rule
        local = visit.expect(problem.family, rule.scorer(theta), bound_only=True)
        bound = (local.log_normaliser + rule.regulariser(theta)) / problem.table.total_weight
        return self.bound(problem, bound), {}

    def standing(self, estimator: EMGaussianMixture) -> Stepwise | None:
        """Say where stepwise EM stands; after a fit, with the statistics its rows should have."""
        state: Stepwise | None = getattr(estimator, "_stepwise", None)
        if state is not None or not hasattr(estimator, "_seen"):
            return state
        family = make_family(estimator)
        weight, *standard = estimator._seen
        theta = self.to_table(family, self.read(estimator, family), *standard[:2])
        expected = family.expected(theta.weights, theta.components)
        return Stepwise(expected, Standard(*standard), 0, weight, None, ())

    def diagnose(self, problem: Problem, theta: MixtureParameters, n_rows: float) -> list[str]:
        """Name components that emptied or collapsed."""
        messages = []
        emptied = np.flatnonzero(theta.weights <= _EMPTIED)
        if len(emptied):
            messages.append(
                f"Component(s) {emptied.tolist()} emptied: no row is left to them, their weight is "
                "zero and their means and covariances are the last they had. Decrease n_components "
                "or try other init_params."
            )
        return messages + describe_held(
            problem.family,
            problem.rule.prior,
            theta.weights,
            theta.components,
            n_rows,
            problem.standard,
            column_names(problem),
        )


def _make_prior(
    estimator: EMGaussianMixture, family: GaussianFamily, visit: Visit
) -> GaussianPrior:
    """Make the components' prior that the user gave, in the table's units."""
    table = visit.table
    d = table.X.shape[1]
    mean, kappa = estimator.mean_prior, estimator.mean_precision_prior
    if kappa is None:
        kappa = 0.0 if mean is None else 1.0
    covariance, nu = estimator.covariance_prior, estimator.degrees_of_freedom_prior
    scale = None
    if covariance is not None:
        scale = prior_covariance(family, table, covariance)
    elif nu is not None:
        stats = spread_of_rows(family, visit)
        # Of one variance for all features the scatter has seen D values a row.
        seen = float(family.count(stats.weight, d).sum())
        scale = stats.scatter / seen + family.reg_covar * family.identity(1, d)
    nu = float(d) if nu is None and covariance is not None else nu
    return make_prior(
        family, table, mean=mean, mean_precision=kappa, covariance=scale, degrees_of_freedom=nu
    )


def _complete(problem: Problem, theta: MixtureParameters | None) -> MixtureParameters:
    estimator, family, table = problem.estimator, problem.family, problem.table
    k, d = estimator.n_components, table.X.shape[1]
    weights, means, precisions = (
        estimator.weights_init,
        estimator.means_init,
        estimator.precisions_init,
    )
    if weights is not None:
        weights = check_shape("weights_init", weights, (k,))
        if weights.min() < 0 or weights.max() > 1:
            raise ValueError(
                "The parameter 'weights_init' should be in the range [0, 1], but got max value "
                f"{weights.max():.5f}, min value {weights.min():.5f}"
            )
        if abs(weights.sum() - 1) > 1e-6:
            raise ValueError(
                "The parameter 'weights_init' should be normalized, but got sum(weights) = "
                f"{weights.sum():.5f}"
            )
    else:
        assert theta is not None
        weights = theta.weights
    if means is not None:
        means = (check_shape("means_init", means, (k, d)) - table.origin) / table.scale
    else:
        assert theta is not None
        means = theta.components.means
    if precisions is not None:
        precisions = check_shape("precisions_init", precisions, family.identity(k, d).shape)
        check_positive("precisions_init", precisions, family)
        components = family.rescale(
            family.from_precisions(precisions)._replace(means=np.zeros((k, d))), 1.0 / table.scale
        )
    else:
        assert theta is not None
        components = theta.components
    return MixtureParameters(weights, components._replace(means=means))
