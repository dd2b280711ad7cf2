"""Every bit of a result is the same for all blocks, threads and kinds of memory."""

import numpy as np
import pytest

from mixture.tables import (
    assert_same_bits,
    assert_same_outputs,
    blobs,
    core,
    every_estimator,
    every_type,
    fit,
)
from skem.engine import plan_tiles

# Of few features and components a tile has some thousand rows: enough rows for several.
N, D, K = 17_000, 2, 2


@pytest.fixture(scope="module")
def long_table():
    X, _ = blobs(n=N, d=D, k=K, seed=1)
    return X, np.random.default_rng(0).integers(0, 3, size=N).astype(np.float64)


def test_the_long_table_has_several_groups():
    plan = plan_tiles(N, D, K, 6)
    assert 2 * plan.group_rows < N
    assert plan_tiles(N, D, K, 6, block_size=9000).groups_at_once > 1


@every_estimator
@every_type
@pytest.mark.parametrize("init_params", ["kmeans", "random"])
def test_blocks_and_threads(estimator, covariance_type, init_params, long_table):
    X, weight = long_table
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "init_params": init_params,
        "random_state": 0,
        "max_iter": 1,
        "sample_weight": weight,
    }
    expected = fit(X, K, n_jobs=1, **common)
    methods = ("score_samples", "predict_proba") if init_params == "kmeans" else ()
    said = {name: getattr(expected, name)(X) for name in methods}
    for n_jobs, block_size in ((2, None), (3, 1), (2, 9000)):
        mixture = fit(X, K, n_jobs=n_jobs, block_size=block_size, **common)
        assert_same_bits(mixture, expected)
        for name, value in said.items():
            np.testing.assert_array_equal(getattr(mixture, name)(X), value, err_msg=name)


@every_estimator
@every_type
def test_threads_of_a_step(estimator, covariance_type, long_table):
    X, weight = long_table
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "init_params": "random",
        "random_state": 0,
    }
    mixtures = []
    for n_jobs in (1, 3):
        mixture = fit(X[:500], K, n_jobs=n_jobs, max_iter=2, **common)
        mixtures.append(mixture.partial_fit(X, sample_weight=weight))
    assert_same_bits(*mixtures)


@every_estimator
@every_type
@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=core), -1])
def test_threads_on_a_small_table(estimator, covariance_type, n_jobs):
    X, _ = blobs()
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "random_state": 0,
        "n_init": 3,
    }
    expected = fit(X, n_jobs=1, **common)
    assert_same_bits(fit(X, n_jobs=n_jobs, block_size=16, **common), expected, X)


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def table(request):
    return blobs(n=130, d=4)[0].astype(request.param)


def _mapped(X, path, mode="r", order="C"):
    mapped = np.lib.format.open_memmap(
        path, mode="w+", dtype=X.dtype, shape=X.shape, fortran_order=order == "F"
    )
    mapped[:] = X
    mapped.flush()
    return np.load(path, mmap_mode=mode)


@every_estimator
@every_type
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_maps(estimator, covariance_type, mode, order, table, tmp_path):
    mapped = _mapped(table, tmp_path / "table.npy", mode, order)
    assert isinstance(mapped, np.memmap)
    common = {"estimator": estimator, "covariance_type": covariance_type, "random_state": 0}
    expected, mixture = fit(table, **common), fit(mapped, **common)
    assert_same_bits(mixture, expected)
    assert_same_outputs(mixture, mapped, expected, table)
    np.testing.assert_array_equal(np.load(tmp_path / "table.npy"), table)


@every_estimator
@every_type
def test_layouts(estimator, covariance_type, table):
    common = {"estimator": estimator, "covariance_type": covariance_type, "random_state": 0}
    expected = fit(table, **common)
    frozen = table.copy()
    frozen.flags.writeable = False
    wide = np.repeat(np.repeat(table, 2, axis=0), 3, axis=1)[::2, ::3]
    backwards = table[::-1].copy()[::-1]
    layouts = [np.asfortranarray(table), frozen, wide, backwards]
    if table.dtype == np.float64:
        # Lists know no float32, and scikit-learn reads float32 of foreign byte order as float64.
        layouts += [table.astype(table.dtype.newbyteorder()), table.tolist()]
    for same in layouts:
        mixture = fit(same, **common)
        assert_same_bits(mixture, expected)
        assert_same_outputs(mixture, same, expected, table)


@every_estimator
@every_type
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(estimator, covariance_type, library, table):
    frames = pytest.importorskip(library)
    names = [f"feature {j}" for j in range(table.shape[1])]
    frame = frames.DataFrame(dict(zip(names, table.T, strict=True)))
    common = {"estimator": estimator, "covariance_type": covariance_type, "random_state": 0}
    expected, mixture = fit(table, **common), fit(frame, **common)
    assert_same_bits(mixture, expected)
    assert_same_outputs(mixture, frame, expected, table)
    assert mixture.feature_names_in_.tolist() == names
    assert mixture.n_features_in_ == len(names)
    assert not hasattr(expected, "feature_names_in_")


@every_estimator
@every_type
@pytest.mark.parametrize("dtype", [pytest.param(np.int64, marks=core), np.int32, np.uint8, bool])
def test_integers_are_computed_as_float64(estimator, covariance_type, dtype):
    real = blobs(n=120, apart=8.0)[0]
    X = (real > 0 if dtype is bool else np.clip(np.rint(real + 20), 0, 200)).astype(dtype)
    common = {"estimator": estimator, "covariance_type": covariance_type, "random_state": 0}
    floats = X.astype(np.float64)
    mixture, expected = fit(X, **common), fit(floats, **common)
    assert_same_bits(mixture, expected)
    assert_same_outputs(mixture, X, expected, floats)
    # Rows of integers are scored against means that are none.
    between = fit(real, **common)
    whole = np.rint(real).astype(int)
    assert_same_outputs(between, whole, between, whole.astype(np.float64))


@pytest.mark.core
@every_estimator
@every_type
def test_float32_is_kept(estimator, covariance_type):
    X = blobs()[0].astype(np.float32)
    mixture = fit(X, estimator=estimator, covariance_type=covariance_type, random_state=0)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(mixture, name).dtype == np.float32, name
    for method in ("score_samples", "predict_proba", "transform"):
        assert getattr(mixture, method)(X).dtype == np.float32, method
    assert mixture.predict(X).dtype == np.int64
    rows, labels = mixture.sample(5)
    assert (rows.dtype, labels.dtype) == (np.float32, np.int64)
    assert isinstance(mixture.score(X), float)
    stepped = mixture.partial_fit(X[:50])
    assert stepped.means_.dtype == np.float32


@every_estimator
@every_type
def test_float32_rows_are_computed_in_float64(estimator, covariance_type):
    X = blobs()[0].astype(np.float32)
    common = {"estimator": estimator, "covariance_type": covariance_type, "random_state": 0}
    narrow, wide = fit(X, **common), fit(X.astype(np.float64), **common)
    assert narrow.lower_bounds_ == wide.lower_bounds_
    np.testing.assert_array_equal(narrow.means_, wide.means_.astype(np.float32))
    np.testing.assert_allclose(
        narrow.score_samples(X), wide.score_samples(X.astype(np.float64)), rtol=1e-4, atol=1e-4
    )
