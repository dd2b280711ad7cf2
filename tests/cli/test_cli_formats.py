"""How tables may be written: separators, encodings, compression, headers, odd text."""

import gzip
import io
import re
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from cli_tables import ADDED, blobs
from numpy.testing import assert_allclose

FRAME = blobs(20).round(3)


def text(sep=",", decimal=".", **options):
    return FRAME.to_csv(index=False, sep=sep, decimal=decimal, **options)


def aligned():
    return FRAME.to_string(index=False) + "  \n"


GOOD = {
    "tabs": ("t.tsv", text("\t"), []),
    "tabs named": ("t.csv", text("\t"), ["--sep", "tab"]),
    "tabs escaped": ("t.csv", text("\t"), ["--sep", r"\t"]),
    "semicolons": ("t.csv", text(";"), ["--sep", ";"]),
    "decimal commas": ("t.csv", text(";", ","), ["--sep", ";", "--decimal", ","]),
    "quoted decimal commas": ("t.csv", text(";", ",", quoting=1), ["--sep=;", "--decimal=,"]),
    "spaces": ("t.csv", aligned(), ["--sep", "space"]),
    "after the commas": ("t.csv", text().replace(",", ", "), ["--columns", "x,y"]),
    "gzip": ("t.csv.gz", gzip.compress(text().encode()), []),
    "gzip, tabs": ("t.TSV.gz", gzip.compress(text("\t").encode()), []),
    "gzip unnamed": ("t.csv", gzip.compress(text().encode()), []),
    "utf-16": ("t.csv", text().encode("utf-16"), ["--encoding", "utf-16"]),
    "cp1252": ("t.csv", ("x,y,ü\n" + text()[4:].replace("\n", ",ß\n")).encode("cp1252"),
               ["--encoding", "cp1252"]),
    "mark of utf-8": ("t.csv", "\ufeff" + text(), []),
    "carriage returns": ("t.csv", text().replace("\n", "\r"), []),
    "both": ("t.csv", text().replace("\n", "\r\n"), []),
    "comments": ("t.csv", "# mm\n#\n" + text(), []),
    "comments all over": ("t.csv", text().replace("\n", "\n% no\n", 9), ["--comment", "%"]),
    "trailing separators": ("t.csv", text().replace("\n", ",,\n"), []),
    "unnamed row labels": ("t.csv", FRAME.to_csv(), []),
    "a long cell": ("t.csv", text().replace("x,y", "x,y,s").replace("\n", ",\n").replace(
        ",\n", "\n", 1).replace(",\n", "," + "q" * 140_000 + "\n", 1), []),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_tables_are_read(run, tmp_path, case):
    name, content, options = GOOD[case]
    path, out = tmp_path / name, tmp_path / "out.parquet"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if case == "trailing separators":
        out = tmp_path / "out.csv"
    status, said, err = run("cluster", path, "-k", 2, "-o", out, *options)
    assert status == 0, err
    assert "20 rows, 2 columns" in said
    got = pd.read_csv(out) if out.suffix == ".csv" else pd.read_parquet(out)
    for name in ("x", "y"):
        column = got[next(c for c in got.columns if c.strip() == name)]
        assert_allclose(column.astype(float), FRAME[name], rtol=0)
    assert_allclose(got["cluster"] == got["cluster"][0], np.arange(20) % 3 == 0)


def test_skipped_comments_are_noted_but_no_row_is_taken_for_one(run, refused, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("# mm\n#\n" + text())
    assert "skipped 2 line(s) at the top that begin with '#'" in run("cluster", path, "-k", 1)[2]
    path.write_text("#x,y\n" + text()[4:])
    status, out, _ = run("cluster", path, "-k", 1, "--comment", "")
    assert status == 0
    assert "20 rows, 2 columns" in out
    # What begins with '#' below the header may be data, such as a title.
    path.write_text("x,s\n1,a\n#1,b\n")
    refused("cluster", path, "-k", 1, "--columns", "x", says="row 2 (line 3): '#1' is not a number")
    path.write_text('x,s\n1,"a\n# no comment"\n2,b\n')
    out = tmp_path / "out.csv"
    assert run("cluster", path, "-k", 1, "--comment", "#", "-o", out)[0] == 0
    assert pd.read_csv(out)["s"].tolist() == ["a\n# no comment", "b"]


def test_no_header(run, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    path.write_text(text()[4:])
    status, said, err = run("cluster", path, "-k", 1)
    assert "the header's names are numbers (" in err
    assert "give --no-header" in err
    status, said, err = run("cluster", path, "-k", 1, "--no-header", "-o", out)
    assert (status, err) == (0, "")
    assert "20 rows, 2 columns" in said
    assert list(pd.read_csv(out).columns) == ["column1", "column2", *ADDED]
    assert run("cluster", path, "-k", 1, "--no-header", "--columns", "column2")[0] == 0


BAD = {
    "semicolons": (text(";"), [], "the header 'x;y' is one column; give --sep ';' if"),
    "tabs": (text("\t"), [], "give --sep tab if"),
    "pipes": (text("|"), [], "give --sep '|' if"),
    "spaces": (aligned(), [], "give --sep space if"),
    "commas": (text(), ["--sep", ";"], "the header 'x,y' is one column; give --sep ',' if"),
    "decimal commas, too": (text(";", ","), [], "give --sep ';' --decimal ',' if"),
    "decimal comma": (text(";", ","), ["--sep", ";"],
                      ["column 'x', row 1 (line 2): '8,126' is not", "give --decimal ','"]),
    "decimal comma asked for": (text(";", ","), ["--sep", ";", "--columns", "y"],
                                ["column 'y', row 1 (line 2): ", "give --decimal ','"]),
    "decimal point": (text(";"), ["--sep", ";", "--decimal", ","],
                      ["column 'x', row 1 (line 2): '8.126'", "give --decimal '.'"]),
    "thousands": ('x,n\n1,"1,200"\n2,"1,300"\n', [],
                  ["column 'n', row 1 (line 2): '1,200'", "else leave the column out by"]),
    "comma twice": (text(), ["--decimal", ","], "both ',' (a decimal comma needs --sep ';'"),
    "latin-1": ("x,ü\n1,2\n".encode("latin-1"), [], ["line 1 is not utf-8 (byte 0xfc)",
                                                     "--encoding"]),
    "latin-1 below": ("x,s\n1,a\n\n2,é\n".encode("latin-1"), [], "line 4 is not utf-8 (byte 0xe9)"),
    "utf-16": (text().encode("utf-16"), [], "looks like UTF-16: give --encoding utf-16"),
    "utf-16 bare": (text().encode("utf-16-le"), [], ["line 1 has a zero byte", "utf-16-le"]),
    "short row": ("x,y\n1,2\n\n3\n", [], "row 2 (line 4) has 1 field, fewer than the header's 2"),
    "decimal commas unquoted": (
        "x,y\n1,5,2,5\n", [], ["row 1 (line 2) has 4 fields", "a decimal comma needs another sep"]
    ),
    "commas in the header": (
        "x, mm;y, mm\n1;2\n", [], ["row 1 (line 2) has 1 field", "give --sep ';'"]
    ),
    "footer": ("x,y\n1,2\n# end\n", [], ["row 2 (line 3) has 1 field", "--comment '#' skips"]),
    "an empty quote": ('x,y\n1,2\n""\n', [], "row 2 (line 3) has 1 field"),
    "an empty cell": ('x\n1\n\n""\nz\n', ["--columns", "x"], "column 'x', row 3 (line 5): 'z' is"),
    "open quote": ('x,s\n1,"a"\n2,"b\n3,c\n', [], "line 3: a quote is opened here and not closed"),
    "text after a quote": ('x,s\n1,"a"b\n', [], "line 2: text follows a closing quote"),
    "half of a gzip": (gzip.compress(text().encode())[:60], [], "cannot be read: Compressed file"),
    "bad gzip": (b"\x1f\x8b" + b"\0" * 40, [], "cannot be read: "),
    "a long cell": ("x,y\n1," + "q" * 140_000 + "\n2,3\n4\n", [], "row 3 (line 4) has 1 field"),
    "a break in a quote": ('x,s\n1,"a\nb\n2,"c"\n', [], "line 2: a quote is opened here and not"),
    "nothing but blank lines": ("\n  \n\n", [], "the file is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_recognised(refused, tmp_path, case):
    content, options, says = BAD[case]
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused("cluster", path, *options, "-o", tmp_path / "out.csv", says=says)


def test_archives_and_false_parquet(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv", "w") as archive:
        archive.writestr("sheet.xml", "<x/>")
    refused("cluster", tmp_path / "t.csv", says="a zip archive or a spreadsheet; save the table")
    (tmp_path / "t.parquet").write_text(text())
    refused("cluster", tmp_path / "t.parquet", says="this is no Parquet file")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--sep", "xy"], "--sep: 'xy' is not a character that separates fields"),
        (["--sep", '"'], "--sep: '\"' is not a character"),
        (["--decimal", ";"], "--decimal: invalid choice: ';'"),
        (["--encoding", "latin-99"], "--encoding: 'latin-99' is no encoding that Python knows"),
        (["--encoding", "hex"], "--encoding: 'hex' is no encoding"),
        (["--exclude", ""], "--exclude: '' is not a list of names"),
        (["--exclude", "z"], "no column 'z'; it has 'x', 'y', 'name', 'day'"),
        (["--columns", "x,y", "--exclude", "y"], "column 'y' is in --columns and --exclude"),
        (["--n-init", "0"], "--n-init: '0' is not at least 1"),
        (["--top", "few"], "--top: 'few' is not a whole number"),
        (["--reg-covar", "-1"], "--reg-covar: '-1' is not at least 0"),
        (["--reg-covar", "nan"], "--reg-covar: 'nan' is not at least 0"),
        (["--reg-covar", "little"], "--reg-covar: 'little' is not a number"),
        (["--criterion", "dic"], "--criterion: invalid choice: 'dic'"),
    ],
)
def test_bad_option(refused, table, options, says):
    refused("cluster", table, *options, says=says)


def stdin(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def parquet():
    file = io.BytesIO()
    FRAME.to_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [text().encode(), gzip.compress(text().encode()), parquet()],
    ids=["text", "gzip", "parquet"],
)
def test_standard_streams(run, monkeypatch, content, tmp_path):
    stdin(monkeypatch, content)
    status, out, err = run("cluster", "-", "-k", 2, "-o", "-", "--save", tmp_path / "m.skops")
    assert status == 0
    got = pd.read_csv(io.StringIO(out))
    assert_allclose(got[["x", "y"]], FRAME, rtol=0)
    assert list(got.columns) == ["x", "y", *ADDED]
    assert "standard input: 20 rows, 2 columns" in err
    assert "Saved the model to" in err
    stdin(monkeypatch, content)
    status, again, err = run("score", "-", "--model", tmp_path / "m.skops", "-o", "-", "--top", 2)
    assert status == 0
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(again)), got, rtol=1e-9)
    assert "The least probable of 20 rows:" in err


def test_errors_of_standard_input_have_lines(refused, monkeypatch, tmp_path):
    stdin(monkeypatch, b"x\n1\n\n?\n2\n")
    refused("cluster", "-", "--columns", "x", says="standard input: column 'x', row 2 (line 4)")
    stdin(monkeypatch, b"")
    refused("cluster", "-", says="standard input: the file is empty")


@pytest.mark.parametrize(
    ("name", "sep", "decimal"),
    [("o.csv", ";", ","), ("o.tsv", "\t", ","), ("o.tsv.gz", "\t", ","), ("o.csv.gz", ";", ",")],
)
def test_text_is_written_as_it_was_read(run, tmp_path, name, sep, decimal):
    path, out = tmp_path / "t.csv", tmp_path / name
    content = "x;s\n" + "".join(f"{x:.2f};é\n".replace(".", ",") for x in FRAME["x"])
    path.write_bytes(content.encode("cp1252"))
    options = ["--sep", ";", "--decimal", ",", "--encoding", "cp1252"]
    assert run("cluster", path, "-k", 1, *options, "-o", out)[0] == 0
    got = pd.read_csv(out, sep=sep, decimal=decimal, encoding="cp1252")
    assert_allclose(got["x"], FRAME["x"], atol=0.0051)
    assert set(got["s"]) == {"é"}
    assert got["log_density"].dtype == float


def test_long_tables_are_read_and_written_in_batches(run, tmp_path, monkeypatch):
    monkeypatch.setattr("skem.cli.text.BATCH", 7)
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    path.write_text(text())
    assert run("cluster", path, "-k", 1, "-o", out)[0] == 0
    lines = [re.sub(r"(,[^,]*){3}$", "", line) for line in out.read_text().splitlines()]
    assert "\n".join(lines) + "\n" == text()


def test_utf_8_read_as_something_else_is_noted(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("größe,y\n" + text()[4:], encoding="utf-8")
    err = run("cluster", path, "-k", 1, "--encoding", "latin-1")[2]
    assert "t.csv: may be utf-8, which needs no --encoding, rather than latin-1" in err
    path.write_text("größe,y\n" + text()[4:], encoding="latin-1")
    assert run("cluster", path, "-k", 1, "--encoding", "latin-1")[2] == ""
