"""From tables of any library to arrays of numbers, and back: selections, kinds, categories."""

from skem.columns.choose import GAUSSIAN_KINDS, KIND_NAMES, BlockPlan, choose_blocks
from skem.columns.encode import Encoding, make_encoding
from skem.columns.read import RawColumn, is_numeric, read_columns

__all__ = [
    "GAUSSIAN_KINDS",
    "KIND_NAMES",
    "BlockPlan",
    "Encoding",
    "RawColumn",
    "choose_blocks",
    "is_numeric",
    "make_encoding",
    "read_columns",
]
