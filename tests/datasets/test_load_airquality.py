import numpy as np
import pytest

from skem.datasets import load_airquality


@pytest.mark.core
def test_values_and_holes():
    """Holes, means and the first rows, as R prints them for its ``airquality``."""
    air = load_airquality()
    assert air.data.shape == (153, 4)
    assert air.feature_names == ["Ozone", "Solar.R", "Wind", "Temp"]
    assert air.target is None
    np.testing.assert_array_equal(np.isnan(air.data).sum(axis=0), [37, 7, 0, 0])
    assert np.isnan(air.data).any(axis=1).sum() == 42
    np.testing.assert_allclose(
        np.nanmean(air.data, axis=0), [42.12931, 185.9315, 9.957516, 77.88235], rtol=1e-6
    )
    np.testing.assert_array_equal(air.data[0], [41, 190, 7.4, 67])
    np.testing.assert_array_equal(air.data[4], [np.nan, np.nan, 14.3, 56])


def test_frame():
    pd = pytest.importorskip("pandas")
    air = load_airquality(as_frame=True)
    pd.testing.assert_frame_equal(air.frame, pd.read_csv(air.filename), check_dtype=False)
    X, y = load_airquality(return_X_y=True, as_frame=True)
    assert list(X.columns) == air.feature_names
    assert y is None
