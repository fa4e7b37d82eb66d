"""What is written from the code and from the measurements is what they say now."""

import re
from pathlib import Path
from runpy import run_path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FIGURE = re.compile(r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?")


def figures(text: str) -> set[float]:
    """Each number."""
    return {float(figure.replace(",", "")) for figure in FIGURE.findall(text)}


@pytest.mark.parametrize("name", ["commands.md", "settings.md", "licences.md"])
def test_the_reference_is_that_of_this_code(name: str) -> None:
    pages = run_path(str(DOCS / "generating" / "reference.py"))["PAGES"]
    assert (DOCS / "reference" / name).read_text() == pages[name](), "write it anew: make reference"


def test_figures_that_pages_quote_are_those_of_the_last_measurement() -> None:
    measured = figures((ROOT / "benchmarks" / "RESULTS.md").read_text())
    [readme] = re.findall(r"^On two cores, (.*?)\[All figures\]", (ROOT / "README.md").read_text(), re.S | re.M)
    [no_op] = re.findall(
        r": ([\d,]+ a second, the median of five rounds \(.*?\))", (DOCS / "performance.md").read_text(), re.S
    )
    [rates] = re.findall(r"\n## 10,000 calls a second\n(.*?)\n\n- ", (DOCS / "scale.md").read_text(), re.S)
    quoted = figures(readme) | figures(no_op)
    for figure in re.findall(r" \| ([^|]*?) \| measured", rates):
        quoted |= figures(figure)
    assert len(quoted) > 12
    stale = {figure for figure in quoted if not any(abs(figure - found) <= found / 100 for found in measured)}
    assert stale == set(), "RESULTS.md says otherwise"
