"""References of the pages are read as text."""

import re
from pathlib import Path

import pytest

import skem

PAGES = sorted((Path(skem.__file__).parents[1] / "doc").glob("*/*.rst"))


@pytest.mark.skipif(not PAGES, reason="needs the sources of the guide")
def test_initials_begin_no_list():
    """``.. [Smyth2000] P. Smyth`` would be the 16th entry of a list, drawn over its label."""
    entry = re.compile(r"^ *\.\. \[\w+\] [A-Z]\. .*", re.MULTILINE)
    assert {page.name: entry.findall(page.read_text("utf-8")) for page in PAGES} == {
        page.name: [] for page in PAGES
    }
