"""Arrow's reader of plain tables: what Python's reader gives, row for row, error for error."""

import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skem.cli import text
from skem.cli.messages import CommandError
from skem.cli.plain import read_plain
from skem.cli.text import Dialect, read_text


def outcome(data, dialect):
    """Return the rows with their lines, or the error."""
    try:
        columns, lines = read_text(io.BytesIO(data), "t.csv", dialect)
    except CommandError as error:
        return str(error)
    return columns.column_names, columns.to_pylist(), lines.tolist()


@settings(max_examples=400)
@given(
    st.lists(
        st.sampled_from(
            ["1", "-2.5", "a b", "é", ",", ",", ",", '"', '""', "\n", "\n", "\r\n", "\r", " ", "#"]
        )
    ).map("".join),
    st.sampled_from(["x,y", '"x",y', "\ufeffx,y", "x,y,z", '"x\nz",y']),
    st.booleans(),
)
@example('1,"a\nb"\n2,"c"', "x,y", True)
@example('1,a"b"\n2,c', "x,y", True)
@example('"1","2"\n"3",""""\n\n', "x,y", True)
@example('1,""\n"",2\n', "x,y", False)
@example("1,2\n\n3,4", "x,y", True)
@example("1,2\n \n3,4", "x,y", True)
def test_both_readers_agree(body, header, has_header):
    data = f"{header}\n{body}".encode()
    dialect = Dialect(header=has_header)
    found = outcome(data, dialect)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "read_plain", lambda *_: None)
        assert outcome(data, dialect) == found


def test_plain_tables_are_recognised():
    body = b'1,"a ""b"""\r\n2,c\r\n"3",\r\n'
    table = read_plain(body, ",", 2)
    assert table.to_pydict() == {"0": ["1", "2", "3"], "1": ['a "b"', "c", ""]}
    for bad in (b"1,2\n\n3,4", b'1,"a\n"', b"1,2,3", b"1,\xff", b"1,\0", b"1,2\r3,4", b'1,a"b"',
                b'1,"a"b', b""):  # fmt: skip
        assert read_plain(bad, ",", 2) is None
    assert read_plain(b"1\n2", ",", 1) is None
    long = "1," + "q" * 3_000_000 + "\n"
    assert outcome(b"x,y\n" + long.encode() * 2, Dialect())[2] == [2, 3]


def test_lines_of_a_plain_table():
    data = b"\xef\xbb\xbf# mm\n\nx,y\n\n" + b"1,2\n" * 5
    assert outcome(data, Dialect())[2] == list(range(5, 10))
    assert outcome(b"1,2\n" * 3, Dialect(header=False))[2] == [1, 2, 3]


@pytest.mark.parametrize("cell", ["nan", "inf", "1e999", "", "NA", " 5", "true"])
def test_a_cell_that_needs_a_second_look(cell):
    import pyarrow as pa

    from skem.cli.cells import numbers

    found = numbers(pa.chunked_array([pa.array(["1", cell], pa.large_string())]), ".")
    expected = {"nan": (True, False), "": (True, False), "NA": (True, False), "true": (False, True)}
    assert (found.missing[1], found.bad[1]) == expected.get(cell, (False, False))
    assert np.isinf(found.values[1]) == (cell in ("inf", "1e999"))
