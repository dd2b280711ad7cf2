"""The command as a process: pipes, terminals and interrupts."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from cli_tables import blobs

import skem
from skem.cli.messages import Progress

ROOT = Path(skem.__file__).parents[1]


def process(*arguments, code="from skem.cli import main; sys.exit(main())", **options):
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; {code}", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        **options,
    )


def test_version_needs_only_the_parser():
    code = "import skem.cli as c; print('skem.cli.commands' in sys.modules); sys.exit(c.main())"
    job = process("--version", code=code, stdout=subprocess.PIPE)
    assert job.communicate()[0].split() == [b"False", b"skem", skem.__version__.encode()]
    assert job.returncode == 0


def test_module_runs_and_full_disk_is_no_traceback(table):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    run_module = "import runpy; runpy.run_module('skem.cli', run_name='__main__')"
    with open("/dev/full", "w") as full:
        options = {"code": run_module, "stdout": full, "stderr": subprocess.PIPE}
        job = process("cluster", table, "-k", 1, "--columns", "x,y", **options)
        err = job.communicate()[1].decode()
    assert (job.returncode, err) == (2, "skem: error: [Errno 28] No space left on device\n")


def test_broken_pipe_and_piped_progress(table, tmp_path):
    out = tmp_path / "out.csv"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with process("cluster", table, "-k", 2, "--columns", "x,y", "-o", out, **pipes) as job:
        job.stdout.close()
        assert job.stderr.read() == b""
    assert job.returncode == 141
    assert len(pd.read_csv(out)) == 60


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a shell does")
@pytest.mark.parametrize(
    ("closed", "options", "status", "left"),
    [
        ([2], [], 0, "First 10"),
        ([1], [], 2, "skem: error: standard output is closed; name a file with -o"),
        ([1], ["-o", "OUT"], 0, ""),
        ([1, 2], [], 2, ""),
        ([0, 1, 2], ["-o", "OUT"], 0, ""),
        ([2], ["-k", "0"], 2, ""),
    ],
)
def test_closed_streams(table, tmp_path, closed, options, status, left):
    out = tmp_path / "out.csv"
    options = [out if option == "OUT" else option for option in options]
    job = process(
        *("cluster", table, "-k", 1, "--columns", "x,y", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if 2 not in closed else None,
        preexec_fn=lambda: [os.close(stream) for stream in closed],
    )
    said = job.communicate()[0].decode()
    assert job.returncode == status
    assert left in said
    assert "Traceback" not in said
    assert out.exists() == (out in options)


def test_streams_that_are_none(table, tmp_path, monkeypatch, capsys):
    """In this process; what a shell does is tested above."""
    from skem.cli import main

    out = tmp_path / "out.csv"
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    arguments = ["cluster", str(table), "-k", "1", "--columns", "x,y"]
    assert main(arguments) == 2
    monkeypatch.setattr(sys, "stdout", None)
    assert main([*arguments, "-o", str(out)]) == 0
    assert len(pd.read_csv(out)) == 60
    assert capsys.readouterr() == ("", "")


def test_standard_input_that_is_closed_is_empty():
    job = process("cluster", "-", stderr=subprocess.PIPE, preexec_fn=lambda: os.close(0))
    assert job.communicate()[1] == b"skem: error: standard input: the file is empty\n"
    assert job.returncode == 2


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_interrupt_during_the_progress_bar(tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    blobs(2_500).to_csv(path, index=False)
    leader, follower = os.openpty()
    # A job in a shell's background is born deaf to interrupts.
    hear = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with process("cluster", path, "-k", "2:2000", "-o", out, stderr=follower, **hear) as job:
        os.close(follower)
        seen = b""
        while b"fitting k = " not in seen:
            seen += os.read(leader, 1024)
        job.send_signal(signal.SIGINT)
        while b"interrupted" not in seen:
            seen += os.read(leader, 1024)
    os.close(leader)
    assert job.returncode == 130
    assert b"[...." in seen
    assert b"Traceback" not in seen
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_interrupt_while_writing(run, table, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("skem.cli.files._write_text", interrupt)
    before = sorted(tmp_path.iterdir())
    status, out, err = run("cluster", table, "-k", 1, "--columns", "x", "-o", tmp_path / "o.csv")
    assert (status, out, err) == (130, "", "skem: interrupted\n")
    assert sorted(tmp_path.iterdir()) == before


def test_progress_is_drawn_on_a_terminal_only():
    for terminal in (True, False):
        stream = io.StringIO()
        stream.isatty = lambda answer=terminal: answer
        with Progress(4, stream) as progress:
            progress.show(1, "fitting k = 2")
        drawn = "\r\x1b[K[######..................] 1/4  fitting k = 2\r\x1b[K"
        assert stream.getvalue() == (drawn if terminal else "")


@pytest.mark.parametrize("terminal", [True, False])
def test_compilation_is_announced_once_and_only_on_a_terminal(terminal):
    import numba

    from skem.cli.search import Compilation

    stream = io.StringIO()
    stream.isatty = lambda: terminal
    with Progress(2, stream) as progress, Compilation(progress):
        for number in range(2):
            numba.njit(lambda x, number=number: x + number)(1)
    numba.njit(lambda x: x - 1)(1)
    compiled = terminal and not numba.config.DISABLE_JIT
    assert stream.getvalue().count("skem: compiling, which takes some seconds") == compiled
