"""Covariances without a factor, and components held up by reg_covar alone."""

import pickle

import numpy as np
import pytest
from oracles import cases, gaussian

from skem.families import GaussianParameters, SingularCovarianceError

families = pytest.mark.parametrize("kind", gaussian.KINDS)


def with_singular(kind, component, n_features=2):
    """Three covariances, one of them (the shared one, if tied) of no width in one direction."""
    covariances = cases.random_covariances(kind, 3, n_features, np.random.default_rng(0))
    if kind == "full":
        covariances[component] = np.ones((n_features, n_features))
    elif kind == "tied":
        covariances[:] = 1.0
    elif kind == "diag":
        covariances[component, -1] = 0.0
    else:
        covariances[component] = 0.0
    return covariances


@pytest.mark.core
@families
@pytest.mark.parametrize("component", [0, 2])
def test_error_names_the_component(kind, component):
    with pytest.raises(SingularCovarianceError) as caught:
        cases.make_family(kind).factorise(with_singular(kind, component))
    text = str(caught.value)
    assert isinstance(caught.value, ValueError)
    if kind == "tied":
        assert caught.value.component is None
        assert "shared covariance is singular" in text
    else:
        assert caught.value.component == component
        assert f"covariance of component {component} is singular" in text
    assert "reg_covar" in text


@families
def test_first_of_several_is_named(kind):
    covariances = with_singular(kind, 1)
    if kind != "tied":
        covariances[2] = covariances[1]
        with pytest.raises(SingularCovarianceError, match="component 1"):
            cases.make_family(kind).factorise(covariances)


@families
def test_negative_variances_are_singular(kind):
    covariances = -cases.random_covariances(kind, 3, 2, np.random.default_rng(0))
    with pytest.raises(SingularCovarianceError):
        cases.make_family(kind).factorise(covariances)


@pytest.mark.core
@pytest.mark.parametrize("component", [None, 3])
def test_error_survives_pickling(component):
    # As when a worker process of joblib hands it back.
    error = SingularCovarianceError(component)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is SingularCovarianceError
    assert again.component == component
    assert str(again) == str(error)


@pytest.mark.parametrize("kind", ["full", "tied"])
@pytest.mark.parametrize("seed", range(12))
def test_rows_in_a_plane_have_a_singular_covariance(kind, seed):
    # The third column is the sum of the others: what rounding leaves is no spread.
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((30, 2))
    X = np.column_stack([X, X.sum(axis=1)])
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    family = cases.make_family(kind)
    stats = cases.statistics_of(family, family.summer(1, 3), X, np.ones((30, 1)))
    blank = GaussianParameters(np.zeros((1, 3)), family.identity(1, 3), family.identity(1, 3))
    with pytest.raises(SingularCovarianceError):
        family.mode(stats, family.flat_prior(3), blank)


@families
@pytest.mark.parametrize("reg_covar", [1e-6, 1e-3])
def test_reg_covar_makes_up_for_it(kind, reg_covar):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.standard_normal((3, 2)), 5, axis=0)
    resp = np.repeat(np.eye(3), 5, axis=0)
    family = cases.make_family(kind, reg_covar)
    stats = cases.statistics_of(family, family.summer(3, 2), X, resp)
    blank = cases.random_parameters(kind, 3, 2, rng)
    got = family.mode(stats, family.flat_prior(2), blank)
    wanted = reg_covar * family.identity(3, 2)
    np.testing.assert_allclose(got.covariances, wanted, rtol=1e-8, atol=1e-14)
    assert np.isfinite(got.factors).all()


def mixture(kind, variances, reg_covar):
    """Means apart by 1; component k as wide as ``variances[k]`` along the last feature."""
    n_components = len(variances)
    family = cases.make_family(kind, reg_covar)
    means = np.column_stack([np.arange(n_components), np.arange(n_components)]).astype(float)
    matrices = np.array([np.diag([0.5, v]) for v in variances])
    if kind == "full":
        covariances = matrices
    elif kind == "tied":
        covariances = matrices[0]
    elif kind == "diag":
        covariances = np.array([np.diag(matrix) for matrix in matrices])
    else:
        covariances = np.array(variances)
    return family, GaussianParameters(means, covariances, family.factorise(covariances))


@pytest.mark.core
@families
def test_collapsed_components_are_found(kind):
    reg = 1e-6
    variances = [reg, 0.5, reg * (1 + 1e-9)]
    family, parameters = mixture(kind, variances, reg)
    weights = np.array([0.3, 0.4, 0.3])
    wanted = [True] * 3 if kind == "tied" else [True, False, True]
    assert family.collapsed(weights, parameters).tolist() == wanted


@families
def test_narrow_but_not_at_the_floor(kind):
    family, parameters = mixture(kind, [1e-4, 0.5, 1e-4], 1e-6)
    assert not family.collapsed(np.full(3, 1 / 3), parameters).any()


@families
def test_nothing_collapses_without_reg_covar(kind):
    family, parameters = mixture(kind, [1e-12, 0.5, 1e-12], 0.0)
    assert not family.collapsed(np.full(3, 1 / 3), parameters).any()


@pytest.mark.core
@families
def test_degenerate_data_are_not_a_collapse(kind):
    # The data have no spread along the last feature at all: nobody has collapsed there.
    reg = 1e-6
    family, parameters = mixture(kind, [reg, reg, reg], reg)
    means = parameters.means.copy()
    means[:, 1] = 0.0
    if kind == "spherical":
        means[:, 0] = 0.0
    flat = parameters._replace(means=means)
    assert not family.collapsed(np.full(3, 1 / 3), flat).any()


@families
def test_a_component_without_weight_has_not_collapsed(kind):
    reg = 1e-6
    family, parameters = mixture(kind, [reg, 0.5, reg], reg)
    wanted = [False, True, True] if kind == "tied" else [False, False, True]
    assert family.collapsed(np.array([0.0, 0.6, 0.4]), parameters).tolist() == wanted


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_data_about_as_narrow_as_the_floor_are_not_a_collapse(kind):
    reg = 1e-6
    family, parameters = mixture(kind, [reg, reg, reg], reg)
    means = parameters.means.copy()
    means[:, 1] = np.sqrt(5 * reg) * np.array([-1.0, 0.0, 1.0])
    assert not family.collapsed(np.full(3, 1 / 3), parameters._replace(means=means)).any()
