"""Compiled code that is kept on disk, when several processes compile at once."""

import importlib.util
import sys

import numpy as np
import pytest

from skem.kernels.jit import UNCOMPILED

SOURCE = """
from skem.kernels.jit import kernel


@kernel
def total(x):
    s = 0.0
    for i in range(x.size):
        s += x[i]
    return s
"""


@pytest.fixture
def fresh(tmp_path):
    """Return a function that loads a module with one kernel anew, as another process would."""
    path = tmp_path / "one_kernel.py"
    path.write_text(SOURCE, encoding="utf-8")

    def load():
        spec = importlib.util.spec_from_file_location("one_kernel", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules["one_kernel"] = module
        spec.loader.exec_module(module)
        return module.total

    yield load
    sys.modules.pop("one_kernel", None)


@pytest.mark.skipif(UNCOMPILED, reason="nothing is compiled")
def test_processes_that_compile_at_once_keep_their_own_code(fresh, monkeypatch):
    # Both have read the index before either has written it, so that each believes to be the first;
    # the second one writes all of its own before the first one's code reaches the disk.
    tables = [np.arange(8.0), np.arange(8, dtype=np.float32)]
    first, second = fresh(), fresh()
    kept = type(first._cache._cache_file)
    write = kept._save_data

    def write_late(self, name, data):
        monkeypatch.setattr(kept, "_save_data", write)
        assert second(tables[1]) == 28.0
        write(self, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(kept, "_load_index", lambda self: {})
        monkeypatch.setattr(kept, "_save_data", write_late)
        assert first(tables[0]) == 28.0
    for table in tables:
        assert fresh()(table) == 28.0


@pytest.mark.skipif(UNCOMPILED, reason="nothing is compiled")
def test_code_is_read_from_disk(fresh):
    for table in (np.arange(8.0), np.arange(8, dtype=np.float32)):
        fresh()(table)
    total = fresh()
    for table in (np.arange(8.0), np.arange(8, dtype=np.float32)):
        assert total(table) == 28.0
    assert sum(total.stats.cache_hits.values()) == 2
    assert not total.stats.cache_misses
