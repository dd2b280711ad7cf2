"""What inference and estimators ask of families, statistics and scorers is what contracts state."""

import sys
import types

import numpy as np
import pytest
from sklearn.datasets import load_iris

from skem import EMGaussianMixture, VariationalGaussianMixture, bootstrap_standard_errors
from skem.families import GAUSSIAN_FAMILIES, GaussianFamily, GaussianStatistics
from skem.families.contract import (
    Conjugate,
    Estimable,
    Extrapolable,
    Family,
    Hasty,
    Searchable,
    methods_of,
)

STATED = {
    name
    for capability in (Family, Searchable, Extrapolable, Hasty, Conjugate, Estimable)
    for name in methods_of(capability)
}
CLIENTS = ("skem.inference.", "skem.mixture.", "skem.em.")
X = load_iris().data


def asker():
    """The module that reads an attribute: who called the method that calls this."""
    return sys._getframe(2).f_globals["__name__"]


@pytest.fixture
def asked(monkeypatch):
    """What clients read of families and of statistics while a test runs: (name, module)."""
    of_families, of_statistics = set(), set()

    def watch(cls, seen):
        plain = cls.__getattribute__

        def watched(self, name):
            if asker().startswith(CLIENTS):
                seen.add((name, asker()))
            return plain(self, name)

        monkeypatch.setattr(cls, "__getattribute__", watched, raising=False)

    watch(GaussianFamily, of_families)
    watch(GaussianStatistics, of_statistics)
    return types.SimpleNamespace(families=of_families, statistics=of_statistics)


def fits():
    """The suite's main kinds of fits, small."""
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    for covariance_type in GAUSSIAN_FAMILIES:
        mixture = EMGaussianMixture(3, covariance_type=covariance_type, random_state=0, max_iter=3)
        yield mixture, {}
        yield mixture.set_params(acceleration="squarem"), {"sample_weight": weights}
    yield EMGaussianMixture(2, assignment="hard", random_state=0), {}
    yield EMGaussianMixture(2, degrees_of_freedom_prior=6, mean_precision_prior=0.1), {}
    yield EMGaussianMixture(2, covariance_prior=np.eye(4), warm_start=True, n_init=2), {}
    for covariance_type in ("full", "tied", "diag", "spherical", "EEI", "EII"):
        yield VariationalGaussianMixture(4, covariance_type=covariance_type, random_state=0), {}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_clients_ask_what_the_contract_states(asked):
    for mixture, options in fits():
        mixture.fit(X, **options)
        mixture.predict_proba(X)
        mixture.score_samples(X)
        mixture.sample(5)
        mixture.n_parameters()
        mixture.partial_fit(X)
        if isinstance(mixture, VariationalGaussianMixture):
            mixture.prune()
    fitted = EMGaussianMixture(2, random_state=0).fit(X)
    bootstrap_standard_errors(X, fitted, n_bootstrap=2, random_state=0)
    unstated = {(name, who) for name, who in asked.families if name not in STATED}
    assert not {(name, who) for name, who in unstated if not name.startswith("__")}
    assert {name for name, _ in asked.families} >= {"mode", "merge", "coordinates", "divergence"}
    public = {(name, who) for name, who in asked.statistics if not name.startswith("_")}
    assert {name for name, _ in public} == {"weight"}


@pytest.mark.parametrize("name", GAUSSIAN_FAMILIES)
@pytest.mark.parametrize("capability", [Family, Searchable, Extrapolable, Conjugate, Estimable])
def test_every_gaussian_family_answers_every_contract(name, capability):
    family = GAUSSIAN_FAMILIES[name](0.0)
    assert not [method for method in methods_of(capability) if not hasattr(family, method)]
