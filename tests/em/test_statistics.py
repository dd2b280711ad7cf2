"""Statistics as vectors and back."""

from collections import OrderedDict, namedtuple
from fractions import Fraction

import numpy as np
import pytest

from skem.em._statistics import difference, flatten, names, rebuild, split

Pair = namedtuple("Pair", "left right")
EVERY_TYPE = [
    2,
    2.5,
    np.float32(1.5),
    np.array(3.0),
    np.arange(3),
    np.arange(6.0).reshape(2, 3).T,
    np.zeros((0, 2)),
    (1, 2.0),
    Pair(1.0, np.ones(2)),
    {"a": 1, 2: np.ones((2, 2), dtype=np.float32)},
    OrderedDict(a=1, b=2),
    ({"a": Pair(1, (2, np.array([3, 4])))}, (), {}, np.array([[5]])),
]


def assert_equal(given, wanted):
    if isinstance(wanted, dict):
        assert isinstance(given, dict)
        assert list(given) == list(wanted)
        for key in wanted:
            assert_equal(given[key], wanted[key])
    elif isinstance(wanted, tuple):
        assert type(given) is type(wanted)
        assert len(given) == len(wanted)
        for one, other in zip(given, wanted, strict=True):
            assert_equal(one, other)
    else:
        assert np.shape(given) == np.shape(wanted)
        assert np.asarray(given).dtype == np.float64
        np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize("statistics", EVERY_TYPE, ids=repr)
def test_back_and_forth_gives_the_same_as_float64(statistics):
    vector, layout = flatten(statistics, "s")
    assert vector.dtype == np.float64
    assert_equal(rebuild(layout, vector), statistics)


@pytest.mark.parametrize("statistics", EVERY_TYPE, ids=repr)
def test_sums_of_vectors_are_sums_of_all_parts(statistics):
    def double(value):
        if isinstance(value, dict):
            return {key: double(part) for key, part in value.items()}
        if isinstance(value, tuple):
            parts = [double(part) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        return value + value

    vector, layout = flatten(statistics, "s")
    assert_equal(rebuild(layout, vector + flatten(statistics, "s")[0]), double(statistics))


def test_what_comes_back_is_memory_of_its_own():
    array = np.ones(3)
    vector, layout = flatten((array, 2.0), "s")
    vector += 1.0
    assert array.tolist() == [1, 1, 1]
    rebuild(layout, vector)[0][:] = 7.0
    assert vector.tolist() == [2, 2, 2, 3]


def test_small_integers_do_not_overflow_when_they_are_added():
    vector, _ = flatten(np.array([200], dtype=np.uint8), "s")
    assert (vector + vector)[0] == 400


def test_names_and_pieces_go_together():
    vector, layout = flatten({"n": 1, "pair": Pair(np.ones((2, 2)), (3, np.array([4, 5])))}, "s")
    assert names(layout, "s") == [
        "s['n']",
        "s['pair'].left",
        "s['pair'].right[0]",
        "s['pair'].right[1]",
    ]
    assert [len(piece) for piece in split(layout, vector)] == [1, 4, 1, 2]


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ([1.0, 2.0], "s is a list: statistics must be numbers, NumPy arrays"),
        ({"a": (1.0, None)}, r"s\['a'\]\[1\] is a NoneType"),
        (Pair("x", 1), r"s\.left is a str"),
        (np.ma.masked_array([1.0], [True]), "s is a MaskedArray"),
        (1j, "s is a complex"),
        (np.array([1j]), "s must hold real numbers, but has the dtype complex128"),
        (np.array(["x"]), "real numbers, but has the dtype <U1"),
        (Fraction(1, 3), "real numbers, but has the dtype object"),
    ],
)
def test_other_types_are_named(statistics, message):
    with pytest.raises(TypeError, match=message):
        flatten(statistics, "s")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (1.0, np.ones(2), r"s has the shape \(2,\), and had \(\) before"),
        (
            {"a": (1, 2)},
            {"a": (1, np.ones(3))},
            r"s\['a'\]\[1\] has the shape \(3,\), and had \(\)",
        ),
        ({"a": 1}, {"b": 1}, r"s has the parts \['b'\], and had \['a'\] before"),
        ({"a": 1, "b": 2}, {"b": 1, "a": 2}, r"parts \['b'\], \['a'\], and had \['a'\], \['b'\]"),
        ((1, 2), {0: 1, 1: 2}, "s is of kind dict, and was of kind tuple before"),
        (Pair(1, (1,)), Pair(1, (1, 2)), r"s\.right has the parts \[0\], \[1\], and had \[0\]"),
    ],
)
def test_differences_are_named(old, new, message):
    layouts = [flatten(value, "s")[1] for value in (old, new)]
    assert layouts[0] != layouts[1]
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(difference(*layouts, "s"))
