"""Tables with text, truth values and counts: ``skem cluster`` and ``skem score`` by kinds."""

import datetime
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from cli_tables import ADDED
from numpy.testing import assert_allclose, assert_array_equal

from skem import EMMixture, MixtureIC
from skem.cli import COVARIANCE_TYPES, KINDS
from skem.families import GAUSSIAN_FAMILIES
from skem.families.kinds.registry import KINDS as KNOWN

COLUMNS = [
    ("full", ["size"]),
    ("categorical", ["colour", "smokes"]),
    ("poisson", ["visits"]),
]


def people(n=150, holes=0.0):
    """Two groups, told apart by columns of four kinds, and names."""
    rng = np.random.default_rng(0)
    second = np.arange(n) % 2
    frame = pd.DataFrame(
        {
            "name": [f"person {i}" for i in range(n)],
            "size": 1000.0 * (rng.normal(size=n) + 5.0 * second),
            "colour": np.where(rng.random(n) < 0.1 + 0.8 * second, "red", "blue"),
            "smokes": rng.random(n) < 0.2 + 0.6 * second,
            "visits": rng.poisson(1.0 + 6.0 * second),
        }
    )
    if holes:
        hidden = rng.random(frame.shape) < holes
        hidden[:, 0] = False
        frame["smokes"] = frame["smokes"].map({True: "true", False: "false"})
        frame = frame.mask(hidden)
    return frame


@pytest.fixture
def mixed(tmp_path):
    path = tmp_path / "people.csv"
    people(holes=0.1).to_csv(path, index=False)
    return path


def test_kinds_are_those_that_estimators_know():
    assert set(KINDS) == set(KNOWN)
    assert set(COVARIANCE_TYPES) == set(GAUSSIAN_FAMILIES)


@pytest.mark.core
@pytest.mark.parametrize("option", [[], ["--no-scale"]])
def test_fits_are_those_of_the_estimators(run, mixed, tmp_path, option):
    out = tmp_path / "out.csv"
    arguments = ["-k", "1:3", "--kind", "poisson=visits", "-o", out, *option]
    status, said, err = run("cluster", mixed, *arguments)
    assert status == 0
    X = people(holes=0.1).drop(columns="name")
    # 'full' does not depend on units.
    choice = MixtureIC(range(1, 4), columns=COLUMNS, random_state=0).fit(X)
    bic = [float(text.replace(",", "")) for text in re.findall(r"^ +[123] +([\d,.]+) ", said, re.M)]
    assert_allclose(bic, choice.results_["bic"], atol=0.06)
    assert choice.best_params_["n_components"] == 2
    got = pd.read_csv(out)
    assert_array_equal(got["cluster"], choice.predict(X))
    assert_allclose(got["probability"], choice.predict_proba(X).max(axis=1), atol=1e-4)
    assert_allclose(got["log_density"], choice.score_samples(X), atol=1e-3)
    scaled = "" if option else ", standardised"
    expected = f"4 columns: 1 Gaussian (full{scaled}), 2 categorical, 1 poisson"
    assert f"people.csv: 150 rows, {expected}\n" in said
    profile = choice.summary().to_frame()
    red, rate = ([*profile["colour", "red"]], [*profile["visits", "rate"]])
    assert re.search(rf"^    red +{red[0]:.3f} +{red[1]:.3f}$", said, re.M)
    assert re.search(rf"^  visits \(rate\) +{rate[0]:.4g} +{rate[1]:.4g}$", said, re.M)
    assert "columns left out: 'name' (names rather than categories: 150 values in 150 rows)" in err
    assert re.search(r"\d+ missing cells in \d+ of 150 rows, in 4 columns: 'size' \(\d+\)", err)


def test_summary_is_in_the_tables_units(run, mixed):
    _, said, _ = run("cluster", mixed, "-k", 1, "--columns", "size,colour")
    X = people(holes=0.1)["size"]
    mean, deviation = (
        int(text) for text in re.search(r"^  size +(\d+) ± (\d+)$", said, re.M).groups()
    )
    assert mean == pytest.approx(X.mean(), abs=60)
    assert deviation == pytest.approx(X.std(ddof=0), abs=60)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_saved_model_scores_new_rows(run, tmp_path, suffix):
    table, model = tmp_path / f"t.{suffix}", tmp_path / "m.skops"
    frame = people(holes=0.1 if suffix == "csv" else 0.0)
    write = {"csv": lambda f, p: f.to_csv(p, index=False), "parquet": lambda f, p: f.to_parquet(p)}
    write[suffix](frame, table)
    options = ["-k", 2, "--save", model, "-o", tmp_path / "one.csv"]
    status, said, _ = run("cluster", table, *options, "--kind", "negative_binomial=visits")
    assert status == 0
    assert f"Saved the model to {model}" in said
    write[suffix](frame[["smokes", "visits", "colour", "size"]].iloc[::-1], table)
    status, said, err = run("score", table, "--model", model, "-o", tmp_path / "two.csv")
    assert status == 0
    assert ("missing cells" in err) == (suffix == "csv")
    first, second = (pd.read_csv(tmp_path / f"{name}.csv")[ADDED] for name in ("one", "two"))
    pd.testing.assert_frame_equal(second[::-1].reset_index(drop=True), first, rtol=1e-9)
    assert f"150 rows, 2 clusters, mean log density {first.log_density.mean():.4g}" in said


@pytest.mark.parametrize("kind", ["all", "EEV", "tied", "spherical"])
def test_structures_of_the_gaussian_block(run, tmp_path, kind):
    table, model = tmp_path / "t.csv", tmp_path / "m.skops"
    frame = people(80)
    frame["weight"] = frame["size"] / 7 + np.random.default_rng(1).normal(size=80)
    frame.to_csv(table, index=False)
    arguments = ["-k", "1:2", "--covariance-type", kind, "--save", model, "-o", tmp_path / "o.csv"]
    status, said, _ = run("cluster", table, *arguments)
    assert status == 0
    assert ("14 models" in said) == (kind == "all")
    status, _, _ = run("score", table, "--model", model, "-o", tmp_path / "again.csv")
    assert status == 0
    got, again = (pd.read_csv(tmp_path / f"{name}.csv")[ADDED] for name in ("o", "again"))
    pd.testing.assert_frame_equal(got, again, rtol=1e-9)


def test_a_category_that_was_not_fitted_is_named(run, refused, mixed, tmp_path):
    model, new = tmp_path / "m.skops", tmp_path / "new.csv"
    assert run("cluster", mixed, "-k", 1, "--save", model)[0] == 0
    lines = ["size,colour,smokes,visits", "1,red,true,2", "2,,false,1", "3,mauve,true,0"]
    new.write_text("\n".join(lines) + "\n")
    says = "column 'colour', row 3 (line 4): 'mauve' is none of the categories that the model was"
    refused("score", new, "--model", model, says=[says, "fitted to: 'blue', 'red'; leave the"])
    new.write_text("\n".join(lines).replace("3,mauve", "x,red") + "\n")
    refused("score", new, "--model", model, says="column 'size', row 3 (line 4): 'x' is not a num")
    new.write_text("\n".join(lines).replace("3,mauve,true", "3,red,perhaps") + "\n")
    refused("score", new, "--model", model, says="'perhaps' is neither true nor false")
    new.write_text("\n".join(lines).replace(",smokes", ",smoker") + "\n")
    refused("score", new, "--model", model, says="new.csv: no column 'smokes'")


def test_missing_rows_may_be_left_out(run, mixed, tmp_path):
    out = tmp_path / "out.csv"
    status, _, err = run("cluster", mixed, "-k", 1, "--drop-missing", "-o", out)
    assert status == 0
    complete = people(holes=0.1).notna().all(axis=1)
    assert f"left out {150 - complete.sum()} of 150 rows with missing values" in err
    assert_array_equal(pd.read_csv(out)["cluster"].notna(), complete)


def test_weights_are_repeated_rows(run, tmp_path):
    frame = people(60).assign(w=np.arange(60) % 3)
    frame.to_csv(tmp_path / "a.csv", index=False)
    repeated = frame.loc[np.repeat(np.arange(60), frame["w"])].drop(columns="w")
    repeated.to_csv(tmp_path / "b.csv", index=False)
    said = [
        run("cluster", tmp_path / f"{name}.csv", "-k", 1, "--exclude", "name", *more)[1]
        for name, more in (("a", ["--weight-column", "w"]), ("b", []))
    ]
    found = [re.search(r"^ +1 +([\d,.]+) ", text, re.M)[1] for text in said]
    assert found[0] == found[1]
    assert "weights from w" in said[0]


def test_numbers_alone_stay_gaussian(run, tmp_path):
    path = tmp_path / "t.csv"
    frame = people()[["size", "visits"]]
    frame.to_csv(path, index=False)
    plain = run("cluster", path, "-k", 2)[1]
    frame.assign(label="a", who=[f"p{i}" for i in range(150)]).to_csv(path, index=False)
    beside = run("cluster", path, "-k", 2)[1]
    pattern = r"clusters; converged[\s\S]*deviation\)"
    blank = [
        re.sub(r"\d\.\d\d s in all", "", re.search(pattern, text)[0]) for text in (plain, beside)
    ]
    assert blank[0] == blank[1]
    assert "2 columns (standardised), full covariance" in beside
    # ... unless another kind is declared.
    declared = run("cluster", path, "-k", 2, "--kind", "poisson=visits")[1]
    assert "2 columns: 1 Gaussian (full, standardised), 1 poisson" in declared


def odd_table():
    """A table for Parquet with columns that types alone don't tell apart."""
    frame = people()[["size", "colour"]]
    yes = pd.Series(np.where(np.arange(150) % 3, "true", "false"))
    return frame.assign(
        yes=yes.astype("category"),
        text=[f"{x:.3f}" for x in frame["size"]],
        who=[f"p{i}" for i in range(150)],
        same="a",
        when=datetime.date(2024, 1, 1),
        user_id=np.where(np.arange(150) % 2, "u", "v"),
    )


NO_NUMBERS = "(categories, and only numbers are used here), "
LEFT_OUT = (
    "'text' (numbers written as text), 'who' (names rather than categories: 150 values in 150 "
    "rows), 'same' (no other value than 'a'), 'when' (neither text nor numbers, but date32[day]), "
    "'user_id' (named as ids are)\n"
)


@pytest.mark.parametrize(
    ("command", "says", "more"),
    [
        (["cluster", "-k", 1], "1 Gaussian (full, standardised), 2 categorical", ""),
        (["impute"], "1 numeric column, 2 columns of categories", ""),
        (["outliers"], "150 rows, 1 column;", f"'colour' {NO_NUMBERS}'yes' {NO_NUMBERS}"),
    ],
)
def test_one_rule_says_what_columns_are(run, tmp_path, command, says, more):
    path = tmp_path / "t.parquet"
    odd_table().to_parquet(path)
    status, said, err = run(command[0], path, *command[1:])
    assert status == 0
    assert says in said
    assert f"t.parquet: columns left out: {more}{LEFT_OUT}" in err


def test_named_numbers_in_text_are_numbers(run, tmp_path):
    path = tmp_path / "t.parquet"
    frame = odd_table()
    frame.to_parquet(path)
    said = run("cluster", path, "-k", 1, "--columns", "size,text,yes")[1]
    assert "3 columns: 2 Gaussian (full, standardised), 1 categorical" in said
    text = frame["text"].astype(float)
    shown = re.search(r"^  text +(\d+) ± (\d+)$", said, re.M).groups()
    assert_allclose([int(x) for x in shown], [text.mean(), text.std(ddof=0)], atol=0.51)
    assert re.search(r"^  yes *\n    False +0.333\n    True +0.667$", said, re.M)
    assert "1 column (standardised)" in run("cluster", path, "-k", 1, "--columns", "text")[1]


def test_whole_numbers_may_be_categories(run, tmp_path):
    path = tmp_path / "t.csv"
    frame = people(60)[["colour"]].assign(race=np.arange(60) % 3 + 1)
    frame.to_csv(path, index=False)
    _, _, err = run("cluster", path, "-k", 1)
    assert "whole numbers of few values, taken as measurements: 'race'; if they are counts" in err
    status, said, err = run("cluster", path, "-k", 1, "--kind", "categorical=race")
    assert (status, err) == (0, "")
    assert re.search(r"^  race *\n    1 +0.333\n    2 +0.333\n    3 +0.333$", said, re.M)


def test_one_cluster_of_numbers_names_columns_that_may_hide_others(run, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "t.csv"
    frame = pd.DataFrame({"size": rng.normal(size=80), "smoke": rng.integers(0, 2, 80)})
    frame.to_csv(path, index=False)
    said, err = run("cluster", path)[1:]
    assert "1 cluster, chosen" in said
    assert "whole numbers of few values, taken as measurements: 'smoke'; if they are" in err
    assert "--kind categorical=smoke" in err
    # Not where one cluster was asked for, nor where a column has as many values as rows.
    assert run("cluster", path, "-k", 1)[2] == ""
    assert run("cluster", path, "--exclude", "smoke")[2] == ""


def test_many_categories_are_shown_in_short(run, tmp_path):
    path = tmp_path / "t.csv"
    teams = [f"t{i}" for i in range(20) for _ in range(i + 5)]
    pd.DataFrame({"team": teams}).to_csv(path, index=False)
    said = run("cluster", path, "-k", 1)[1]
    n = len(teams)
    shown = re.findall(r"^    t(\d+) +([\d.]+)$", said, re.M)
    assert shown == [(str(i), f"{(i + 5) / n:.3f}") for i in range(10, 20)]
    assert re.search(rf"^    \(10 others\) +{sum(range(5, 15)) / n:.3f}$", said, re.M)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--kind", "poisson"], "argument --kind: 'poisson' is not KIND=A,B,..."),
        (["--kind", "normal=size"], "argument --kind: 'normal' is no kind; there are bernoulli, "),
        (["--kind", "poisson=size,gone"], "no column 'gone'"),
        (
            ["--kind", "poisson=visits", "--kind", "gamma=visits"],
            "in --kind poisson and --kind gam",
        ),
        (
            ["--kind", "poisson=visits", "--exclude", "visits"],
            "in --kind poisson and to be left out",
        ),
        (
            ["--kind", "poisson=visits", "--columns", "size"],
            "in --kind poisson, but not in --columns",
        ),
        (
            ["--kind", "poisson=size"],
            ["column 'size', row 1 (line 2): '125.", "' is not possible: poi"],
        ),
        (["--kind", "gamma=size"], ["' is not possible: gamma columns hold numbers above 0, up"]),
        (["--kind", "categorical=size"], "is no whole number, as numbers that are categories are"),
        (["--kind", "poisson=colour"], "column 'colour', row 1 (line 2): 'blue' is not a number"),
        (["--kind", "bernoulli=name"], "150 different values, but bernoulli columns have two"),
        (["--kind", "bernoulli=one"], "'one': 1 different value, but bernoulli columns have two"),
        (["--columns", "name,size"], "column 'name': names rather than categories: 150 values in"),
    ],
)
def test_what_is_refused(refused, tmp_path, options, says):
    path = tmp_path / "people.csv"
    people().assign(one="x").to_csv(path, index=False)
    refused("cluster", path, "-k", 1, *options, says=says)


def test_a_tampered_model_is_refused(run, refused, mixed, tmp_path):
    model = tmp_path / "m.skops"
    assert run("cluster", mixed, "-k", 2, "--save", model)[0] == 0
    with zipfile.ZipFile(model) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = parts["schema.json"].decode()
    for old, new, says in [
        ("EMMixture", "Evil", "refused: a model does not hold"),
        ("Categorical", "Evil", "refused: a model does not hold"),
        ("skem cluster mixed 1", "skem cluster mixed 9", "not a model that 'skem cluster"),
        ('\\"colour\\"', '\\"color\\"', "not a model that 'skem cluster"),
    ]:
        assert old in schema
        with zipfile.ZipFile(model, "w") as archive:
            for name, content in (
                parts | {"schema.json": schema.replace(old, new, 1 if "col" in old else -1)}
            ).items():
                archive.writestr(name, content)
        refused("score", mixed, "--model", model, says=says)


def test_a_model_knows_what_a_python_user_needs(run, mixed, tmp_path):
    skops = pytest.importorskip("skops.io")
    model = tmp_path / "m.skops"
    assert run("cluster", mixed, "-k", 2, "--no-scale", "--save", model)[0] == 0
    content = skops.load(model, trusted=skops.get_untrusted_types(file=model))
    assert content["columns"] == ["size", "colour", "smokes", "visits"]
    assert isinstance(content["mixture"], EMMixture)
    labels = content["mixture"].predict(
        pd.DataFrame({"size": [0.0], "colour": ["red"], "smokes": [True], "visits": [1.0]})
    )
    assert labels.shape == (1,)


def test_what_may_not_describe_a_row_is_noted(run, tmp_path):
    path = tmp_path / "t.parquet"
    frame = people(40).assign(
        order=np.arange(40), same=3.0, code=[str(i % 3) for i in range(40)], row_id=["a", "b"] * 20
    )
    frame.to_parquet(path)
    status, _, err = run("cluster", path, "-k", 1)
    assert status == 0
    left_out = "'name' (names rather than categories: 40 values in 40 rows), "
    left_out += "'code' (numbers written as text), 'row_id' (named as ids are)"
    assert f"columns left out: {left_out}\n" in err
    assert "'order' may number or name the rows rather than describe them; if so, leave" in err
    assert "the same value in every row of 'same'; better leave it out" in err
    # Whoever names a column means it.
    _, said, err = run("cluster", path, "-k", 1, "--columns", "order,colour")
    assert err == ""
    assert "2 columns: 1 categorical, 1 Gaussian (full, standardised)" in said
    _, said, _ = run("cluster", path, "-k", 1, "--kind", "categorical=code,row_id")
    assert re.search(r"^    1 +0.325$", said, re.M)


WRITTEN = {
    "percent": ["5%", "10%", "2.5 %"],
    "money": ["$5", "-$10.50", "20 €"],
    "thousands": ["1,200.5", "500", "10,000"],
    "spaces": ["1\u00a0200", "500", "1 000 000"],
    "minus": ["\u22125", "3", "\u22122"],
}
NOT_WRITTEN = {
    "address": ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
    "range": ["10-20", "20-30", "30-40"],
    "grade": ["1+", "1-", "2+"],
    "size": ["5 kg", "10 kg", "20 kg"],
    "code": ["12 34", "12 35", "12 36"],
}


@pytest.mark.parametrize("name", [*WRITTEN, *NOT_WRITTEN])
def test_numbers_with_signs_are_no_categories(run, refused, tmp_path, name):
    values = (WRITTEN | NOT_WRITTEN)[name]
    size = np.random.default_rng(0).normal(size=90)
    path = tmp_path / "written.csv"
    pd.DataFrame({"size_cm": size, name: values * 30}).to_csv(path, index=False)
    status, said, err = run("cluster", path, "-k", "1")
    assert status == 0
    reason = f"'{name}' (numbers with signs or separators, such as {values[0]!r})"
    assert (reason in err) == (name in WRITTEN)
    assert ("1 categorical" in said) == (name in NOT_WRITTEN)
    _, said, _ = run("cluster", path, "-k", "1", "--kind", f"categorical={name}")
    assert "1 categorical" in said
    if name in WRITTEN:
        refused("cluster", path, "--columns", name, says=f"column {name!r}")
