"""From tables of any library to arrays of numbers, and back: selections, kinds, categories."""

from skem.columns.alternatives import list_alternatives, name_alternatives
from skem.columns.choose import GAUSSIAN_KINDS, KIND_NAMES, BlockPlan, choose_blocks
from skem.columns.encode import ColumnInfo, Encoding, coded_columns, make_encoding
from skem.columns.fill import add_columns, fill_cells, fill_zeros, put_columns, take_columns
from skem.columns.notes import likelier_kinds, note_counts
from skem.columns.read import RawColumn, has_categories, is_numeric, library_of, read_columns
from skem.columns.tally import ColumnTally, tally_columns, unite_columns

__all__ = [
    "GAUSSIAN_KINDS",
    "KIND_NAMES",
    "BlockPlan",
    "ColumnInfo",
    "ColumnTally",
    "Encoding",
    "RawColumn",
    "add_columns",
    "choose_blocks",
    "coded_columns",
    "fill_cells",
    "fill_zeros",
    "has_categories",
    "is_numeric",
    "library_of",
    "likelier_kinds",
    "list_alternatives",
    "make_encoding",
    "name_alternatives",
    "note_counts",
    "put_columns",
    "read_columns",
    "take_columns",
    "tally_columns",
    "unite_columns",
]
