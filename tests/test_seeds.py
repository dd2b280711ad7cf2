"""Generators from seeds are those of NumPy and scikit-learn."""

import numpy as np
import pytest
from sklearn.utils import check_random_state

from skem._seeds import generator


@pytest.mark.parametrize("seed", [0, 1, np.int64(7), 2**32 - 1])
def test_the_stream_is_that_of_a_random_state(seed):
    ours, wanted = generator(seed), np.random.RandomState(seed)
    np.testing.assert_array_equal(
        ours.randint(2**31 - 1, size=700), wanted.randint(2**31 - 1, size=700)
    )
    np.testing.assert_array_equal(ours.standard_normal(5), wanted.standard_normal(5))


def test_what_is_no_number_is_as_in_scikit_learn():
    given = np.random.RandomState(0)
    assert generator(given) is given
    assert generator(None) is check_random_state(None)
    for seed in (-1, 2**32, "seed"):
        with pytest.raises(ValueError):
            generator(seed)
