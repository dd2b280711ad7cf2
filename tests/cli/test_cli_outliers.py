"""``skem outliers``: what it adds to a table, and what it says."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skem import MixtureOutlierDetector

NAMES = ["outlier", "outlier_score", "outlier_rank"]
REASONS = ["column_1", "expected_1", "column_2", "expected_2"]


def line(n=60, seed=0):
    """Rows along y = 1000 x, with noise; z is noise alone; row 7 is off the line, row 20 in z."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y, z = 1000.0 * (x + 0.1 * rng.normal(size=n)), 1e-3 * rng.normal(size=n)
    x[6], y[6] = 1.0, -1000.0
    z[19] = 0.02
    return pd.DataFrame({"x": x, "y": y, "z": z})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "line.csv"
    line().assign(name="a").to_csv(path, index=False)
    return path


@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_rows_are_flagged_as_by_the_detector(run, path, tmp_path, contamination):
    out = tmp_path / "out.csv"
    status, said, _ = run("outliers", path, "--contamination", contamination, "-o", out)
    assert status == 0
    got, frame = pd.read_csv(out), line()
    assert list(got.columns) == ["x", "y", "z", "name", *NAMES, *REASONS]
    detector = MixtureOutlierDetector(contamination=contamination, random_state=0).fit(frame)
    assert_array_equal(got["outlier"], detector.predict(frame) == -1)
    assert_allclose(got["outlier_score"], -detector.decision_function(frame), rtol=1e-9)
    assert_array_equal(got["outlier_rank"], got["outlier_score"].rank(ascending=False))
    number = got["outlier"].sum()
    assert f"line.csv: 60 rows, 3 columns; {number} outlier" in said
    assert got.loc[~got["outlier"], REASONS].isna().all(axis=None)


def test_many_outliers_are_remarked_on(run, path, tmp_path):
    """Where a column has a long tail, with what to do; not a share that was asked for."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["x", "y"])
    tailed = frame.assign(tail=np.exp(3.0 * np.random.default_rng(1).normal(size=200)))
    path = tmp_path / "tail.csv"
    tailed.to_csv(path, index=False)
    said = run("outliers", path)[1]
    assert "These are many, and most often have their oddest cell in tail (" in said
    assert "--contamination 0.01 flags the least probable 1 % instead." in said
    assert "many" not in run("outliers", path, "--contamination", 0.1)[1]
    frame.to_csv(path, index=False)
    assert "many" not in run("outliers", path)[1]


def test_odd_cells_are_named_in_whatever_units(run, path, tmp_path):
    out = tmp_path / "out.csv"
    assert run("outliers", path, "-o", out)[0] == 0
    got = pd.read_csv(out)
    assert list(np.flatnonzero(got["outlier"])) == [6, 19]
    off, far = got.loc[6], got.loc[19]
    # The row off the line: each of the two cells is odd given the other.
    assert {off["column_1"], off["column_2"]} == {"x", "y"}
    expected = dict(
        zip(off[["column_1", "column_2"]], off[["expected_1", "expected_2"]], strict=True)
    )
    assert expected["x"] == pytest.approx(-1.0, abs=0.3)
    assert expected["y"] == pytest.approx(1000.0, rel=0.3)
    assert far["column_1"] == "z"
    assert far["expected_1"] == pytest.approx(0.0, abs=1e-3)


def test_the_oddest_rows_are_shown(run, path):
    status, said, _ = run("outliers", path)
    assert status == 0
    assert "The oddest 2 rows of 60 rows:" in said
    shown = said[said.index("The oddest") :].splitlines()[2:]
    assert [text.split()[0] for text in shown] == ["row", "20", "7"]
    assert "column_1" in shown[0]
    assert "z" in shown[1].split()
    said = run("outliers", path, "--top", 12)[1]
    assert len(said[said.index("The oddest") :].splitlines()) == 15


def test_missing_cells_are_modelled_or_left_out(run, tmp_path):
    frame = line()
    frame.loc[3, "x"] = frame.loc[19, "x"] = np.nan
    path, out = tmp_path / "holed.csv", tmp_path / "out.parquet"
    frame.to_csv(path, index=False)
    assert run("outliers", path, "-o", out)[0] == 0
    got = pd.read_parquet(out)
    assert got["outlier"].notna().all()
    assert got.loc[19, "outlier"]
    assert got.loc[19, "column_1"] == "z"
    status, _, err = run("outliers", path, "--drop-missing", "-o", out)
    assert status == 0
    assert "left out 2 of 60 rows with missing values" in err
    got = pd.read_parquet(out)
    assert_array_equal(np.flatnonzero(got["outlier"].isna()), [3, 19])
    assert_array_equal(np.flatnonzero(got["outlier_rank"].isna()), [3, 19])


@pytest.mark.parametrize("share", ["0", "0.6", "many", "-1"])
def test_other_shares_are_refused(refused, path, share):
    says = ["--contamination", "auto" if share in ("0", "0.6") else "not"]
    refused("outliers", path, f"--contamination={share}", says=says)


def test_bad_tables_are_refused(refused, run, tmp_path):
    path = tmp_path / "same.csv"
    pd.DataFrame({"x": [1.0] * 5, "y": [2.0] * 5}).to_csv(path, index=False)
    status, out, err = run("outliers", path)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("skem: error: ")
    assert "All rows of X are equal" in err
    taken = tmp_path / "taken.csv"
    line().assign(outlier=0).to_csv(taken, index=False)
    refused("outliers", taken, says="already has a column 'outlier'")


def test_one_column_has_one_reason(run, tmp_path):
    path, out = tmp_path / "one.csv", tmp_path / "out.csv"
    line()[["z"]].to_csv(path, index=False)
    assert run("outliers", path, "-o", out)[0] == 0
    got = pd.read_csv(out).loc[19]
    assert got["column_1"] == "z"
    assert pd.isna(got["column_2"])
    assert got["expected_1"] == pytest.approx(0.0, abs=1e-3)


def test_truth_values_are_no_numbers(run, refused, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    frame = line().assign(flag=np.arange(60) % 2 == 0)
    frame.to_csv(path, index=False)
    status, _, err = run("outliers", path, "-o", out)
    assert status == 0
    assert "t.csv: columns left out: 'flag' (categories, and only numbers are used here)\n" in err
    detector = MixtureOutlierDetector(random_state=0).fit(line())
    assert_allclose(
        pd.read_csv(out)["outlier_score"], -detector.decision_function(line()), rtol=1e-9
    )
    says = "t.csv: column 'flag': categories, and only numbers are used here\n"
    refused("outliers", path, "--columns", "x,flag", says=says)
    frame[["flag"]].to_csv(path, index=False)
    refused("outliers", path, says="no column of numbers to use: 'flag' (cat")
