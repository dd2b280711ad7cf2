"""Batches that no step can be made from: what is refused, and that the model stays as it is."""

import numpy as np
import pytest

from mixture.tables import blobs, every_estimator, fit

BATCH, _ = blobs(n=60)


def with_value(value, dtype=np.float64):
    batch = BATCH.astype(dtype)
    batch[5, 1] = value
    return batch


@every_estimator
@pytest.mark.parametrize("start", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (1e200, np.float64, r"Column 1 of X has a standard deviation of 1\.\d+e\+199"),
        (-1e160, np.float64, "Column 1 of X has a standard deviation"),
        (1e120, np.float64, r"Column 1 of X has a value .*e\+1.. standard deviations away"),
        (1e20, np.float32, "Column 1 of X has a standard deviation .* range of float32"),
        (np.inf, np.float64, "infinity"),
    ],
)
def test_a_step_refuses_what_a_fit_refuses(estimator, start, value, dtype, message):
    mixture = estimator(3, random_state=0)
    getattr(mixture, start)(BATCH.astype(dtype))
    scores, before = mixture.score_samples(BATCH), vars(mixture).copy()
    batch = with_value(value, dtype)
    with pytest.raises(ValueError, match=message):
        mixture.partial_fit(batch)
    assert vars(mixture).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(mixture).items())
    np.testing.assert_array_equal(mixture.score_samples(BATCH), scores)
    if value != 1e120:  # which a fit of the batch alone can take for its unit
        with pytest.raises(ValueError, match=message.split(" of X has")[0]):
            fit(batch, 3, estimator=estimator)


@every_estimator
def test_equal_values_are_refused_where_they_are_far_away(estimator):
    mixture = estimator(2, random_state=0).partial_fit(BATCH)
    with pytest.raises(ValueError, match=r"Column \d of X has a value"):
        mixture.partial_fit(np.full_like(BATCH, 1e200))


@every_estimator
def test_missing_cells_hide_nothing(estimator):
    mixture = estimator(3, random_state=0).partial_fit(BATCH)
    for value, message in ((1e200, "standard deviation of"), (1e120, "has a value")):
        batch = with_value(value)
        batch[3, 0] = batch[7, 1] = np.nan
        with pytest.raises(ValueError, match=f"Column 1 of X .*{message}"):
            mixture.partial_fit(batch)


@every_estimator
def test_rows_without_weight_may_have_any_value(estimator):
    plain, other = (estimator(3, random_state=0).partial_fit(BATCH) for _ in range(2))
    weights = np.ones(len(BATCH))
    weights[5] = 0.0
    plain.partial_fit(BATCH, sample_weight=weights)
    other.partial_fit(with_value(1e200), sample_weight=weights)
    np.testing.assert_array_equal(plain.means_, other.means_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_estimator
def test_far_values_that_can_be_read_are_taken(estimator):
    mixture = estimator(2, random_state=0).partial_fit(BATCH)
    mixture.partial_fit(with_value(1e90))
    assert np.abs(mixture.means_).max() > 1e85
    assert np.isfinite(mixture.covariances_).all()
