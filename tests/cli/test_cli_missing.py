"""Missing cells: modelled by ``cluster`` and ``score``, filled by ``impute``."""

import gzip
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io as skops
from cli_tables import ADDED, blobs
from numpy.testing import assert_allclose, assert_array_equal
from oracles import gaps
from pyarrow import parquet

from skem import MixtureImputer


@pytest.fixture
def holed(tmp_path):
    """A CSV file of 60 rows; x is missing in rows 3 and 8, y in 8 and 9; so row 8 is empty."""
    frame = blobs().round(3)
    frame.loc[[2, 7], "x"] = np.nan
    frame.loc[[7, 8], "y"] = np.nan
    path = tmp_path / "holed.csv"
    frame.to_csv(path, index=False)
    return path, frame


def densities(model, frame):
    """What a saved model says of rows in the table's units, by loops over SciPy's marginals."""
    content = skops.load(model, trusted=skops.get_untrusted_types(file=model))
    *scaler, (_, mixture) = content["pipeline"].steps
    origin, scale = (scaler[0][1].mean_, scaler[0][1].scale_) if scaler else (0.0, np.ones(2))
    means = mixture.means_ * scale + origin
    covariances = mixture.covariances_ * scale[:, None] * scale
    return gaps.log_mixture("full", frame.to_numpy(), mixture.weights_, means, covariances), mixture


# --- cluster and score ----------------------------------------------------------------------


@pytest.mark.parametrize("option", [[], ["--no-scale"]])
def test_missing_cells_are_modelled(run, holed, tmp_path, option):
    path, frame = holed
    out, model = tmp_path / "out.csv", tmp_path / "m.skops"
    status, said, err = run("cluster", path, "-k", 2, "-o", out, "--save", model, *option)
    assert status == 0
    assert err.count("\n") == 1
    assert (
        "holed.csv: 4 missing cells in 3 of 60 rows, in 2 columns: 'x' (2), 'y' (2); they are "
        "modelled (--drop-missing leaves such rows out); without any value: 1 row, put into the "
        "largest cluster" in err
    )
    assert "holed.csv: 60 rows, 2 columns" in said
    got = pd.read_csv(out)
    assert got[ADDED].notna().all(axis=None)
    assert_array_equal(got[["x", "y"]], frame)
    expected, mixture = densities(model, frame)
    assert_allclose(got["log_density"], expected, rtol=0, atol=1e-9)
    assert_allclose(got["probability"][7], mixture.weights_.max(), rtol=1e-12)
    assert got["cluster"][7] == 0
    # BIC is that of the densities in the table's units.
    bic = -2 * expected.sum() + 11 * np.log(60)
    shown = float(re.search(r"^ +2 +([\d,.]+) ", said, re.M)[1].replace(",", ""))
    assert abs(shown - bic) < 0.06


def test_held_out_densities_have_the_table_s_units(run, holed):
    path, _ = holed
    options = ["-k", 1, "--criterion", "cv", "--reg-covar", 0]
    values = [
        float(re.search(r"^ +1 +(-[\d,.]+) ", run("cluster", path, *options, *more)[1], re.M)[1])
        for more in ([], ["--no-scale"])
    ]
    assert_allclose(*values, rtol=0, atol=1.5e-4)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "parquet"])
def test_score_models_missing_cells_in_every_kind_of_file(run, holed, tmp_path, suffix):
    path, frame = holed
    model, new, out = tmp_path / "m.skops", tmp_path / f"new.{suffix}", tmp_path / "out.parquet"
    assert run("cluster", path, "--drop-missing", "-k", 2, "--save", model)[0] == 0
    if suffix == "parquet":
        frame.astype({"x": "Float64"}).to_parquet(new)
    else:
        frame.to_csv(new, index=False, sep="\t" if suffix == "tsv" else ",", na_rep="NA")
    status, _, err = run("score", new, "--model", model, "-o", out)
    assert status == 0
    assert f"new.{suffix}: 4 missing cells in 3 of 60 rows, in 2 columns: 'x' (2), 'y' (2);" in err
    assert_allclose(
        pd.read_parquet(out)["log_density"], densities(model, frame)[0], rtol=0, atol=1e-9
    )


def test_a_column_of_new_rows_may_be_empty(run, holed, tmp_path):
    path, frame = holed
    model, new, out = tmp_path / "m.skops", tmp_path / "new.csv", tmp_path / "out.csv"
    assert run("cluster", path, "-k", 2, "--save", model)[0] == 0
    frame = frame.assign(y=np.nan)
    frame.to_csv(new, index=False)
    assert run("score", new, "--model", model, "-o", out)[0] == 0
    assert_allclose(pd.read_csv(out)["log_density"], densities(model, frame)[0], rtol=0, atol=1e-9)


def test_columns_that_no_row_has_both_of_are_named(run, tmp_path):
    path, frame = tmp_path / "t.csv", blobs()
    frame.loc[:29, "x"] = np.nan
    frame.loc[30:, "y"] = np.nan
    frame.to_csv(path, index=False)
    said = run("cluster", path, "-k", 1)[1]
    assert "No row of X has values in both columns of the pair(s) [('x', 'y')]" in " ".join(
        said.split()
    )


def test_ids_and_constants_are_noted_among_missing_cells(run, tmp_path):
    path = tmp_path / "t.csv"
    frame = blobs().assign(count=np.arange(60.0), c=7)
    frame.loc[[0, 30], ["count", "c"]] = np.nan
    frame.to_csv(path, index=False)
    err = run("cluster", path, "-k", 1)[2]
    assert "'count' may number or name the rows" in err
    assert "the same value in every row of 'c'" in err


# --- impute ---------------------------------------------------------------------------------


def imputed(frame, method="mean", seed=0):
    imputer = MixtureImputer(method=method, random_state=seed).fit(frame.to_numpy())
    return imputer.estimator_.impute(frame.to_numpy(), method, random_state=seed)


@pytest.mark.parametrize("method", ["mean", "mode", "draw"])
def test_impute_fills_as_the_imputer_does(run, holed, tmp_path, method):
    path, frame = holed
    out = tmp_path / "out.csv"
    expected = imputed(frame, method)
    status, said, err = run("impute", path, "-o", out, "--method", method, "--jobs", 1)
    assert (status, err) == (0, "")
    got = pd.read_csv(out)
    assert list(got.columns) == ["x", "y"]
    assert_allclose(got, expected, rtol=1e-12)
    there = frame.notna()
    assert_array_equal(got.to_numpy()[there], frame.to_numpy()[there])
    assert "holed.csv: 60 rows, 2 numeric columns; filled 4 cells in 3 rows" in said
    assert re.search(r"^  x +2 +3\.3 % ", said, re.M)
    assert re.search(r"by a mixture of \d components? ?(with \w+ covariance)?,", said)
    assert "Without any number: 1 row, filled as any row of the mixture" in said
    assert said.endswith(f"Wrote 60 rows to {out}\n")


def test_other_cells_keep_their_text(run, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    rows = [f"{i:.2f};{2 * i:+d};{i:03d};n{i};{'yes' if i % 3 else 'NA'};1,5" for i in range(40)]
    for row, column, word in [(3, 0, "NA"), (4, 1, "null"), (5, 2, ""), (6, 5, " "), (9, 0, "nan")]:
        cells = rows[row].split(";")
        cells[column] = word
        rows[row] = ";".join(cells)
    path.write_text("a;b;c;name;word;price\n" + "\n".join(rows).replace(".", ",") + "\n")
    options = ["--sep", ";", "--decimal", ",", "--exclude", "c"]
    status, said, err = run("impute", path, "-o", out, *options)
    assert status == 0
    assert "empty cells stay in columns that are not used: 'c' (1), 'word' (14)" in err
    before, after = (file.read_text().splitlines() for file in (path, out))
    assert after[0] == before[0]
    changed = {
        (row, column)
        for row, pair in enumerate(zip(before[1:], after[1:], strict=True))
        for column, (old, new) in enumerate(zip(*(line.split(";") for line in pair), strict=True))
        if old != new
    }
    assert changed == {(3, 0), (9, 0), (4, 1), (6, 5)}
    cells = [line.split(";") for line in after[1:]]
    assert re.fullmatch(r"\d+,\d+(e-\d+)?", cells[3][0])
    assert cells[4][1] == "8"  # whole numbers stay whole: b is twice a
    assert_allclose(float(cells[3][0].replace(",", ".")), 3.0, atol=0.01)
    assert float(cells[6][5].replace(",", ".")) == 1.5
    assert "Rounded, as the column has whole numbers or truth values: 'b'" in said


@pytest.mark.parametrize("words", [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_truth_values_stay_truth_values(run, tmp_path, words):
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    frame = blobs()
    frame["flag"] = np.where(frame["x"] > 4, *words).astype(object)
    known = frame["flag"].copy()
    frame.loc[[0, 1], "flag"] = None
    frame.to_csv(path, index=False)
    assert run("impute", path, "-o", out)[0] == 0
    assert_array_equal(pd.read_csv(out, dtype=str)["flag"], known)


def test_types_stay_in_parquet(run, tmp_path):
    n = 60
    frame = blobs(n)
    x = frame["x"].to_numpy()
    whole = np.rint(10 * x).astype(int)
    gap = np.arange(n) % 7 == 0
    table = pa.table({
        "x": x,
        "nan": pa.array(np.where(gap, np.nan, 2 * x)),
        "half": pa.array(x.astype(np.float32), mask=gap),
        "whole": pa.array(whole, pa.int32(), mask=gap),
        "small": pa.array(np.abs(whole).clip(0, 255), pa.uint8(), mask=gap),
        "price": pa.array([None if g else Decimal(int(w)).scaleb(-1)
                           for g, w in zip(gap, whole, strict=True)], pa.decimal128(9, 1)),
        "flag": pa.array(x > 4, mask=gap),
        "text": pa.array([None if g else "a" for g in gap]),
        "when": pa.array([None] * n, pa.timestamp("ms")),
    })  # fmt: skip
    path, out = tmp_path / "t.parquet", tmp_path / "out.parquet"
    parquet.write_table(table.replace_schema_metadata({"made": "by hand"}), path)
    status, said, err = run("impute", path, "-o", out)
    assert status == 0
    assert "empty cells stay in columns that are not used: 'text' (9), 'when' (60)" in err
    got = parquet.read_table(out)
    assert got.schema.equals(table.schema)
    assert got.schema.metadata[b"made"] == b"by hand"
    for name in table.column_names:
        before, after = table[name].to_pylist(), got[name].to_pylist()
        assert [cell for cell, g in zip(before, gap, strict=True) if not g] == [
            cell for cell, g in zip(after, gap, strict=True) if not g
        ]
        left = table[name].null_count if name in ("text", "when") else 0
        assert got[name].null_count == left
    assert np.isfinite(got["nan"].to_numpy()).all()
    assert_allclose(np.array(got["whole"].to_pylist())[gap], 10 * x[gap], atol=3)
    assert "Rounded, as the column has whole numbers or truth values: 'whole', 'small'," in said


def test_numbers_in_categories_of_text_are_filled_with_text(run, tmp_path):
    path, out = tmp_path / "t.parquet", tmp_path / "out.parquet"
    texts = [None if i == 4 else f"{i}.5" for i in range(20)]
    level = pa.array(texts).dictionary_encode()
    parquet.write_table(pa.table({"x": np.arange(20.0), "level": level}), path)
    assert run("impute", path, "-o", out, "--columns", "x,level")[0] == 0
    got = parquet.read_table(out)["level"]
    assert got.type == level.type
    cells = got.to_pylist()
    assert_allclose(float(cells[4]), 4.5, atol=1e-3)
    assert cells[:4] + cells[5:] == texts[:4] + texts[5:]


def test_impute_says_what_it_filled_where_nothing_is_written(run, refused, holed, tmp_path):
    path, _ = holed
    out = run("impute", path)[1]
    shown = out.partition("First 3 of 3 filled rows (-o FILE writes the whole table):")[2]
    assert re.findall(r"^ +(\d+)  +\S+ +\S+$", shown, re.M) == ["3", "8", "9"]
    status, text, err = run("impute", path, "-o", "-")
    assert status == 0
    assert text.startswith("x,y\n")
    assert "filled 4 cells in 3 rows" in err
    refused("impute", path, "-o", path, says="is the table itself")


def test_nothing_missing_is_said_and_written(run, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "out.csv.gz"
    # What `cluster` added may stand in the table: nothing is added here.
    blobs().assign(cluster=0, word=None).to_csv(path, index=False)
    status, said, err = run("impute", path, "-o", out)
    assert status == 0
    assert "t.csv: 60 rows, 3 numeric columns; no cell of these is missing" in said
    assert "empty cells stay in columns that are not used: 'word' (60)" in err
    assert gzip.decompress(out.read_bytes()) == path.read_bytes()


def test_impute_refuses_what_it_cannot_fill(refused, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y,s\n1,,a\n2,NA,b\n3,,c\n")
    refused("impute", path, "--columns", "x,y", says="no value in 'y'; leave it out by --exclude")
    path.write_text("s\na\n\n")
    refused("impute", path, says="no column to use: 's' (no other value than 'a')")
    path.write_text("x,y\n1e300,1\n-1e300,\n5,2\n")
    refused(
        "impute", path, says="t.csv: cannot be imputed: Column 'x' of X has a standard deviation"
    )


def test_outliers_says_how_many_cells_are_missing(run, holed):
    path, _ = holed
    status, _, err = run("outliers", path)
    assert status == 0
    assert "holed.csv: 4 missing cells in 3 of 60 rows, in 2 columns: 'x' (2), 'y' (2);" in err
    assert err.endswith("without any value: 1 row\n")
