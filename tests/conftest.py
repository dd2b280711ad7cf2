"""What all tests share: hypothesis without a clock, for a first call may compile kernels."""

from importlib.util import find_spec

if find_spec("hypothesis"):
    from hypothesis import settings

    settings.register_profile("skem", deadline=None, derandomize=True, max_examples=30)
    settings.load_profile("skem")


def pytest_configure():
    """Without the compiler a tree of some hundred rows takes a second: default starts do without.

    Tests of trees, and of searches that begin at one, still grow them. Worker processes don't hear
    of it: what is compared with their fits bit by bit has no more rows than this.
    """
    import numba

    if vars(numba.config)["DISABLE_JIT"]:
        from skem.inference import search

        search._ROWS_OF_A_TREE = search._ROWS_OF_A_LARGE_TREE = 100
