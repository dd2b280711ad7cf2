"""Latent classes, mixed tables and counts against plain EM in loops, StepMix, flexmix and MASS."""

from pathlib import Path

import numpy as np
import pytest

from skem import EMMixture

DATA = Path(__file__).parents[1] / "data"
DEATHS = [162, 267, 271, 185, 111, 61, 27, 8, 3, 1]  # days with 0 .. 9 deaths in the Times
LIMITS = {"tol": 1e-9, "max_iter": 5000, "acceleration": "anderson"}
ML = {"pseudo_count": 0.0, "reg_covar": 0.0, "resolution": None}


def latent_classes(name):
    """Distinct rows, and how often each is there."""
    lines = [line.split(",") for line in (DATA / "latent_classes.csv").read_text().split()[1:]]
    cells = np.array([[x or "nan" for x in line[1:]] for line in lines if line[0] == name], float)
    return cells[:, :4], cells[:, 4]


def mixed_table(name):
    text = (DATA / f"mixed_{name}.csv").read_text().splitlines()
    names = text[0].split(",")
    cells = [[x or "nan" for x in line.split(",")] for line in text[1:]]
    real = [name.endswith("_std") for name in names]
    columns = [("diag", real), ("categorical", [not r for r in real])]
    return np.array(cells, dtype=float), columns


@pytest.mark.parametrize(
    ("name", "n_components", "expected", "n_parameters"),
    [
        ("titanic", 2, -5327.327337, 13),
        ("titanic", 3, -5202.774103, 20),
        ("titanic_20pc_missing", 3, -4239.562797, 20),
        ("cheating", 2, -440.027112, 9),
        ("cheating_10pc_missing", 2, -390.884778, 9),
    ],
)
def test_one_start_finds_the_latent_classes(name, n_components, expected, n_parameters):
    values, weights = latent_classes(name)
    mixture = EMMixture(
        n_components,
        columns=[("categorical", slice(None))],
        random_state=0,
        **LIMITS,
        pseudo_count=0.0,
    ).fit(values, sample_weight=weights)
    n = weights.sum()
    assert mixture.converged_
    assert mixture.score(values, sample_weight=weights) * n == pytest.approx(expected, abs=0.01)
    assert mixture.n_parameters() == n_parameters
    assert mixture.bic(values, weights) == pytest.approx(
        -2 * expected + n_parameters * np.log(n), abs=0.05
    )


def test_four_classes_of_the_titanic():
    values, weights = latent_classes("titanic")
    mixture = EMMixture(
        4,
        columns=[("categorical", slice(None))],
        n_init=40,
        init_params="random",  # which few starts find: StepMix's end at -5175.85
        random_state=0,
        **LIMITS,
        **ML,
    ).fit(values, sample_weight=weights)
    total = mixture.score(values, sample_weight=weights) * weights.sum()
    assert total > -5171.703508 - 0.01


def test_pseudo_counts_cost_next_to_nothing():
    values, weights = latent_classes("titanic")
    given = {"columns": [("categorical", slice(None))], "random_state": 0, **LIMITS}
    scores = [
        EMMixture(3, pseudo_count=count, **given)
        .fit(values, sample_weight=weights)
        .score(values, sample_weight=weights)
        for count in (0.0, 1e-6)
    ]
    assert abs(scores[1] - scores[0]) * weights.sum() < 1e-3
    unseen = np.array([[3.0, 0.0, 1.0, 0.0]])  # there was no child in the crew
    mixture = EMMixture(3, **given).fit(values, sample_weight=weights)
    assert np.isfinite(mixture.score_samples(unseen)).all()


@pytest.mark.parametrize(
    ("name", "n_components", "expected", "n_parameters"),
    [
        ("birthwt", 2, -1249.705764, 25),
        ("birthwt", 3, -1215.339405, 38),
        ("penguins", 2, -1911.222758, 23),
        ("penguins", 3, -1719.943793, 35),
    ],
)
def test_mixed_tables(name, n_components, expected, n_parameters):
    X, columns = mixed_table(name)
    mixture = EMMixture(n_components, columns=columns, random_state=0, **LIMITS, **ML).fit(X)
    assert mixture.score(X) * len(X) == pytest.approx(expected, abs=0.01)
    assert mixture.n_parameters() == n_parameters


def test_deaths_in_the_times():
    values = np.arange(10.0)[:, None]
    mixture = EMMixture(2, columns=[("poisson", [0])], random_state=0, **LIMITS, **ML)
    mixture.fit(values, sample_weight=DEATHS)
    total = mixture.score(values, sample_weight=DEATHS) * sum(DEATHS)
    assert total == pytest.approx(-1989.945860, abs=0.01)
    np.testing.assert_allclose(mixture.weights_, [0.640115, 0.359885], atol=5e-3)
    np.testing.assert_allclose(
        mixture.parameters_[0]["rates"][:, 0], [2.663403, 1.256094], atol=1e-2
    )


def test_negative_binomial_deaths():
    values = np.arange(10.0)[:, None]
    mixture = EMMixture(1, columns=[("negative_binomial", [0])], **LIMITS, **ML)
    mixture.fit(values, sample_weight=DEATHS)
    total = mixture.score(values, sample_weight=DEATHS) * sum(DEATHS)
    assert total == pytest.approx(-1990.828669, abs=1e-4)  # MASS::glm.nb's
    assert mixture.n_parameters() == 2
    with pytest.raises(ValueError, match="negative_binomial columns need all rows at once"):
        mixture.partial_fit(values)
