"""What is written from the code is what the code says now."""

from pathlib import Path
from runpy import run_path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", ["commands.md", "settings.md", "licences.md"])
def test_the_reference_is_that_of_this_code(name: str) -> None:
    pages = run_path(str(DOCS / "generating" / "reference.py"))["PAGES"]
    assert (DOCS / "reference" / name).read_text() == pages[name](), "write it anew: make reference"
