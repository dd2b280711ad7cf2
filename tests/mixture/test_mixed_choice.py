"""MixtureIC: mixtures for columns of every kind, chosen by a criterion."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import KFold

from mixture.tables import many_rows
from mixture.test_blocks_reference import latent_classes
from skem import EMMixture, MixtureIC

pd = pytest.importorskip("pandas")

CLOSE = {"tol": 1e-5, "max_iter": 1000, "acceleration": "squarem", "random_state": 0}


def choose(X, *, sample_weight=None, **parameters):
    """Choose, whatever the fits warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MixtureIC(**{"random_state": 0} | parameters).fit(X, sample_weight=sample_weight)


def mixed_table(n=240, seed=0, holes=0.0):
    """Three groups, told apart by a number, a category, a yes/no answer and a count."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 3
    table = pd.DataFrame(
        {
            "size": rng.normal([0.0, 4.0, 8.0], 1.0, (n, 3))[np.arange(n), group],
            "colour": np.array(["red", "green", "blue"])[(group + (rng.random(n) < 0.1)) % 3],
            "smokes": rng.random(n) < np.array([0.1, 0.9, 0.5])[group],
            "visits": rng.poisson(np.array([1.0, 8.0, 3.0])[group]),
        }
    )
    if holes:
        table = table.mask(rng.random(table.shape) < holes)
        table["smokes"] = table["smokes"].astype(object)
    return table, group


KINDS = [
    ("diag", ["size"]),
    ("categorical", ["colour"]),
    ("bernoulli", ["smokes"]),
    ("poisson", ["visits"]),
]


@pytest.mark.core
@many_rows
@pytest.mark.parametrize("holes", [0.0, 0.15])
def test_three_groups_are_found(holes):
    X, group = mixed_table(holes=holes)
    choice = choose(X, n_components=range(1, 5), columns=KINDS)
    assert choice.best_params_ == {"columns": KINDS, "n_components": 3}
    labels = choice.predict(X)
    pairs = {(found, true) for found, true in zip(labels, group, strict=True)}
    same = sum(max((labels[group == g] == k).sum() for k in range(3)) for g in range(3))
    assert len(pairs) >= 3
    assert same > (0.9 if holes else 0.95) * len(X)


def test_columns_are_those_of_single_fits():
    X, _ = mixed_table(120, holes=0.1)
    weight = np.random.default_rng(0).integers(1, 4, len(X)).astype(float)
    choice = choose(X, n_components=(2, 1), columns=KINDS, sample_weight=weight)
    results = choice.results_
    assert results["kinds"].tolist() == ["diag, categorical, bernoulli, poisson"] * 2
    for row, k in enumerate((2, 1)):
        alone = EMMixture(k, columns=KINDS, **CLOSE).fit(X, sample_weight=weight)
        for criterion in ("bic", "icl", "aic"):
            expected = getattr(alone, criterion)(X, sample_weight=weight)
            assert results[criterion][row] == pytest.approx(expected, rel=1e-12)
        assert results["n_parameters"][row] == alone.n_parameters()
        assert results["n_iter"][row] == alone.n_iter_
        if row == choice.best_index_:
            assert choice.best_estimator_.get_params() == alone.get_params()
            np.testing.assert_array_equal(choice.predict_proba(X), alone.predict_proba(X))


def test_the_number_of_parameters_is_known_without_a_fit():
    # 4 shares; of each class: mean and variance, 2 of 3 shares, one share, a rate.
    X, _ = mixed_table(30)
    with pytest.warns(match="fits failed"):
        choice = MixtureIC((1, 31), columns=KINDS, random_state=0).fit(X)
    assert choice.results_["n_parameters"].tolist() == [6, 30 + 31 * 6]
    assert "Expected n_samples >= n_components" in choice.results_["error"][1]


@many_rows
def test_classes_of_the_titanic():
    # BIC at the reference's highest log-likelihoods: 3 classes 10559.5, 4 classes 10551.2.
    values, weights = latent_classes("titanic")
    known = {2: -5327.327337, 3: -5202.774103, 4: -5171.703508}
    choice = choose(
        values,
        sample_weight=weights,
        n_components=range(1, 6),
        columns=[("categorical", slice(None))],
        n_init=20,
        init_params="random",
        tol=1e-8,
        max_iter=5000,
    )
    results = choice.results_
    assert not results["crowded"].any()  # 24 rows that stand for 2201
    for k, log_likelihood in known.items():
        bic = -2 * log_likelihood + results["n_parameters"][k - 1] * np.log(2201)
        assert results["bic"][k - 1] == pytest.approx(bic, abs=0.1)
    assert choice.best_params_["n_components"] == 4


def test_weights_are_repeated_rows():
    X, _ = mixed_table(60)
    weight = np.arange(60) % 3
    repeated = X.loc[np.repeat(np.arange(60), weight)].reset_index(drop=True)
    parameters = {"n_components": (1, 2), "columns": KINDS, "init_params": "kmeans", "tol": 1e-9}
    once, twice = choose(X, sample_weight=weight, **parameters), choose(repeated, **parameters)
    for name in ("bic", "aic", "log_likelihood"):
        np.testing.assert_allclose(once.results_[name][0], twice.results_[name][0], rtol=1e-9)
    np.testing.assert_array_equal(once.results_["crowded"], twice.results_["crowded"])


def test_kinds_are_chosen_too():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "visits": rng.negative_binomial(2, 0.2, 300),  # varies five times as much as its mean
            "arrivals": rng.poisson(4.0, 300),
            "a": rng.normal(size=300),
            "b": rng.normal(size=300),
        }
    )
    columns = [
        (["poisson", "negative_binomial"], ["visits"]),
        (["negative_binomial", "poisson"], ["arrivals"]),
        (["full", "diag"], ["a", "b"]),
    ]
    choice = choose(X, n_components=1, columns=columns)
    assert len(choice.results_["kinds"]) == 8
    assert choice.results_["kinds"][0] == "poisson, negative_binomial, full"
    assert choice.best_params_["columns"] == [
        ("negative_binomial", ["visits"]),
        ("poisson", ["arrivals"]),
        ("diag", ["a", "b"]),
    ]
    assert EMMixture(**choice.best_params_, **CLOSE).fit(X).bic(X) == choice.best_score_


def test_only_kinds_that_vary_name_a_model():
    X, _ = mixed_table(60)
    columns = [(["diag", "lognormal"], ["size"]), *KINDS[1:]]
    choice = choose(X.assign(size=np.exp(X["size"])), n_components=1, columns=columns)
    assert choice.results_["kinds"].tolist() == ["diag", "lognormal"]
    assert choice.best_params_["columns"][0] == ("lognormal", ["size"])


def test_by_values_the_gaussian_block_has_types_to_try():
    X, _ = mixed_table(90)
    X["height"] = X["size"] + np.random.default_rng(1).normal(size=len(X))
    auto = choose(X, n_components=(1, 2))
    assert auto.best_params_["columns"] == "auto"
    assert set(auto.results_["kinds"]) == {"full, categorical"}
    types = choose(X, n_components=(1, 2), covariance_type=["full", "diag"])
    assert types.results_["kinds"].tolist() == ["full", "full", "diag", "diag"]
    np.testing.assert_allclose(types.results_["bic"][:2], auto.results_["bic"], rtol=1e-12)
    gaussian, rest = types.best_params_["columns"]
    assert gaussian[1] == ["size", "visits", "height"]
    assert rest == ("categorical", ["colour", "smokes"])
    assert len(set(choose(X, n_components=1, covariance_type="all").results_["kinds"])) == 14


def test_arrays_have_positions_in_place_of_names():
    X = mixed_table(60)[0].to_numpy()
    choice = choose(X, n_components=1, covariance_type=["diag"])
    assert choice.best_params_["columns"] == [("diag", [0, 3]), ("categorical", [1, 2])]


def test_cross_validation_holds_rows_out():
    X, _ = mixed_table(90, holes=0.1)
    choice = choose(X, n_components=(1, 3), columns=KINDS, criterion="cv", cv=3)
    for row, k in enumerate((1, 3)):
        scores = [
            EMMixture(k, columns=KINDS, **CLOSE).fit(X.iloc[train]).score(X.iloc[test])
            for train, test in KFold(3, shuffle=True, random_state=0).split(X)
        ]
        own = [choice.results_[f"split{fold}_test_score"][row] for fold in range(3)]
        np.testing.assert_allclose(own, scores, rtol=1e-9)
    assert choice.best_params_["n_components"] == 3


def test_a_category_that_a_fold_lacks_is_known_there():
    X = pd.DataFrame({"answer": ["yes", "no"] * 10 + ["perhaps"]})
    choice = choose(X, n_components=1, criterion="cv", cv=3, pseudo_count=1.0)
    assert choice.results_["error"].tolist() == [""]
    assert np.isfinite(choice.best_score_)


def test_methods_are_those_of_the_best_fit():
    X, _ = mixed_table(90, holes=0.1)
    choice = choose(X, n_components=(1, 3), columns=KINDS)
    best = choice.best_estimator_
    for method in ("predict", "predict_proba", "score_samples", "transform"):
        np.testing.assert_array_equal(getattr(choice, method)(X), getattr(best, method)(X))
    assert choice.score(X) == best.score(X)
    assert choice.relative_entropy(X) == best.relative_entropy(X)
    pd.testing.assert_frame_equal(choice.bivariate_residuals(X), best.bivariate_residuals(X))
    pd.testing.assert_frame_equal(choice.impute(X), best.impute(X))
    draws = [one.impute(X, "draw", n_draws=2, random_state=0) for one in (choice, best)]
    for drawn, expected in zip(*draws, strict=True):
        pd.testing.assert_frame_equal(drawn, expected)
    drawn, expected = (one.sample(7, random_state=1)[0] for one in (choice, best))
    pd.testing.assert_frame_equal(drawn, expected)
    assert "(best of 2 fits by bic)" in repr(choice.summary())
    assert choice.feature_names_in_.tolist() == list(X.columns)
    assert choice.n_features_in_ == 4
    np.testing.assert_array_equal(clone(choice).fit_predict(X), choice.predict(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(choice)).predict(X), choice.predict(X))
    names = choice.set_output(transform="pandas").transform(X).columns.tolist()
    assert names == ["mixtureic0", "mixtureic1", "mixtureic2"]


def test_polars_tables_are_taken():
    polars = pytest.importorskip("polars")
    X, _ = mixed_table(60)
    choice = choose(polars.from_pandas(X), n_components=(1, 2), columns=KINDS)
    same = choose(X, n_components=(1, 2), columns=KINDS)
    np.testing.assert_allclose(choice.results_["bic"], same.results_["bic"], rtol=1e-12)


def test_threads_change_no_bit(monkeypatch):
    monkeypatch.setattr("skem.mixture._grid._WORTH_A_THREAD", 0.0)
    X, _ = mixed_table(60)
    one, two = (choose(X, n_components=(1, 2), columns=KINDS, n_jobs=n) for n in (1, 2))
    for name, column in one.results_.items():
        if name != "fit_time":
            np.testing.assert_array_equal(two.results_[name], column, err_msg=name)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_collapsed_fits_of_a_gaussian_block_are_set_aside():
    X, _ = mixed_table(60)
    X.loc[:24, "size"] = 3.0
    X.loc[:24, "colour"] = "red"
    parameters = {"columns": KINDS, "resolution": None, "init_params": "kmeans", "n_init": 5}
    with pytest.warns(ConvergenceWarning, match=r"rank after all others. Kinds and numbers of"):
        choice = MixtureIC((1, 2, 4), **parameters, random_state=0).fit(X)
    collapsed = choice.results_["collapsed"]
    assert collapsed.any()
    assert not collapsed[choice.best_index_]


def test_rows_that_determine_no_covariances_are_not_fitted():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(20, 8)), columns=list("abcdefgh")).assign(
        group=["u", "v"] * 10
    )
    results = choose(X, n_components=(1, 3)).results_
    assert results["error"][1].startswith("not fitted: 20 rows do not determine")
    assert results["collapsed"].tolist() == [False, True]


def test_what_is_refused():
    X, _ = mixed_table(30)
    with pytest.raises(ValueError, match=r"tries 'full' and 'poisson' for .*can't be compared"):
        MixtureIC(columns=[(["full", "poisson"], ["visits"])]).fit(X)
    with pytest.raises(ValueError, match=r"covariance_type='diag' is for columns='auto'"):
        MixtureIC(columns=KINDS, covariance_type="diag").fit(X)
    with pytest.raises(ValueError, match=r"covariance_type='diag' is for columns of numbers"):
        MixtureIC(covariance_type="diag").fit(X[["colour", "smokes"]])
    with pytest.raises(ValueError, match="list of kinds is empty"):
        MixtureIC(columns=[([], ["visits"])]).fit(X)
    with pytest.raises(ValueError, match=r"pairs \(kind or kinds, columns\). Got the item 'diag'"):
        MixtureIC(columns=["diag"]).fit(X)
    # Of the table itself, once, and not as so many fits that failed.
    with pytest.raises(ValueError, match=r"^Column\(s\) \['visits'\] of X are in no block"):
        MixtureIC(columns=KINDS[:-1]).fit(X)
    with pytest.raises(ValueError, match="is none of the categories that were fitted"):
        choose(X, n_components=1, columns=KINDS).predict(X.replace({"colour": {"red": "mauve"}}))
    with pytest.raises(NotFittedError, match="MixtureIC"):
        MixtureIC().predict(X)


BAD_VALUES = {
    "n_components": (0, (), "2"),
    "columns": ("Auto", [], None),
    "covariance_type": ("All", "banded", (), 3),
    "criterion": ("BIC", None),
    "cv": (1, "kfold"),
    "refit": ("yes",),
    "tol": (-1.0, None),
    "reg_covar": (-1.0,),
    "pseudo_count": (-1.0, None),
    "max_iter": (-1, None),
    "n_init": (0,),
    "acceleration": ("fast",),
    "init_params": ("k-means", None),
    "random_state": (-1,),
    "n_jobs": (0,),
    "resolution": ("none",),
    "handle_unknown": ("ignore",),
    "verbose": (-1,),
}


def test_every_parameter_has_bad_values_here():
    assert set(BAD_VALUES) == set(MixtureIC().get_params())


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, bad in BAD_VALUES.items() for value in bad]
)
def test_a_bad_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=f"^The '{name}' parameter of MixtureIC must be"):
        MixtureIC(**{name: value}).fit(np.eye(4))
