"""Fixtures for the tests of the command; without pandas none of them runs."""

from importlib.util import find_spec

import pytest

NEEDED = ("pandas", "pyarrow", "skops")  # pandas is an oracle
collect_ignore_glob = [] if all(map(find_spec, NEEDED)) else ["*.py"]


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    """Lines are as long as on a terminal of 100 characters, whoever runs the tests."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def table(tmp_path):
    from cli_tables import blobs

    path = tmp_path / "table.csv"
    blobs().assign(name="nö", day="Tue").to_csv(path, index=False)
    return path


@pytest.fixture
def run(capsys):
    """Call the command; return its status, standard output and standard error."""

    from skem.cli import main

    def call(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def refused(run, tmp_path):
    """Check that the command refuses with one line, and leaves no file behind."""

    def call(*arguments, says, status=2):
        before = sorted(tmp_path.rglob("*"))
        got, out, err = run(*arguments)
        assert (got, out, err.count("\n")) == (status, "", 1), err
        assert err.startswith("skem: error: ")
        for text in [says] if isinstance(says, str) else says:
            assert text in err
        assert sorted(tmp_path.rglob("*")) == before

    return call
