"""``skem score``, and what a model file must be before it is loaded."""

import pickle
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io as skops
from cli_tables import ADDED, blobs
from numpy.testing import assert_array_equal

from skem.cli import COVARIANCE_TYPES


@pytest.fixture
def saved(run, table, tmp_path):
    """A model, and the table with what `skem cluster` added."""
    model, out = tmp_path / "model.skops", tmp_path / "clustered.parquet"
    assert run("cluster", table, "-k", 2, "--save", model, "-o", out)[0] == 0
    return model, pd.read_parquet(out)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_score_repeats_what_cluster_wrote(run, saved, table, tmp_path, suffix):
    model, expected = saved
    out = tmp_path / f"scored.{suffix}"
    shuffled = tmp_path / "new.csv"  # other rows, other columns, in another order
    expected.drop(columns=ADDED)[["y", "day", "x"]].iloc[10:].to_csv(shuffled, index=False)
    status, text, err = run("score", shuffled, "--model", model, "-o", out, "--jobs", 1)
    assert (status, err) == (0, "")
    got = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    assert list(got.columns) == ["y", "day", "x", *ADDED]
    wanted = expected[ADDED].iloc[10:].reset_index(drop=True)
    pd.testing.assert_frame_equal(got[ADDED], wanted, rtol=1e-9)
    assert f"new.csv: 50 rows, 2 clusters, mean log density {wanted.log_density.mean():.4g}" in text
    counts = got["cluster"].value_counts()
    assert re.findall(r"^ +[01]  .*?(\d+)$", text, re.M)[:2] == [str(counts[0]), str(counts[1])]


@pytest.mark.parametrize("covariance_type", [*COVARIANCE_TYPES, "all"])
@pytest.mark.parametrize("option", [[], ["--no-scale"]])
def test_models_of_every_type_are_saved_and_scored(run, table, tmp_path, covariance_type, option):
    model, out, again = (tmp_path / name for name in ("m.skops", "out.csv", "again.csv"))
    options = ["--covariance-type", covariance_type, *option]
    assert run("cluster", table, "-k", 2, "--save", model, "-o", out, *options)[0] == 0
    status, _, err = run("score", table, "--model", model, "-o", again)
    assert (status, err) == (0, "")
    pd.testing.assert_frame_equal(pd.read_csv(again), pd.read_csv(out), rtol=1e-9)


def test_score_refuses_rows_beyond_the_numbers(run, refused, table, tmp_path):
    model, new = tmp_path / "m.skops", tmp_path / "new.csv"
    (blobs() * 1e-6).to_csv(table, index=False)
    assert run("cluster", table, "-k", 1, "--save", model)[0] == 0
    new.write_text("x,y\n1e308,1\n")
    refused("score", new, "--model", model, says="new.csv: cannot be scored: Input X contains inf")


def test_model_of_another_version_is_noted(run, saved, table):
    model, _ = saved
    tampered(model, lambda text: text.replace(sklearn.__version__, "0.99"))
    status, _, err = run("score", table, "--model", model)
    assert status == 0
    assert re.search(r"^skem: note: \S+model.skops: .*StandardScaler from version 0.99", err, re.M)


def test_score_refuses_bad_rows(refused, saved, tmp_path):
    model, _ = saved
    for name, content, says in [
        ("a.csv", "x\n1\n", "a.csv: no column 'y'; it has 'x'"),
        ("c.csv", "x,y,cluster\n1,2,3\n", "c.csv: already has a column 'cluster'"),
        ("d.csv", "x,y\n1,2\nq,3\n", "d.csv: column 'x', row 2 (line 3): 'q' is not a number"),
    ]:
        (tmp_path / name).write_text(content)
        options = ["--model", model, "-o", tmp_path / "out.csv"]
        refused("score", tmp_path / name, *options, says=says)


def test_model_file_has_columns_and_pipeline(saved):
    model, expected = saved
    content = skops.load(model, trusted=skops.get_untrusted_types(file=model))
    assert content["columns"] == ["x", "y"]
    labels = content["pipeline"].predict(expected[["x", "y"]].to_numpy())
    assert_array_equal(labels, expected["cluster"])


def tampered(model, change):
    """Rewrite the schema of a skops file."""
    with zipfile.ZipFile(model) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["schema.json"] = change(parts["schema.json"].decode()).encode()
    with zipfile.ZipFile(model, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("EMGaussianMixture", "Evil"), r"refused.* skem\.mixture\S+Evil"),
        (lambda text: text.replace("StandardScaler", "MinMaxScaler"), r"refused.*_data.MinMaxSca"),
        (
            lambda text: text.replace('"NdArrayNode"', '"FunctionNode"'),
            r"refused.*FunctionNode",
        ),
        (lambda text: text.replace("skem cluster 1", "skem cluster 9"), "not a model that 'skem"),
        (lambda text: text.replace('\\"mixture', '\\"scale'), "not a model that 'skem"),
        (lambda text: text[:-200], "not a readable skops file"),
        (lambda text: "[" * 100_000, "not a readable skops file"),
    ],
)
def test_tampered_model_is_refused(run, saved, table, change, says):
    model, _ = saved
    tampered(model, change)
    status, out, err = run("score", table, "--model", model)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert re.search(rf"model.skops: {says}", err)


def test_other_models_are_refused(refused, saved, table, tmp_path):
    model, _ = saved
    content = skops.load(model, trusted=skops.get_untrusted_types(file=model))
    other = tmp_path / "other.skops"
    content["pipeline"]["mixture"].means_ = content["pipeline"]["mixture"].means_[:, :1]
    skops.dump(content, other)
    refused("score", table, "--model", other, says="other.skops: not a model that 'skem cluster")
    skops.dump({**content, "extra": np.testing.assert_allclose}, other)
    refused("score", table, "--model", other, says="refused: a model does not hold numpy.testing")
    skops.dump(content["pipeline"], other)
    refused("score", table, "--model", other, says="other.skops: not a model that")
    other.write_bytes(pickle.dumps(content["columns"]))
    refused("score", table, "--model", other, says="other.skops: not a readable skops file")
    refused("score", table, "--model", tmp_path / "gone.skops", says="gone.skops: no such file")
    refused("score", table, "--model", tmp_path / "m.pkl", says="must end in .skops")
