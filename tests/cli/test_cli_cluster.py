"""``skem cluster``: the table it writes and the summary it prints."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_tables import ADDED, blobs
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal

from skem import GaussianMixtureIC, datasets
from skem.cli import COVARIANCE_TYPES
from skem.families import GAUSSIAN_FAMILIES
from skem.mixture._fitting import fit_quietly

FAITHFUL = Path(datasets.__file__).parent / "data" / "faithful.csv"

HELD = "held at the width that the recording of columns allows"


def unwrapped(out):
    """The output with its lines joined, for it wraps them as the terminal asks for."""
    return " ".join(out.split())


@pytest.mark.core
def test_summary_of_faithful(run):
    status, out, err = run("cluster", FAITHFUL, "-k", "1:3")
    assert (status, err) == (0, "")
    assert "faithful.csv: 272 rows, 2 columns (standardised), full covariance" in out
    # mclust, model VVV, two components: BIC = -2322.192 in its sign
    assert re.search(r"2  2,322\.2  +\d+ +\d+\.\d\d  <- chosen", out)
    assert re.search(r"2 clusters, chosen by BIC; converged after \d+ iterations; \S+ s in", out)
    assert re.search(r"weight +0\.(356|644) +0\.(356|644)", out)
    assert {"2.04", "4.29"} == set(re.findall(r"(\d\.\d\d) ±", out))
    assert "First 10 of 272 rows" in out


def test_default_range_and_seed_repeat(run, table):
    first, second = (re.sub(r" *\d+\.\d\d\b", "", run("cluster", table)[1]) for _ in range(2))
    assert first == second
    assert re.findall(r"^ +(\d)  +-?[\d,]+", first, re.M)[:9] == list("123456789")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_output_keeps_the_columns(run, tmp_path, source, suffix):
    path, out = tmp_path / f"in.{source}", tmp_path / f"out.{suffix}"
    frame = blobs().assign(name='a,"b"', day="2024-01-05")[["name", "y", "day", "x"]]
    frame.to_csv(path, index=False) if source == "csv" else frame.to_parquet(path)
    assert run("cluster", path, "-k", 2, "-o", out)[0] == 0
    got = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    assert list(got.columns) == [*frame.columns, *ADDED]
    pd.testing.assert_frame_equal(got[frame.columns], frame, rtol=1e-15, check_dtype=False)
    assert got["cluster"].nunique() == 2
    assert_array_equal(got["cluster"] == got["cluster"][0], np.arange(60) % 3 == 0)
    assert got["probability"].between(0.99, 1).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, out.name]


def test_csv_text_is_untouched(run, tmp_path):
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    rows = [f"{i:03d},{i % 7}.50,NA,TRUE,1e{i % 3}" for i in range(20)]
    path.write_text("\n".join(["id,x,note,ok,z", *rows]) + "\n")
    assert run("cluster", path, "-k", 1, "--columns", "x,z", "-o", out)[0] == 0
    lines = out.read_text().splitlines()
    assert lines[0] == "id,x,note,ok,z," + ",".join(ADDED)
    assert [",".join(line.split(",")[:5]) for line in lines[1:]] == rows


def test_parquet_index_is_kept(run, tmp_path):
    path, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    blobs().set_axis(pd.Index(range(100, 160), name="key")).to_parquet(path)
    assert run("cluster", path, "-k", 1, "-o", out)[0] == 0
    assert run("cluster", path, "-k", 1, "-o", out.with_suffix(".csv"))[0] == 0
    assert pd.read_parquet(out).index.name == "key"
    assert pd.read_csv(out.with_suffix(".csv"))["key"].tolist() == list(range(100, 160))


def test_columns_left_out_are_named(run, tmp_path):
    path = tmp_path / "t.csv"
    frame = blobs().assign(flag="yes", empty=np.nan, depth=["1.5"] * 16 + ["n/q"] + ["2"] * 43)
    frame.to_csv(path)  # with the row index as a column without a name
    status, out, err = run("cluster", path, "-k", 2)
    assert status == 0
    assert "2 columns" in out
    assert err.count("\n") == 1
    assert (
        "columns left out: the one without a name, 'flag' (no other value than 'yes'), "
        "'empty' (no value), 'depth' (row 17 holds 'n/q')"
    ) in err


def test_log_density_is_in_the_tables_units(run, table, tmp_path):
    X = blobs().to_numpy()
    expected = multivariate_normal(X.mean(axis=0), np.cov(X.T, ddof=0)).logpdf(X)
    for option in (["--no-scale"], []):
        out = tmp_path / "out.csv"
        assert run("cluster", table, "-k", 1, "-o", out, *option)[0] == 0
        assert_allclose(pd.read_csv(out)["log_density"], expected, atol=1e-4)


@pytest.mark.core
def test_all_models_of_faithful(run):
    status, out, err = run("cluster", FAITHFUL, "-k", "1:4", "--covariance-type", "all")
    assert (status, err) == (0, "")
    assert "faithful.csv: 272 rows, 2 columns (standardised), 14 models" in out
    assert re.search(r"^3 clusters of model EEE, chosen by BIC; converged after", out, re.M)
    assert "* chosen" in out
    lines = dict(re.findall(r"^  ([EV]..) +(\S.*)$", out, re.M))
    assert len(lines) == 14
    X = datasets.load_faithful().data
    X = (X - X.mean(axis=0)) / (scale := X.std(axis=0))
    results = GaussianMixtureIC((1, 2, 3, 4), random_state=0).fit(X).results_
    bic = results["bic"] + 2 * len(X) * np.log(scale).sum()
    for name, line in lines.items():
        printed = [float(text.strip("*cn").replace(",", "")) for text in line.split()]
        assert_allclose(printed, bic[results["covariance_type"] == name], atol=0.051)
    # mclust's best of the fourteen is EEE with 3 components, BIC = -2314.316 in its sign.
    assert [text for text in lines["EEE"].split() if text.endswith("*")] == ["2,314.3*"]


def test_models_in_bands_where_the_terminal_is_narrow(run, table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out = run("cluster", table, "-k", "1:6", "--covariance-type", "all")[1]
    assert out.count("  BIC ") > 1
    assert out.count("\n  VVE ") == out.count("  BIC ")
    numbers = [int(k) for k in re.findall(r"k = (\d) ", out.partition("* chosen")[0])]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_types_are_those_of_the_estimator(refused, table):
    assert set(COVARIANCE_TYPES) == set(GAUSSIAN_FAMILIES)
    refused("cluster", table, "--covariance-type", "banded", says=["'banded'", "'VEV'", "'all'"])


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("scaled", [True, False])
def test_means_and_deviations_are_in_the_tables_units(run, table, covariance_type, scaled):
    options = [] if scaled else ["--no-scale"]
    status, out, _ = run("cluster", table, "-k", 1, "--covariance-type", covariance_type, *options)
    assert status == 0
    assert f"{covariance_type} covariance" in out
    assert ("standardised" in out) == scaled
    X = blobs().to_numpy()
    deviations = X.std(axis=0)
    if covariance_type in ("spherical", "EII", "VII") and not scaled:
        deviations = np.full(2, np.sqrt((deviations**2).mean()))
    if covariance_type in ("EVE", "VVE", "EEV", "VEV") and not scaled:
        # One scale for both columns, and reg_covar=1e-6 relative to it.
        deviations = np.sqrt(deviations**2 + 1e-6 * (deviations**2).mean())
    for name, mean, deviation in zip("xy", X.mean(axis=0), deviations, strict=True):
        got = re.search(rf"^  {name} +(\S+) ± (\S+)$", out, re.M).groups()
        assert_allclose([float(text) for text in got], [mean, deviation], atol=0.02 * deviation)


def test_integer_weights_equal_repeated_rows(run, tmp_path):
    weights = np.arange(60) % 4
    frame = blobs()
    frame.assign(w=weights).to_csv(tmp_path / "w.csv", index=False)
    frame.loc[np.repeat(frame.index, weights)].to_csv(tmp_path / "r.csv", index=False)
    weighted = run("cluster", tmp_path / "w.csv", "-k", 1, "--weight-column", "w")[1]
    repeated = run("cluster", tmp_path / "r.csv", "-k", 1)[1]
    assert "60 rows, 2 columns (standardised), full covariance, weights from w" in weighted
    pattern = r"^ +1  (\S+)  |^  [xy] +(.*±.*)$"
    assert len(re.findall(pattern, weighted, re.M)) == 3
    assert re.findall(pattern, weighted, re.M) == re.findall(pattern, repeated, re.M)


def test_k_beyond_what_rows_bear_is_left_out(run, refused, tmp_path):
    path = tmp_path / "t.csv"
    blobs(8).assign(w=[1] * 7 + [0]).to_csv(path, index=False)
    status, out, _ = run("cluster", path, "--columns", "x,y")
    assert status == 0
    # A matrix of two columns takes three rows: two clusters of the eight rows, not seven.
    assert (
        "k above 2 left out: a cluster would have fewer than 3 of 8 rows on average"
        in unwrapped(out)
    )
    assert re.findall(r"^ +(\d)  +-?[\d,]+\.\d", out, re.M) == ["1", "2"]
    out = run("cluster", path, "--columns", "x,y", "--covariance-type", "tied")[1]
    assert "k above 4 left out: a cluster would have fewer than 2 of 8 rows" in unwrapped(out)
    out = run("cluster", path, "-k", "1:3", "--weight-column", "w")[1]
    assert (
        "k above 2 left out: a cluster would have fewer than 3 of 7 rows of positive"
        in unwrapped(out)
    )
    # What the user asks for alone is done.
    assert "5 clusters; " in run("cluster", path, "--columns", "x,y", "-k", 5)[1]
    refused("cluster", path, "-k", "9:12", says=[str(path), "8 rows, fewer than k = 9"])
    refused("cluster", path, "-k", 8, "--weight-column", "w", says="7 rows of positive weight")


@pytest.mark.parametrize("criterion", ["bic", "icl", "aic", "cv"])
def test_criteria_are_those_of_the_table_in_its_units(run, criterion):
    options = ["-k", "1:3", "--criterion", criterion, "--covariance-type", "full"]
    status, out, err = run("cluster", FAITHFUL, *options)
    assert (status, err) == (0, "")
    X = datasets.load_faithful().data
    scale = X.std(axis=0)
    choice = GaussianMixtureIC((1, 2, 3), covariance_type="full", criterion=criterion)
    choice.set_params(random_state=0).fit((X - X.mean(axis=0)) / scale)
    jacobian = np.log(scale).sum()
    if criterion == "cv":
        expected = choice.results_["mean_test_score"] - jacobian
        assert "held-out" in out
    else:
        expected = choice.results_[criterion] + 2 * len(X) * jacobian
        assert f"chosen by {criterion.upper()}" in out
    found = re.findall(r"^ +(\d)  +(-?[\d,.]+) .*?(<- chosen)?$", out, re.M)[:3]
    assert_allclose([float(text.replace(",", "")) for _, text, _ in found], expected, atol=0.051)
    chosen = [int(k) for k, _, mark in found if mark]
    assert chosen == [choice.best_params_["n_components"]]
    if criterion == "cv":  # to the last digit that is shown
        assert_allclose([float(text) for _, text, _ in found], expected, atol=5.1e-5)
        out = run("cluster", FAITHFUL, "-k", 1, *options[2:4], "--covariance-type", "all")[1]
        assert re.search(rf"^  EEE +{expected[0]:.4f}", out, re.M)
        assert "* chosen" in out


def test_largest_k_by_held_out_density(run, table):
    options = ["--columns", "x,y", "--criterion", "cv"]
    out = run("cluster", table, "-k", "1:2", *options)[1]
    assert "a wider range may find a higher held-out log density" in unwrapped(out)


def test_more_starts_and_regularisation_reach_the_estimator(run, table, monkeypatch):
    seen = []

    def watch(self, kind, X, weights, shown):
        seen.append((self.n_init, self.init_params, self.reg_covar))
        return fit_quietly(self, kind, X, weights, shown)

    monkeypatch.setattr("skem.mixture._grid.fit_quietly", watch)
    assert run("cluster", table, "-k", 2, "--n-init", 3, "--reg-covar", 0.01)[0] == 0
    assert run("cluster", table, "-k", 2)[0] == 0
    assert seen[0] == (3, "auto", 0.01)
    assert seen[1][0] == 1
    assert not isinstance(seen[1][1], str)  # a tree, which is the same each time
    assert seen[1][2] == 1e-6


def test_failed_and_unconverged_fits_are_reported(run, refused, table, monkeypatch):
    def fussy(self, kind, X, weights, shown):
        if self.n_components in failing:
            raise ValueError("no luck\ntoday")
        self.set_params(max_iter=100 if self.n_components == 1 else 1, tol=0.0)
        return fit_quietly(self, kind, X, weights, shown)

    monkeypatch.setattr("skem.mixture._grid.fit_quietly", fussy)
    failing = {2}
    status, out, err = run("cluster", table, "-k", "1:3", "--columns", "x,y")
    assert (status, err) == (0, "")
    assert re.search(r"^ +2  +failed +- ", out, re.M)
    assert "k = 2: failed: no luck today" in out
    assert "not converged" in out
    assert "k = 3: " in out
    out = run("cluster", table, "-k", "1:3", "--columns", "x,y", "--covariance-type", "all")[1]
    assert re.search(r"^  EVE +[\d,.]+.? +failed +[\d,.]+", out, re.M)
    assert "EII, k = 2; VII, k = 2; " in out
    assert "VVV, k = 2: failed: no luck today" in out.replace("\n    ", " ")
    failing = {1, 2, 3}
    says = ["no fit succeeded", "full with 1, full with 2, full with 3: no luck today"]
    refused("cluster", table, "-k", "1:3", "--columns", "x", says=says)


def test_collapsed_fit_is_left_aside(run, table):
    # In one of the two clusters a column is a copy of another.
    noise = np.random.default_rng(0).normal(size=60)
    frame = blobs()
    frame = frame.assign(copy=np.where(np.arange(60) % 3, noise, frame["x"]))
    frame.to_csv(table, index=False)
    status, out, err = run("cluster", table, "-k", "1:4")
    assert (status, err) == (0, "")
    chosen = int(re.search(r"^ +(\d) .*<- chosen", out, re.M)[1])
    bic = [
        float(text.replace(",", "")) for text in re.findall(r"^ +\d  +(-?[\d,]+\.\d) ", out, re.M)
    ]
    collapsed = [int(text) for text in re.findall(r"^ +(\d) .*  collapsed", out, re.M)]
    assert collapsed
    assert chosen not in collapsed
    assert min(bic) < bic[chosen - 1]
    assert "chosen only if there is no other" in out
    said = " ".join(out.split())
    assert re.search(rf"k = {collapsed[0]}[ ,\d]*: Component\(s\) \[", said)
    assert "columns ['x', 'copy'] are dependent" in said
    assert "No other number of clusters could be used" in said
    k = str(collapsed[0])
    assert f"{k} clusters; converged" in run("cluster", table, "-k", k)[1]


def test_largest_k_chosen_is_remarked(run, table):
    out = run("cluster", table, "-k", "1:2")[1]
    assert "The largest k is chosen: a wider range may find a lower BIC." in out
    assert "The largest k" not in run("cluster", table, "-k", "1:3")[1]


def test_constant_column_and_many_columns(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "52")
    path = tmp_path / "t.csv"
    frame = blobs().assign(c=3.0, **{"a very long name, of the longest kind": blobs()["x"] * 1e-9})
    frame.to_csv(path, index=False)
    status, out, err = run("cluster", path, "-k", 4, "--covariance-type", "diag")
    assert status == 0
    assert err == f"skem: note: {path}: the same value in every row of 'c'; better leave it out\n"
    summary, _, rows = out.partition("First 10")
    assert summary.count("  cluster ") == 4  # one band for each cluster
    assert "a very long name, of ..." in summary
    assert "..." in rows.splitlines()[2].split()
    assert max(map(len, out.splitlines())) <= 80


def test_steps_and_values_are_in_the_tables_units(run, table):
    rng = np.random.default_rng(0)
    group = np.arange(90) % 2
    frame = pd.DataFrame({"x": 9.0 * group + rng.normal(size=90), "y": 100.0 + 50.0 * group})
    frame.to_csv(table, index=False)
    said = " ".join(run("cluster", table, "-k", "2")[1].split())
    assert f"Component(s) [0, 1] are {HELD} (y in steps of 50)" in said


def test_each_thing_is_said_once(run, table):
    """Remarks of the chosen fit, with advice; of other numbers of clusters the sort of them."""
    rng = np.random.default_rng(0)
    group = np.arange(90) % 3
    frame = pd.DataFrame({"x": 9.0 * group + rng.normal(size=90), "y": 1.0 * (group > 0), "z": 7})
    frame.to_csv(table, index=False)
    status, out, err = run("cluster", table, "-k", "1:6", "--covariance-type", "diag")
    assert status == 0
    assert err.count("'z'") == 1
    said = " ".join(out.partition("clusters, chosen")[0].split())
    assert "constant" not in said
    assert said.count(HELD) == 1
    assert f"k = 3: Component(s) [0, 1, 2] are {HELD} (y in steps of 1)" in said
    assert "; likewise for k = 2, 4 to 6. The fit is sound." in said
    assert "--exclude" in said
