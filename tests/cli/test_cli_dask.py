"""``skem cluster --dask``: Parquet files, part by part."""

import re

import numpy as np
import pandas as pd
import pytest
from cli_tables import blobs

from skem import EMGaussianMixture, EMMixture

pytest.importorskip("dask.dataframe")


@pytest.fixture
def parts(tmp_path):
    (tmp_path / "parts").mkdir()
    frame = blobs().assign(name="a", count=1.0)
    half = len(frame) // 2
    frame[:half].to_parquet(tmp_path / "parts/0.parquet")
    frame[half:].to_parquet(tmp_path / "parts/1.parquet")
    return tmp_path / "parts" / "*.parquet", frame


def test_writes_part_by_part(run, parts, tmp_path):
    pattern, frame = parts
    options = ("--exclude", "count", "-k", "1:3", "-o", tmp_path / "out")
    status, out, err = run("cluster", pattern, "--dask", *options)
    left_out = f"skem: note: {pattern}: columns left out, not numbers: 'name'"
    assert (status, err.strip()) == (0, left_out)
    X = frame.drop(columns=["name", "count"]).to_numpy()
    fits = {
        str(k): EMGaussianMixture(k, init_params="hierarchical", random_state=0).fit(X)
        for k in (1, 2, 3)
    }
    shown = re.findall(r"^ +(\d)  +([\d,]+\.\d) .*?(<- chosen|)$", out, re.MULTILINE)
    assert [(k, f"{fits[k].bic(X):,.1f}") for k in fits] == [row[:2] for row in shown]
    best = fits[next(k for k, _, mark in shown if mark)]
    assert best.bic(X) == min(fit.bic(X) for fit in fits.values())
    written = [pd.read_parquet(tmp_path / "out" / f"part-0000{i}.parquet") for i in (0, 1)]
    got = pd.concat(written)
    pd.testing.assert_frame_equal(got[list(frame.columns)], frame, check_dtype=False)
    np.testing.assert_array_equal(got["cluster"], best.predict(X))
    np.testing.assert_allclose(got["probability"], best.predict_proba(X).max(axis=1), rtol=1e-9)
    np.testing.assert_allclose(got["log_density"], best.score_samples(X), rtol=1e-9)
    assert f"Wrote {len(frame)} rows in 2 files" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "parts"]


def test_saves_a_model_that_scores(run, parts, tmp_path):
    pattern, frame = parts
    model = tmp_path / "m.skops"
    options = ("--columns", ",".join(blobs().columns[:2]), "--weight-column", "count", "-k", "2")
    status, _, err = run("cluster", pattern, "--dask", *options, "--save", model)
    assert (status, err) == (0, "")
    frame.to_csv(tmp_path / "new.csv", index=False)
    assert run("score", tmp_path / "new.csv", "--model", model)[0] == 0


def test_all_models_are_tried(run, parts):
    pattern, frame = parts
    options = ("--columns", ",".join(blobs().columns[:2]), "--covariance-type", "all", "-k", "2")
    status, out, err = run("cluster", pattern, "--dask", *options)
    assert (status, err) == (0, "")
    X = frame[blobs().columns[:2]].to_numpy()
    shown = dict(re.findall(r"^  (\S+) +(-?[\d,]+\.\d)[*cn]?$", out, re.MULTILINE))
    assert len(shown) == 14
    for kind in ("VVV", "EEE", "EEI", "VEV"):
        mixture = EMGaussianMixture(2, covariance_type=kind, init_params="hierarchical")
        assert shown[kind] == f"{mixture.set_params(random_state=0).fit(X).bic(X):,.1f}"
    assert "* chosen" in out


def test_missing_cells_and_types_are_kept(run, parts, tmp_path):
    """Whole numbers, of which one is missing, and narrow floats are written as they were."""
    pattern, frame = parts
    names = list(blobs().columns[:2])
    frame = frame.assign(number=pd.array(np.arange(len(frame)) % 7, "Int16"))
    frame[names[0]] = frame[names[0]].astype(np.float32)
    frame.loc[3, "number"], frame.loc[5, names[1]] = pd.NA, np.nan
    half = len(frame) // 2
    for i, part in enumerate((frame[:half], frame[half:])):
        part.to_parquet(pattern.parent / f"{i}.parquet")
    options = ("--columns", ",".join([*names, "number"]), "-k", "2", "-o", tmp_path / "out")
    status, _, err = run("cluster", pattern, "--dask", *options)
    assert (status, err) == (0, "")
    got = pd.read_parquet(tmp_path / "out")
    pd.testing.assert_frame_equal(got[[*names, "number"]], frame[[*names, "number"]])
    X = frame[[*names, "number"]].to_numpy(np.float64, na_value=np.nan)
    mixture = EMGaussianMixture(2, init_params="hierarchical", random_state=0).fit(X)
    np.testing.assert_array_equal(got["cluster"], mixture.predict(X))
    np.testing.assert_allclose(got["log_density"], mixture.score_samples(X), rtol=1e-9)


def test_kinds_are_declared(run, parts, tmp_path):
    """Categories and counts beside measurements, as the library takes them; the model scores."""
    pattern, frame = parts
    names = list(blobs().columns[:2])
    rng = np.random.default_rng(0)
    frame = frame.assign(
        colour=np.where(frame[names[0]] > frame[names[0]].median(), "red", "blue").astype(object),
        visits=rng.poisson(3.0, len(frame)),
    )
    frame.loc[::7, "colour"] = None
    half = len(frame) // 2
    for i, part in enumerate((frame[:half], frame[half:])):
        part.to_parquet(pattern.parent / f"{i}.parquet")
    kinds = ("--kind", "categorical=colour", "--kind", "poisson=visits", "--exclude", "count")
    out, model = tmp_path / "out", tmp_path / "m.skops"
    status, text, err = run(
        "cluster", pattern, "--dask", *kinds, "-k", "2", "-o", out, "--save", model
    )
    assert (status, "left out, not numbers: 'name'" in err) == (0, True)
    used = [name for name in frame.columns if name not in ("name", "count")]
    numbers = [name for name in used if name not in ("colour", "visits")]
    columns = [("full", numbers), ("categorical", ["colour"]), ("poisson", ["visits"])]
    mixture = EMMixture(2, columns=columns, random_state=0).fit(frame[used])
    assert f"{mixture.bic(frame[used]):,.1f}" in text
    assert f"{len(numbers)} Gaussian (full), 1 categorical, 1 poisson" in text
    got = pd.read_parquet(out)
    np.testing.assert_array_equal(got["cluster"], mixture.predict(frame[used]))
    density = mixture.score_samples(frame[used])
    np.testing.assert_allclose(got["log_density"], density, rtol=1e-9)
    frame.to_csv(tmp_path / "new.csv", index=False)
    scored = tmp_path / "scored.csv"
    status, _, err = run("score", tmp_path / "new.csv", "--model", model, "-o", scored)
    assert status == 0, err
    np.testing.assert_array_equal(pd.read_csv(scored)["cluster"], got["cluster"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--kind", "poisson=zzz"), "no column 'zzz'"),
        (("--kind", "poisson=count", "--exclude", "count"), "in --kind poisson and to be left out"),
        (("--kind", "poisson=count", "--columns", "name"), "poisson, but not in --columns"),
        (
            ("--kind", "poisson=count", "--kind", "gamma=count"),
            "column 'count' is in --kind poisson and --kind gamma",
        ),
        (("--top", "3"), "--top sorts all rows; leave it out with --dask"),
        (("--criterion", "cv"), "with --dask: bic, icl or aic"),
        (("--columns", "zzz"), "no column 'zzz'"),
        (("--columns", "count", "--weight-column", "count"), "to be used and to be left out"),
        (("-o", "."), "exists already"),
    ],
)
def test_refuses(run, parts, options, message):
    status, out, err = run("cluster", parts[0], "--dask", *options)
    assert (status, out) == (2, "")
    assert message in err


def test_says_that_there_are_no_such_files(run, tmp_path):
    status, _, err = run("cluster", tmp_path / "none*.parquet", "--dask")
    assert status == 2
    assert "cannot be read as Parquet" in err
