"""``skem impute`` of tables with columns of text."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from skem import EMMixture, MixtureImputer
from skem.impute import _mixed_choice


@pytest.fixture(autouse=True)
def few_components(monkeypatch):
    """Choose between one and two components: cheap without the compiler."""
    monkeypatch.setattr(_mixed_choice, "_CANDIDATES", (("full", (1, 2)), ("tied", (2,))))


@pytest.fixture
def pets(tmp_path):
    """60 pets: two kinds that differ in weight and in whether they bark; holes in all columns."""
    rng = np.random.default_rng(0)
    dog = np.arange(60) % 2 == 1
    frame = pd.DataFrame(
        {
            "pet": np.where(dog, "dog", "cat").astype(object),
            "kg": rng.normal(np.where(dog, 25, 4), 0.5).round(2),
            "barks": np.where(dog, "true", "false").astype(object),
            "name": [f"n{i}" for i in range(60)],
        }
    )
    holed = frame.copy()
    holed.loc[[2, 5], "pet"] = None
    holed.loc[[3, 8], "kg"] = None
    holed.loc[[5, 10], "barks"] = None
    holed.loc[7, "name"] = None
    path = tmp_path / "pets.csv"
    holed.to_csv(path, index=False)
    return path, frame, holed


def test_categories_are_filled_and_names_stay_empty(run, pets, tmp_path):
    path, frame, holed = pets
    out = tmp_path / "out.csv"
    status, said, err = run("impute", path, "-o", out)
    assert status == 0
    assert err.count("\n") == 2
    assert "columns left out: 'name' (names rather than categories: 59 values in 59 rows)" in err
    assert "empty cells stay in columns that are not used: 'name' (1)" in err
    text = pd.read_csv(out, dtype=str)
    assert list(text["pet"]) == list(frame["pet"])
    assert list(text["barks"]) == list(frame["barks"])
    assert text["name"].isna().sum() == 1
    kg = text["kg"].astype(float)
    assert (kg.drop([3, 8]) == holed["kg"].drop([3, 8])).all()
    assert abs(kg[3] - 25) < 2
    assert abs(kg[8] - 4) < 2
    assert (
        "pets.csv: 60 rows, 2 numeric columns, 1 column of categories; filled 6 cells in 5" in said
    )
    assert re.search(r"^  pet +2 +3\.3 % +cat 50 % +\w{3} 50 %$", said, re.M)
    assert "(mean ± standard deviation; of categories, the most frequent)" in said
    assert "conditional means (of categories, the most probable), given what" in said
    assert re.search(r"by a mixture of 2 components with (full|tied) covariance,", said)
    assert "Rounded, as the column has whole numbers or truth values: 'barks'" in said


def test_as_the_imputer_does(run, pets, tmp_path):
    path, _, holed = pets
    out = tmp_path / "out.csv"
    status, _, _ = run("impute", path, "-o", out, "--method", "draw", "--columns", "pet,kg")
    assert status == 0
    got = pd.read_csv(out)
    expected = MixtureImputer(method="draw", random_state=0).fit_transform(holed[["kg", "pet"]])
    assert list(got["pet"]) == list(expected["pet"])
    np.testing.assert_allclose(got["kg"], expected["kg"], rtol=1e-12)


def test_text_alone_and_types_in_parquet(run, tmp_path):
    path, out = tmp_path / "t.parquet", tmp_path / "out.parquet"
    rng = np.random.default_rng(0)
    a = rng.choice(["x", "y"], 60)
    b = np.where(rng.random(60) < 0.95, a, "z")
    gap = np.arange(60) % 9 == 0
    table = pa.table(
        {
            "a": pa.array([None if g else v for g, v in zip(gap, a, strict=True)]),
            "b": pa.array(b).dictionary_encode(),
            "c": pa.array([None if i == 3 else v for i, v in enumerate(b)]).dictionary_encode(),
            "few": pa.array(["only"] * 59 + [None]),
        }
    )
    parquet.write_table(table, path)
    status, said, err = run("impute", path, "-o", out)
    assert status == 0
    assert "60 rows, 3 columns of categories; filled 8 cells in 8 rows" in said
    assert "'few' (1)" in err
    got = parquet.read_table(out)
    assert got.schema.equals(table.schema)
    frame = pd.DataFrame({name: table[name].to_pylist() for name in "abc"})
    expected = MixtureImputer(random_state=0).fit_transform(frame)
    for name in "abc":
        assert got[name].to_pylist() == expected[name].tolist()
    assert isinstance(MixtureImputer(random_state=0).fit(frame).estimator_, EMMixture)


def test_named_columns_are_used_whatever_their_texts(run, refused, pets):
    path, _, _ = pets
    status, said, _ = run("impute", path, "--columns", "name,pet")
    assert status == 0
    assert "60 rows, 2 columns of categories; filled 3 cells in 3 rows" in said
    assert "First 3 of 3 filled rows" in said
    path.write_text("x,s\n1,a\n2,1\n3,2\n")
    refused("impute", path, "--columns", "x,s", says="column 's', row 1 (line 2): 'a' is not a")


@pytest.mark.parametrize("command", ["cluster", "impute"])
def test_numbers_written_as_text_are_used_where_they_are_named(run, tmp_path, command):
    path = tmp_path / "t.parquet"
    x = np.random.default_rng(0).normal(size=60).round(3)
    level = pa.array([None if i == 3 else f"{v}" for i, v in enumerate(x)])
    parquet.write_table(pa.table({"x": x[::-1], "level": level}), path)
    one = ["-k", "1"] if command == "cluster" else []
    status, said, err = run(command, path, "--columns", "x,level", *one)
    assert status == 0
    assert "60 rows, 2 " in said
    assert "left out" not in err
