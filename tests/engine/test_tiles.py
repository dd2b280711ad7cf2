"""How rows are cut: every row once, whatever block_size, and arrays that are large enough."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.cases import small_plan

from skem.engine import Table, Tile, Workplace, plan_tiles
from skem.families import GAUSSIAN_FAMILIES
from skem.scoring import CentredDiagonalScorer, CentredScorer, LinearScorer, ProjectedScorer

SHAPES = {
    "n_rows": st.integers(1, 300_000),
    "n_features": st.integers(1, 300),
    "n_components": st.integers(1, 3000),
    "n_pairs": st.integers(1, 50_000),
}


def table_of(n_rows):
    """A table of so many rows that takes no memory."""
    return Table(np.broadcast_to(0.0, (n_rows, 1)), None, np.zeros(1), np.ones(1))


@pytest.mark.core
@settings(max_examples=100, deadline=None)
@given(**SHAPES, block_size=st.none() | st.integers(1, 400_000))
def test_tiles_cover_every_row_once(block_size, **shapes):
    plan = plan_tiles(**shapes, block_size=block_size)
    source = table_of(shapes["n_rows"])
    last = 0
    for group in range(source.n_groups(plan)):
        tiles = source.tiles(plan, group)
        assert tiles
        for start, stop in tiles:
            assert start == last
            assert 0 < stop - start <= plan.tile_rows
            last = stop
    assert last == shapes["n_rows"]


@pytest.mark.core
@settings(max_examples=100, deadline=None)
@given(**SHAPES, block_size=st.integers(1, 400_000))
def test_cut_does_not_depend_on_block_size(block_size, **shapes):
    plain, blocks = plan_tiles(**shapes), plan_tiles(**shapes, block_size=block_size)
    assert plain.chunks == blocks.chunks
    source = table_of(shapes["n_rows"])
    n_groups = source.n_groups(plain)
    assert n_groups == source.n_groups(blocks)
    for group in range(n_groups):
        assert source.tiles(plain, group) == source.tiles(blocks, group)


@settings(max_examples=100, deadline=None)
@given(**SHAPES, block_size=st.integers(1, 400_000))
def test_block_size_is_rounded_up_to_whole_groups(block_size, **shapes):
    plan = plan_tiles(**shapes, block_size=block_size)
    assert plan.groups_at_once >= 1
    assert plan.groups_at_once * plan.group_rows >= block_size
    assert (plan.groups_at_once - 1) * plan.group_rows < block_size
    assert plan_tiles(**shapes).groups_at_once == 1


def share_of_the_slowest(plan, n_threads):
    """Rows of the thread that has the most, over the mean, where each takes the next group."""
    taken = [0] * n_threads
    for start in range(0, plan.n_rows, plan.group_rows):
        least = taken.index(min(taken))
        taken[least] += min(plan.group_rows, plan.n_rows - start)
    return max(taken) * n_threads / plan.n_rows


@pytest.mark.parametrize("n_rows", [20_000, 33_333, 50_000, 77_777, 123_456, 1_000_000])
@pytest.mark.parametrize("shape", [(3, 7, 10), (8, 10, 45), (16, 20, 153), (48, 8, 50)])
def test_threads_end_together(shape, n_rows):
    plan = plan_tiles(n_rows, *shape)
    assert share_of_the_slowest(plan, 2) < 1.05
    assert share_of_the_slowest(plan, 4) < 1.15


@settings(max_examples=60, deadline=None)
@given(**SHAPES)
def test_chunks(**shapes):
    rows, chunk = plan_tiles(**shapes).chunks
    assert rows >= 1
    assert 1 <= chunk <= shapes["n_pairs"]
    assert plan_tiles(**shapes).tile_rows % rows == 0


@pytest.mark.parametrize("kind", GAUSSIAN_FAMILIES)
@settings(max_examples=30, deadline=None)
@given(n_features=st.integers(1, 40), n_components=st.integers(1, 200))
def test_scratch_is_large_enough_for_every_kernel(kind, n_features, n_components):
    n_pairs = GAUSSIAN_FAMILIES[kind](0.0).n_products(n_features)
    plan = plan_tiles(5000, n_features, n_components, n_pairs)
    products, block = LinearScorer.space(plan)
    assert block.shape == (n_components + 1, plan.chunks[0])
    assert products.shape == plan.chunks[::-1]
    assert len(Tile(plan).power) >= max(plan.chunks[0], plan.tile_rows)


@settings(max_examples=60, deadline=None)
@given(**SHAPES)
def test_projected_blocks_divide_the_blocks_of_a_tile(**shapes):
    plan = plan_tiles(**shapes)
    space = ProjectedScorer.space(plan)
    n_features, projected_rows = plan.n_features, space.projected.shape[1]
    assert projected_rows <= 256
    assert plan.chunks[0] % projected_rows == 0
    assert projected_rows >= min(64, plan.chunks[0])
    assert space.projected.shape == (n_features + 1, projected_rows)
    assert space.block.shape == (shapes["n_components"] + 1, projected_rows)
    assert space.weight.shape == (projected_rows,)
    centred = CentredScorer.space(plan)
    assert centred.centred.shape == centred.projected.shape == (n_features, projected_rows)
    assert centred.part.shape == (n_features, n_features)
    shape = shapes["n_components"], projected_rows
    assert centred.block.shape == CentredDiagonalScorer.space(plan).shape == shape


def test_a_workplace_makes_each_kind_of_scratch_once():
    workplace = Workplace(plan_tiles(1000, 3, 4, 10))
    linear = workplace.space(LinearScorer.space)
    assert workplace.space(LinearScorer.space) is linear
    assert workplace.space(ProjectedScorer.space) is not linear


@pytest.mark.parametrize(("n_rows", "n_places"), [(0, 0), (1, 8), (8, 8), (9, 16), (20, 24)])
def test_a_tile_holds_whole_blocks(n_rows, n_places):
    tile = Tile(small_plan(20, 3, 4, 10, cut=(20, 1, (8, 4))))
    assert tile.hold(n_rows) == (n_rows, n_places)
    assert tile.n_rows == n_rows
    assert min(tile.values.shape[1], tile.scores.shape[1], len(tile.resp)) >= 24
    assert (tile.resp == 0.0).all()


@settings(max_examples=60, deadline=None)
@given(**SHAPES | {"n_rows": st.integers(1, 500)})
def test_a_small_table_has_a_small_tile(**shapes):
    plan = plan_tiles(**shapes)
    assert plan.chunks[0] <= shapes["n_rows"] + 63
    assert plan.tile_rows < shapes["n_rows"] + plan.chunks[0]


def test_shapes_of_a_tile():
    plan = plan_tiles(1000, 3, 4, 10)
    tile = Tile(plan)
    assert tile.n_rows == 0
    assert tile.values.shape[0] == 5
    assert tile.values.shape[1] >= plan.tile_rows
    assert tile.scores.shape[0] == 4
    assert tile.scores.shape[1] >= plan.tile_rows
    assert tile.resp.shape == (plan.tile_rows, 4)
    for line in (tile.weights, tile.log_normaliser, tile.factor, tile.power, tile.power_bits):
        assert len(line) >= plan.tile_rows
    tile.power[:3] = [1.0, 2.0, -0.0]
    np.testing.assert_array_equal(tile.power_bits[:3] >> 52, [1023, 1024, -2048])


@settings(max_examples=40, deadline=None)
@given(
    n_rows=st.integers(1, 10**8),
    n_features=st.integers(1, 100),
    n_components=st.integers(1, 100),
)
def test_a_tile_is_small_whatever_the_number_of_rows(n_rows, n_features, n_components):
    n_pairs = (n_features + 1) * (n_features + 2) // 2
    tile = Tile(plan_tiles(n_rows, n_features, n_components, n_pairs))
    size = sum(array.nbytes for array in vars(tile).values() if isinstance(array, np.ndarray))
    assert size < 4e6
