"""Tiles that are kept from pass to pass hold what reading them again would give."""

import pickle

import numpy as np
import pytest
from oracles import cases

from skem.engine import Table, Tile, tiles


def rows(n=150, d=3, seed=0):
    return np.random.default_rng(seed).normal(5.0, 3.0, (n, d))


def table(X, weights=None):
    return Table(X, weights, X.mean(axis=0), X.std(axis=0))


def tile_for(X, chunks=(8, 4)):
    return Tile(cases.small_plan(*X.shape, 2, 10, (64, 1, chunks)))


def content(tile):
    values, weights = tile.lines.values, tile.lines.weights
    assert values is tile.values
    assert weights is tile.weights
    return tile.n_rows, values[:, : len(weights)].copy(), weights.copy()


def read(source, place, tile):
    source.load(*place, tile)
    return content(tile)


def assert_same(one, other):
    assert one[0] == other[0]
    places = -(-one[0] // 8) * 8
    np.testing.assert_array_equal(one[1][:, :places], other[1][:, :places])
    np.testing.assert_array_equal(one[2][:places], other[2][:places])


@pytest.mark.parametrize("weighted", [False, True])
def test_passes_read_the_same_rows(weighted):
    X = rows()
    weights = np.random.default_rng(1).integers(0, 3, len(X)).astype(float) if weighted else None
    source, tile = table(X, weights), tile_for(X)
    places = [(0, 64), (64, 128), (128, 150)]
    wanted = [read(table(X, weights), place, tile_for(X)) for place in places]
    for _ in range(4):
        for place, expected in zip(places, wanted, strict=True):
            assert_same(read(source, place, tile), expected)


def test_a_tile_is_kept_from_the_second_time_on_and_not_overwritten():
    X, other = rows(), rows(seed=2)
    source, tile = table(X), tile_for(X)
    own = tile.values
    wanted = read(source, (0, 64), tile)
    read(source, (0, 64), tile)
    assert tile.values is own
    read(source, (0, 64), tile)
    kept = tile.values
    assert kept is not own
    assert_same(content(tile), wanted)
    different = read(table(other), (0, 64), tile)
    assert tile.values is own
    assert not np.array_equal(different[1], wanted[1])
    assert_same(read(source, (0, 64), tile), wanted)
    assert tile.values is kept


def test_a_tile_of_fewer_components_shows_the_same_rows():
    X = rows()
    source, tile = table(X), tile_for(X)
    for place in [(0, 64), (64, 128)] * 4:
        read(source, place, tile)
        part = tile.of_components(1)
        assert_same(content(part), content(tile))
        assert part.lines.scores.shape[0] == 1


def test_another_layout_has_tiles_of_its_own():
    X = rows()
    source = table(X)
    one, other = tile_for(X), tile_for(X, (16, 4))
    wanted = read(table(X), (128, 150), tile_for(X, (16, 4)))
    for _ in range(3):
        read(source, (128, 150), one)
    for _ in range(3):
        got = read(source, (128, 150), other)
        np.testing.assert_array_equal(got[1][:, :32], wanted[1][:, :32])
        assert len(source._kept._tiles) == 1


def test_large_tables_and_single_passes_keep_nothing(monkeypatch):
    X = rows()
    source, tile = table(X), tile_for(X)
    for place in [(0, 64), (64, 128), (128, 150)]:
        read(source, place, tile)
    assert set(source._kept._tiles.values()) == {None}
    monkeypatch.setattr(tiles, "_MOST_KEPT", len(X) * 5 - 1)
    large = table(X)
    for _ in range(3):
        read(large, (0, 64), tile)
    assert not large._kept._tiles


def test_a_pickle_leaves_them_behind():
    X = rows()
    source, tile = table(X), tile_for(X)
    for _ in range(3):
        wanted = read(source, (0, 64), tile)
    copy = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) < 2 * X.nbytes
    assert_same(read(copy, (0, 64), tile), wanted)
