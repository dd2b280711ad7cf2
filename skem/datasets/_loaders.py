"""Loaders in scikit-learn's form: a Bunch, or (X, y), as arrays or as frames."""

import csv
from importlib import resources
from typing import Any

import numpy as np
from sklearn.utils import Bunch

__all__ = ["load_airquality", "load_faithful"]

_FAITHFUL = """\
.. _faithful_dataset:

Old Faithful geyser
-------------------

**Characteristics**

:Number of instances: 272
:Number of attributes: 2, numeric; there is no target
:Attribute information:
    - eruptions: duration of the eruption, in minutes
    - waiting: time to the next eruption, in minutes
:Missing values: none
:Summary statistics:

========== ===== ====== ======= =====
column      min    max    mean    std
========== ===== ====== ======= =====
eruptions    1.6    5.1   3.488  1.14
waiting     43.0   96.0  70.897 13.57
========== ===== ====== ======= =====

Eruptions of the Old Faithful geyser in Yellowstone National Park, Wyoming. The
eruptions are of two kinds, short ones after which the next comes soon, and long
ones with a long wait. This is the table of 272 rows that R calls ``faithful``.

.. rubric:: References

- A. Azzalini and A. W. Bowman (1990). A look at some data on the Old Faithful
  geyser. *Applied Statistics* 39(3), 357-365.
- W. Härdle (1991). *Smoothing Techniques: With Implementation in S*. Springer.
"""

_AIRQUALITY = """\
.. _airquality_dataset:

New York air quality
--------------------

**Characteristics**

:Number of instances: 153
:Number of attributes: 4, numeric; there is no target
:Attribute information:
    - Ozone: mean of the hours from 13 to 15 at Roosevelt Island, in parts per billion
    - Solar.R: solar radiation from 8 to 12 o'clock at Central Park, in langleys
    - Wind: mean speed at 7 and 10 o'clock at LaGuardia Airport, in miles per hour
    - Temp: highest temperature of the day at LaGuardia Airport, in degrees Fahrenheit
:Missing values: 37 of Ozone, 7 of Solar.R, in 42 rows

Daily measurements from May to September 1973. This is the table that R calls
``airquality``, without month and day.

.. rubric:: References

- J. M. Chambers, W. S. Cleveland, B. Kleiner and P. A. Tukey (1983). *Graphical
  Methods for Data Analysis*. Wadsworth.
"""


def load_faithful(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the Old Faithful geyser table.

    272 eruptions and two columns, both in minutes: ``eruptions``, how long an
    eruption lasted, and ``waiting``, how long it was until the next one. There is
    no target.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch. The table has no
        target, so that is ``(data, None)``, as ``fetch_openml`` returns for a table
        without a target.
    as_frame : bool, default=False
        If True, ``data`` is a pandas DataFrame (extra ``tabular``).

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the following attributes.

        data : ndarray or DataFrame of shape (272, 2), float64
            One row for each eruption.
        target : None
            There is no target.
        frame : DataFrame of shape (272, 2) or None
            The table, if ``as_frame=True``.
        feature_names : list of str
            ``["eruptions", "waiting"]``.
        DESCR : str
            The description of the table.
        filename : str
            The path of the CSV file.

    (data, target) : tuple if ``return_X_y`` is True
        The table and None.

    Raises
    ------
    ImportError
        If ``as_frame=True`` and pandas is not installed.

    References
    ----------
    A. Azzalini and A. W. Bowman (1990). A look at some data on the Old Faithful
    geyser. Applied Statistics 39(3), 357-365.

    Examples
    --------
    >>> from skem.datasets import load_faithful
    >>> faithful = load_faithful()
    >>> faithful.data.shape
    (272, 2)
    >>> faithful.feature_names
    ['eruptions', 'waiting']
    """
    return _load("faithful", _FAITHFUL, return_X_y, as_frame)


def load_airquality(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the New York air quality table, which has missing cells (NaN).

    153 days and four columns: ``Ozone`` (parts per billion; 37 are missing), ``Solar.R`` (solar
    radiation in langleys; 7 are missing), ``Wind`` (miles per hour) and ``Temp`` (degrees
    Fahrenheit). There is no target.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, None)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, ``data`` is a pandas DataFrame (extra ``tabular``).

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with the following attributes.

        data : ndarray or DataFrame of shape (153, 4), float64
            One row for each day from May to September 1973.
        target : None
            There is no target.
        frame : DataFrame of shape (153, 4) or None
            The table, if ``as_frame=True``.
        feature_names : list of str
            ``["Ozone", "Solar.R", "Wind", "Temp"]``.
        DESCR : str
            The description of the table.
        filename : str
            The path of the CSV file.

    (data, target) : tuple if ``return_X_y`` is True
        The table and None.

    Raises
    ------
    ImportError
        If ``as_frame=True`` and pandas is not installed.

    References
    ----------
    J. M. Chambers, W. S. Cleveland, B. Kleiner and P. A. Tukey (1983). Graphical Methods for Data
    Analysis. Wadsworth.

    Examples
    --------
    >>> import numpy as np
    >>> from skem.datasets import load_airquality
    >>> np.isnan(load_airquality().data).sum(axis=0)
    array([37,  7,  0,  0])
    """
    return _load("airquality", _AIRQUALITY, return_X_y, as_frame)


def _load(name: str, description: str, return_X_y: bool, as_frame: bool) -> Any:
    path = resources.files("skem.datasets") / "data" / f"{name}.csv"
    feature_names, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    data: Any = np.array([[cell or "nan" for cell in row] for row in rows], dtype=np.float64)
    frame = None
    if as_frame:
        frame = data = _to_frame(name, data, feature_names)
    if return_X_y:
        return data, None
    return Bunch(
        data=data,
        target=None,
        frame=frame,
        feature_names=feature_names,
        DESCR=description,
        filename=str(path),
    )


def _to_frame(name: str, data: np.ndarray, columns: list[str]) -> Any:
    """Return the array as a pandas DataFrame."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            f'load_{name}(as_frame=True) needs pandas: pip install "skem[tabular]"'
        ) from error
    return pd.DataFrame(data, columns=columns)
