"""What stands in cells: missing values, truth values, ids; and that nothing of it changes."""

import datetime
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from cli_tables import ADDED, blobs
from numpy.testing import assert_allclose, assert_array_equal
from pyarrow import parquet


@pytest.fixture
def gaps(tmp_path):
    """A table of 60 rows, of which rows 3, 8 and 9 are not complete."""
    frame = blobs().round(3)
    frame.loc[[2, 7], "x"] = np.nan
    frame.loc[[7, 8], "y"] = np.nan
    path = tmp_path / "gaps.csv"
    frame.assign(empty=np.nan).to_csv(path, index=False)
    return path, frame


def test_drop_missing_fits_the_other_rows(run, gaps, tmp_path):
    path, frame = gaps
    out, model = tmp_path / "out.csv", tmp_path / "m.skops"
    options = ["-k", 2, "-o", out, "--save", model]
    status, said, err = run("cluster", path, "--drop-missing", *options)
    assert status == 0
    assert "left out 3 of 60 rows with missing values, in 2 columns: 'x' (2), 'y' (2)" in err
    assert "57 of 60 rows, 2 columns" in said
    assert "Wrote 60 rows to " in said
    assert "3 of them without a cluster" in said
    got = pd.read_csv(out)
    bare = [2, 7, 8]
    assert got[ADDED].isna().all(axis=1).to_numpy().nonzero()[0].tolist() == bare
    assert got[ADDED].isna().any(axis=1).sum() == 3
    # The same as a table without these rows.
    frame.drop(index=bare).to_csv(path, index=False)
    assert run("cluster", path, *options)[0] == 0
    expected = pd.read_csv(out)
    pd.testing.assert_frame_equal(
        got.drop(index=bare).reset_index(drop=True)[ADDED], expected[ADDED], check_dtype=False
    )


def test_scoring_drops_rows_on_request(run, gaps, tmp_path):
    path, _ = gaps
    model = tmp_path / "m.skops"
    assert run("cluster", path, "--drop-missing", "-k", 2, "--save", model)[0] == 0
    status, out, err = run("score", path, "--model", model, "--drop-missing", "--top", 100)
    assert status == 0
    assert "left out 3 of 60 rows" in err
    assert len(re.findall(r"^ +\d+  ", out.partition("least probable")[2], re.M)) == 57
    out = run("score", path, "--model", model, "--drop-missing")[1]
    assert re.search(r"^ +-5\.\d+ .*\n +\S+ +\S*$", out.partition("First 10")[2], re.M) is None


def test_drop_missing_needs_a_complete_row(refused, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,\n,2\n")
    says = "2 of 2 rows with missing values, in 2 columns: 'x' (1), 'y' (1): --drop-missing would"
    refused("cluster", path, "--drop-missing", says=says)


def test_weights_may_be_missing_where_rows_are_dropped(run, refused, tmp_path):
    path = tmp_path / "t.csv"
    blobs(20).assign(w=[np.nan] + [2.0] * 19).to_csv(path, index=False)
    options = ["-k", 1, "--weight-column", "w"]
    refused("cluster", path, *options, says="column 'w', row 1 (line 2): missing weight")
    out = run("cluster", path, *options, "--drop-missing")[1]
    assert "19 of 20 rows, 2 columns (standardised), full covariance, weights from w" in out


@pytest.mark.parametrize("word", ["NA", "nan", "N/A", "null", "NULL", "None", "<NA>", "", " "])
def test_words_for_missing_values(run, tmp_path, word):
    path = tmp_path / "t.csv"
    path.write_text(f"x,y\n1,2\n3,{word}\n5,6\n")
    status, _, err = run("cluster", path, "-k", 1)
    assert status == 0
    assert "t.csv: 1 missing cell in 1 of 3 rows, in 1 column: 'y' (1); they are modelled" in err


@pytest.mark.parametrize("words", [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_truth_values_are_categories(run, tmp_path, words):
    flags = np.arange(60) % 3 == 0
    blobs().assign(flag=np.where(flags, *words)).to_csv(tmp_path / "a.csv", index=False)
    blobs().assign(flag=flags).to_parquet(tmp_path / "b.parquet")
    for name in ("a.csv", "b.parquet"):
        status, out, err = run("cluster", tmp_path / name, "-k", 1)
        assert (status, err) == (0, "")
        assert re.search(r"^  flag *\n    False +0.667\n    True +0.333$", out, re.M)


def test_numbers_in_text(run, tmp_path):
    """As pandas reads them, an oracle that knows the same spellings."""
    cells = ["1", "+2.5", "-3e2", ".5", "7.", " 8 ", "1E-3", "-0", "00012", "1e-400"]
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    path.write_text("x\n" + "\n".join(cells) + "\n")
    assert run("cluster", path, "-k", 1, "--no-scale", "-o", out)[0] == 0
    from skem.cli.cells import numbers

    column = pa.chunked_array([pa.array(cells, pa.large_string())])
    assert_array_equal(numbers(column, ".").values, pd.read_csv(path)["x"])
    for odd in ("1_000", "0x10", "1e", "--1", "1.2.3", "١", "$5", "5%", "1 2", "+", "e5"):
        found = numbers(pa.chunked_array([pa.array(["1", odd], pa.large_string())]), ".")
        assert found.bad.tolist() == [False, True], odd


def odd_columns(n):
    """Columns that no route through float64 or pandas leaves as they are."""
    return {
        "big": pa.array([None, *range(9007199254740993, 9007199254740992 + n)], pa.int64()),
        "word": pa.array(["NA"] + ["b"] * (n - 1)),
        "price": pa.array([Decimal(f"{i}.25") for i in range(n)], pa.decimal128(20, 2)),
        "map": pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int64())),
        "list": pa.array([[1, 2], None] * (n // 2)),
        "time": pa.array([datetime.datetime(2024, 1, 1)] * n, pa.timestamp("ns", "Europe/Rome")),
        "kind": pa.array(["u", "v"] * (n // 2)).dictionary_encode(),
        "bytes": pa.array([b"\xff"] * n),
        "small": pa.array(np.arange(n) % 5, pa.uint8()),
        "half": pa.array(np.arange(n) % 7 / 4, pa.float32()),
    }


def test_parquet_columns_are_never_changed(run, tmp_path):
    path, out = tmp_path / "t.parquet", tmp_path / "out.parquet"
    table = pa.table({"x": blobs(20)["x"].to_numpy(), **odd_columns(20)})
    parquet.write_table(table.replace_schema_metadata({"made": "by hand"}), path)
    status, said, err = run("cluster", path, "-k", 1, "--exclude", "big", "-o", out)
    assert status == 0
    assert "columns left out: 'word' (no other value than 'b'), 'map' (neither" in err
    assert "'time' (neither text nor numbers, but timestamp[ns, tz=Europe/Rome]), 'bytes'" in err
    assert re.search(r"^    u +0.500$", said, re.M)
    assert re.search(r"^  price +9.8 ± 5.8$", said, re.M)
    got = parquet.read_table(out)
    assert got.select(table.column_names).equals(table)
    assert got.schema.metadata[b"made"] == b"by hand"
    assert got.column_names == [*table.column_names, *ADDED]
    assert run("cluster", path, "-k", 1, "--columns", "x", "-o", out.with_suffix(".csv"))[0] == 0
    text = pd.read_csv(out.with_suffix(".csv"), dtype=str, keep_default_na=False)
    assert text["big"].tolist() == ["", *map(str, table["big"].to_pylist()[1:])]
    assert text["word"][0] == "NA"
    assert text["price"][1] == "1.25"
    assert text["map"][0] == "[('a', 1)]"
    assert text["list"][:2].tolist() == ["[1, 2]", ""]
    assert_allclose(text["half"].astype(float), table["half"].to_numpy())


def test_text_becomes_typed_in_parquet_where_no_value_changes(run, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "out.parquet"
    rows = [
        f"{i / 4},{i if i else ''},{'NA' if i < 5 else 'b'},{i:03d},{'true' if i % 2 else 'false'},"
        f"{12345678901234567890 + i},{9007199254740993 + i},1.50,{' ' if i == 3 else 'c'}"
        for i in range(20)
    ]
    path.write_text("x,gap,word,code,flag,huge,big,half,s\n" + "\n".join(rows) + "\n")
    assert run("cluster", path, "-k", 1, "--columns", "x", "-o", out)[0] == 0
    got = parquet.read_table(out)
    expected = {
        "x": pa.float64(), "gap": pa.int64(), "flag": pa.bool_(), "big": pa.int64(),
        "half": pa.float64(), **dict.fromkeys(["word", "code", "huge", "s"], pa.large_string()),
    }  # fmt: skip
    assert {name: got.schema.field(name).type for name in expected} == expected
    assert got["gap"].to_pylist() == [None, *range(1, 20)]
    assert got["word"].to_pylist() == ["NA"] * 5 + ["b"] * 15
    assert got["code"][7].as_py() == "007"
    assert got["huge"][0].as_py() == "12345678901234567890"
    assert got["big"][0].as_py() == 9007199254740993
    assert got["flag"].to_pylist() == [bool(i % 2) for i in range(20)]
    assert got["s"][3].as_py() == " "


def test_ids_are_noted_and_left_out_on_request(run, tmp_path):
    path = tmp_path / "t.csv"
    frame = blobs().assign(
        customer_id=np.random.default_rng(0).permutation(60),
        count=np.arange(100, 160),
        code=[f"{i % 7:02d}" for i in range(60)],
        age=np.arange(60) % 9,
        paid=np.arange(60) ** 2 % 31,
    )
    frame.to_csv(path, index=False)
    err = run("cluster", path, "-k", 1)[2]
    assert "note: " in err
    assert ": 'customer_id', 'count', 'code' may number or name the rows" in err
    status, out, err = run("cluster", path, "-k", 1, "--exclude", "customer_id,count,code")
    assert (status, err) == (0, "")
    assert "60 rows, 4 columns" in out
    # A column that the user names is meant.
    assert run("cluster", path, "-k", 1, "--columns", "count,x")[2] == ""


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *[(name, True) for name in ("id", "ID", "rowId", "user_id", "Index", "key", "No.", "row")],
        *[(name, False) for name in ("width", "humid", "paid", "area", "nitro", "keys", "grid")],
    ],
)
def test_names_of_ids(run, tmp_path, name, is_one):
    path = tmp_path / "t.csv"
    blobs().assign(**{name: np.arange(60) % 11}).to_csv(path, index=False)
    assert ("may number or name" in run("cluster", path, "-k", 1)[2]) == is_one


def test_names_are_found_without_white_space_around_them(run, refused, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        blobs().to_csv(index=False).replace("x,y", "x, y,", 1).replace("\n", ",\n")[:-2]
    )
    path.write_text("x, y\n1,2\n2,3\n4,9\n")
    assert run("cluster", path, "-k", 1, "--columns", "x,y")[0] == 0
    path.write_text("x, y,y \n1,2,3\n")
    refused("cluster", path, "--columns", "y", says="2 columns are named 'y', but for white")


def test_many_columns_are_listed_in_part(refused, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",".join(f"c{i}" for i in range(40)) + "\n" + ",".join(["1"] * 39) + ",\n")
    refused("cluster", path, "--columns", "z", says="'c11', and 28 more")


def test_two_nameless_columns_do_not_fit_into_parquet(run, refused, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "out.parquet"
    path.write_text("x,,\n1,a,b\n2,c,d\n")
    assert "columns left out: 2 without a name" in run("cluster", path, "-k", 1)[2]
    refused("cluster", path, "-k", 1, "-o", out, says="Parquet cannot hold two columns without a")


def test_least_probable_rows(run, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    frame = blobs()
    frame.loc[41] = [40.0, 0.0]
    frame.loc[13] = [-30.0, 0.0]
    frame.to_csv(path, index=False)
    options = ["-k", 1, "--covariance-type", "diag", "-o", out]
    status, said, _ = run("cluster", path, "--top", 3, *options)
    assert status == 0
    shown = said.partition("The least probable of 60 rows:")[2]
    numbers = re.findall(r"^ +(\d+)  ", shown, re.M)
    density = pd.read_csv(out)["log_density"]
    assert [int(number) - 1 for number in numbers] == density.nsmallest(3).index.tolist()
    assert numbers[:2] == ["42", "14"]
    assert "First 10" not in run("cluster", path, "-k", 1, "--top", 1)[1]


def test_row_labels_of_a_frame_are_no_feature(run, tmp_path):
    path, out = tmp_path / "t.parquet", tmp_path / "out.csv"
    labels = pd.Index(np.arange(60) ** 2, name="label")
    blobs().set_axis(labels).to_parquet(path)
    _, said, err = run("cluster", path, "-k", 1, "-o", out)
    assert "60 rows, 2 columns" in said
    assert "columns left out: 'label' (row labels)" in err
    assert pd.read_csv(out)["label"].tolist() == labels.tolist()
    blobs().to_parquet(path)
    assert run("cluster", path, "-k", 1, "-o", out)[2] == ""
    assert list(pd.read_csv(out).columns) == ["x", "y", *ADDED]
