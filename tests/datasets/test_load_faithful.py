import builtins
from pathlib import Path

import numpy as np
import pytest

from skem.datasets import load_faithful


def test_bunch():
    faithful = load_faithful()
    assert faithful.data.shape == (272, 2)
    assert faithful.data.dtype == np.float64
    assert faithful.feature_names == ["eruptions", "waiting"]
    assert faithful.target is None
    assert faithful.frame is None
    assert "272" in faithful.DESCR
    assert "Azzalini" in faithful.DESCR
    assert Path(faithful.filename).read_text().startswith('"eruptions"')


@pytest.mark.core
def test_values():
    """The first and last rows, and the moments that R prints for its ``faithful``."""
    data = load_faithful().data
    np.testing.assert_array_equal(data[0], [3.6, 79.0])
    np.testing.assert_array_equal(data[-1], [4.467, 74.0])
    np.testing.assert_allclose(data.mean(axis=0), [3.487783, 70.897059], rtol=1e-6)
    np.testing.assert_allclose(np.median(data, axis=0), [4.0, 76.0])
    np.testing.assert_allclose(np.cov(data.T)[0, 1], 13.97781, rtol=1e-6)


def test_every_call_returns_its_own_array():
    load_faithful().data[:] = 0.0
    assert load_faithful().data.min() > 1.0


def test_return_X_y():
    X, y = load_faithful(return_X_y=True)
    assert y is None
    np.testing.assert_array_equal(X, load_faithful().data)


def test_frame():
    pd = pytest.importorskip("pandas")
    faithful = load_faithful(as_frame=True)
    assert faithful.data is faithful.frame
    assert list(faithful.frame.columns) == faithful.feature_names
    pd.testing.assert_frame_equal(faithful.frame, pd.read_csv(faithful.filename), check_dtype=False)
    X, y = load_faithful(return_X_y=True, as_frame=True)
    assert isinstance(X, pd.DataFrame)
    assert y is None


def test_frame_without_pandas(monkeypatch):
    original = builtins.__import__

    def no_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError("no pandas here")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_pandas)
    assert load_faithful().data.shape == (272, 2)
    with pytest.raises(ImportError, match=r'pip install "skem\[tabular\]"'):
        load_faithful(as_frame=True)
