"""What all tests share: hypothesis without a clock, for a first call may compile kernels."""

from importlib.util import find_spec

if find_spec("hypothesis"):
    from hypothesis import settings

    settings.register_profile("skem", deadline=None, derandomize=True, max_examples=30)
    settings.load_profile("skem")
