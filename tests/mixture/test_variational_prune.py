"""Pruned estimators: smaller, fitted, and of the same opinion."""

import pickle

import numpy as np
import pytest
from oracles import elbo
from sklearn.base import clone

from mixture.tables import (
    PARAMETERS,
    blobs,
    core,
    every_conjugate_type,
    every_type,
    every_weight_prior,
    variational,
)

K, D = 6, 2
X, _ = blobs(n=120, d=D, k=3, apart=6.0, seed=4)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fitted(covariance_type, weight_prior, rows=X, **parameters):
    common = {"weight_concentration_prior": 1e-2, "random_state": 0, "max_iter": 500}
    return variational(
        rows, K, covariance_type=covariance_type, weight_prior=weight_prior, **common | parameters
    )


@core
@every_conjugate_type
@every_weight_prior
@pytest.mark.parametrize("gamma", [1e-3, 0.3])
def test_rows_of_the_fit_keep_their_component(covariance_type, weight_prior, gamma):
    mixture = fitted(covariance_type, weight_prior, weight_concentration_prior=gamma)
    pruned, k = mixture.prune(), mixture.effective_n_components_
    assert 1 < k < K
    kept = np.flatnonzero(mixture.expected_counts_ >= 1 / K)
    np.testing.assert_array_equal(kept[pruned.predict(X)], mixture.predict(X))
    # What is left of the responsibilities, shared out.
    left = mixture.predict_proba(X)[:, kept]
    left /= left.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pruned.predict_proba(X), left, rtol=1e-7, atol=1e-12)


@core
@every_conjugate_type
@every_weight_prior
def test_what_a_pruned_estimator_is(covariance_type, weight_prior):
    mixture = fitted(covariance_type, weight_prior)
    before = {name: np.copy(getattr(mixture, name)) for name in PARAMETERS}
    pruned, k = mixture.prune(), mixture.effective_n_components_
    assert type(pruned) is type(mixture)
    assert pruned.get_params() == mixture.get_params() | {"n_components": k}
    assert pruned.effective_n_components_ == k
    shapes = {
        "full": ((k, D, D), (k,)),
        "tied": ((D, D), ()),
        "diag": ((k, D), (k,)),
        "spherical": ((k,), (k,)),
    }.get(covariance_type, ((k, D), (k,)))
    assert pruned.means_.shape == (k, D)
    for name in ("covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(pruned, name).shape == shapes[0], name
    assert np.shape(pruned.degrees_of_freedom_) == shapes[1]
    assert pruned.weights_.shape == pruned.mean_precision_.shape == (k,)
    assert np.shape(pruned.weight_concentration_)[-1] == k
    assert pruned.weights_.sum() == pytest.approx(1.0)
    assert pruned.n_features_in_ == D
    assert len(pruned.get_feature_names_out()) == k
    # The weights of what was dropped are shared out.
    left = mixture.weights_[:k] / mixture.weights_[:k].sum()
    np.testing.assert_allclose(pruned.weights_, left, rtol=1e-10)
    density = elbo.log_predictive(elbo.prior_of(pruned), elbo.posterior_of(pruned), X, share=left)
    np.testing.assert_allclose(pruned.score_samples(X), density, rtol=1e-9)
    assert pruned.score(X) == pytest.approx(mixture.score(X), abs=0.1)
    rows, labels = pruned.sample(50)
    assert rows.shape == (50, D)
    assert set(labels) <= set(range(k))
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(mixture, name), value, err_msg=name)
        assert not np.shares_memory(getattr(mixture, name), getattr(pruned, name))


@every_type
@every_weight_prior
def test_a_pruned_estimator_has_no_bound_until_it_is_fitted(covariance_type, weight_prior):
    mixture = fitted(covariance_type, weight_prior)
    pruned = mixture.prune()
    for name in ("lower_bound_", "lower_bounds_"):
        assert not hasattr(pruned, name)
    with pytest.raises(AttributeError, match=r"pruned.*warm_start=True.*fit"):
        pruned.elbo_terms()
    pruned.set_params(warm_start=True).fit(X)
    assert pruned.n_components == mixture.effective_n_components_
    terms = elbo.elbo_terms(elbo.prior_of(pruned), elbo.posterior_of(pruned), X, np.ones(len(X)))
    np.testing.assert_allclose(pruned.elbo_terms(), terms, rtol=1e-9)
    assert (pruned.predict(X) == mixture.prune().predict(X)).mean() > 0.97


@every_type
@every_weight_prior
def test_life_goes_on(covariance_type, weight_prior):
    mixture = fitted(covariance_type, weight_prior)
    pruned = mixture.prune()
    again = pruned.prune()
    assert again.n_components == pruned.n_components
    copy = pickle.loads(pickle.dumps(pruned))
    np.testing.assert_array_equal(copy.predict_proba(X), pruned.predict_proba(X))
    assert not hasattr(clone(pruned), "weights_")
    stepped = pruned.partial_fit(X[:60], total_weight=120.0)
    assert np.isfinite(stepped.score_samples(X)).all()
    assert np.isfinite(stepped.lower_bound_)
    assert stepped.elbo_terms().entropy >= 0
    assert stepped.weights_.shape == (stepped.n_components,)


@core
@every_conjugate_type
@every_weight_prior
def test_float32_is_kept(covariance_type, weight_prior):
    rows = X.astype(np.float32)
    mixture = fitted(covariance_type, weight_prior, rows)
    pruned = mixture.prune()
    for name in (*PARAMETERS, "mean_precision_", "expected_counts_"):
        assert getattr(pruned, name).dtype == np.float32, name
    assert pruned.score_samples(rows).dtype == np.float32
    np.testing.assert_array_equal(pruned.predict(rows), mixture.predict(rows))


def test_nothing_to_prune_before_a_fit():
    mixture = clone(fitted("full", "dirichlet_process"))
    for method in (mixture.prune, mixture.elbo_terms):
        with pytest.raises(ValueError, match="not fitted"):
            method()
