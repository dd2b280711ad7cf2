"""Bad input: one line on standard error, status 2, and no file left behind."""

import sys

import pandas as pd
import pytest
from cli_tables import blobs

from skem import EMGaussianMixture


def cell(row, text, column="y", n=20):
    """A CSV file whose one bad cell is in the given row (from 1)."""
    frame = blobs(n).astype(object)
    frame.loc[row - 1, column] = text
    return frame.to_csv(index=False)


GOOD = cell(1, 1.0)
BAD = {
    "nothing": ("x,y\n1,\n2,NA\n", ["--columns", "x,y"], ["t.csv: no value in 'y'; leave it out"]),
    "no weighed value": ("x,y,w\n1,,1\n2,2,0\n", ["--weight-column", "w"],
                         ["no value in a row of positive weight in 'y'"]),
    "text": (cell(5, "a\tb"), ["--columns", "y"], ["'y', row 5 (line 6): 'a b' is not a number"]),
    "infinite": (cell(3, "-inf"), [], ["column 'y', row 3 (line 4): infinite value"]),
    "blank lines": ("\nx\n\n1\n \n2\ninf\n", [], ["row 3 (line 7): infinite"]),
    "quoted line": ('x,s\n1,"a\nb"\ninf,c\n', [], ["column 'x', row 2 (line 4): infinite"]),
    "huge": ("x\n1e300\n-1e300\n3\n4\n", [], ["column 'x': its values are too large"]),
    "text only": ("x;y\n1;2\n", [], ["the header 'x;y' is one column; give --sep ';'"]),
    "truth values": ("x\nTrue\n0\n", ["--columns", "x"], ["row 1 (line 2): 'True' is not"]),
    "unknown": (GOOD, ["--columns", "x,z"], ["t.csv: no column 'z'; it has 'x', 'y'"]),
    "twice": (GOOD, ["--columns", "x,y,x"], ["'x' is named twice in --columns"]),
    "empty": ("", [], ["t.csv: the file is empty"]),
    "no rows": ("x,y\n", [], ["t.csv: the table has no rows"]),
    "duplicate": ("x,y,x\n1,2,3\n", [], ["two columns are named 'x'"]),
    "taken": ("x,cluster\n1,2\n", [], ["already has a column 'cluster'"]),
    "surplus": ("x,y\n0,1,2\n1,1,2\n", [],
                ["row 1 (line 2) has 3 fields, more", "; a column of row names"]),
    "ragged": ("x,y\n1,2\n1,1,2\n", [], ["row 2 (line 3) has 3 fields, more than the header's 2"]),
    "encoding": (b"x,y\n\xff\xfe,1\n", [], ["line 2 is not utf-8 (byte 0xff)", "--encoding"]),
    "no weight": (GOOD, ["--weight-column", "w"], ["no column 'w'"]),
    "weight used": (GOOD, ["--weight-column", "x", "--columns", "x"], ["'x' holds the weights"]),
    "negative": (cell(9, -2.0, "x"), ["--weight-column", "x", "--columns", "y"],
                 ["column 'x', row ", "(line ", "negative weight"]),
    "missing weight": (cell(4, None), ["--weight-column", "y"], ["'y', row 4 (line 5): missing w"]),
    "no weight at all": ("x,w\n1,0\n2,0\n", ["--weight-column", "w"], ["every weight is zero"]),
    "only weights": ("w,s\n1,a\n2,b\n", ["--weight-column", "w"], ["no column to use: 's'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_table(refused, tmp_path, case):
    content, options, says = BAD[case]
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused("cluster", path, *options, "-o", tmp_path / "out.csv", says=says)


def test_bad_parquet(refused, tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"no parquet")
    refused("cluster", path, says=[str(path), "cannot be read"])
    days = pd.date_range("2024-01-01", periods=20)
    frame = blobs(20).assign(when=days, day=days.date, n=pd.array([1, None] * 10, "Int64"))
    frame.to_parquet(path)
    refused("cluster", path, "--columns", "when", says="'when': neither text nor numbers, but time")
    refused("cluster", path, "--columns", "x,day", says="'day': neither text nor numbers, but date")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-k", "two"], "argument -k: 'two' is not a whole number"),
        (["-k", "0"], "-k: '0' is not K or LOW:HIGH"),
        (["-k", "5:2"], "-k: '5:2' is not K or LOW:HIGH with 1 <= LOW <= HIGH"),
        (["-k", "1:"], "-k: '' is not a whole number"),
        (["--covariance-type", "round"], "invalid choice: 'round'"),
        (["--seed", "-1"], "--seed: '-1' is not between"),
        (["--jobs", "0"], "--jobs: 0 threads"),
        (["--columns", "x,,y"], "--columns: 'x,,y' is not a list of names"),
        (["--nonsense"], "unrecognized arguments: --nonsense (see 'skem --help')"),
    ],
)
def test_bad_option(refused, table, options, says):
    refused("cluster", table, *options, says=says)


def test_bad_files(refused, table, tmp_path, monkeypatch):
    monkeypatch.setattr(EMGaussianMixture, "fit", None)  # none of this gets as far as a fit
    (tmp_path / "dir.csv").mkdir()
    refused(says="the following arguments are required: COMMAND")
    refused("cluster", tmp_path / "gone.csv", says="gone.csv: no such file")
    refused("cluster", tmp_path / "dir.csv", says="dir.csv: not a regular file")
    refused("cluster", tmp_path / "t.xlsx", says="t.xlsx: the name must end in .csv, .tsv, ")
    for target, says in {
        tmp_path
        / "out.txt": "out.txt: the name must end in .csv, .tsv, .csv.gz, .tsv.gz or .parquet; '-'",
        tmp_path / "gone" / "out.csv": "out.csv: cannot be written: No such file or directory",
        table / "out.csv": "out.csv: cannot be written: Not a directory",
        tmp_path / "dir.csv": "dir.csv: cannot be written: not a regular file",
        table: "is the table itself",
    }.items():
        refused("cluster", table, "-o", target, says=says)
    refused("cluster", table, "--save", tmp_path / "m.pkl", says="must end in .skops")
    refused("cluster", table, "--save", tmp_path / "gone" / "m.skops", says="cannot be written")


def test_failure_while_writing_leaves_the_old_file(refused, table, tmp_path, monkeypatch):
    def full(table, added, stream, sep):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    out = tmp_path / "out.csv"
    out.write_text("old")
    monkeypatch.setattr("skem.cli.files._write_text", full)
    options = ["-k", 1, "--columns", "x", "-o", out]
    refused("cluster", table, *options, says=["out.csv: cannot be written", "No space left"])
    assert out.read_text() == "old"


def test_output_keeps_link_and_mode(run, table, tmp_path):
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_text("")
    target.chmod(0o640)
    link.symlink_to(target)
    assert run("cluster", table, "-k", 1, "-o", link)[0] == 0
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert len(pd.read_csv(target)) == 60


@pytest.mark.parametrize("module", ["pyarrow", "skops"])
def test_missing_dependency(refused, table, tmp_path, monkeypatch, module):
    monkeypatch.setattr(EMGaussianMixture, "fit", None)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.setitem(sys.modules, name, None)
    options = ["-o", tmp_path / "o.parquet"] if module != "skops" else ["--save", "m.skops"]
    refused("cluster", table, *options, says=f'needs {module}: pip install "skem[tabular]"')


def test_out_of_memory_and_infinite_bic(refused, table, monkeypatch):
    infinite = {"bic": float("inf")}
    monkeypatch.setattr("skem.mixture._choosing.criteria_of_rows", lambda *_: infinite)
    options = ["-k", 1, "--columns", "x,y"]
    says = ["no fit succeeded: ", "full with 1: ", "not finite: ", "'bic': inf"]
    refused("cluster", table, *options, says=says)

    def exhaust(*_):
        raise MemoryError

    monkeypatch.setattr("skem.mixture._grid.fit_quietly", exhaust)
    refused("cluster", table, *options, says="error: out of memory")
