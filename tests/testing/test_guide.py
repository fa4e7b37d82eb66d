"""What docs/testing.md shows, works: its files are written out and run as a user's suite."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from counter import NOWHERE

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()


@pytest.fixture(autouse=True)
def written(suite: Path) -> None:
    """The guide's files, each under the name in its first line."""
    for example in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        name = re.match(r"# (\w+\.py)\n", example)
        assert name, f"without the name of its file: {example}"
        (suite / name[1]).write_text(example)


def test_all_but_the_real_queue_needs_no_database(tested: Callable[..., str]) -> None:
    said = tested(NOWHERE, "--ignore", "test_queue.py")
    assert "6 passed" in said, said


def test_the_real_queue_is_drained(tested: Callable[..., str], database: str) -> None:
    said = tested(database, "test_queue.py")
    assert "1 passed" in said, said


def test_the_failure_that_is_shown_is_what_pytest_prints(tested: Callable[..., str], suite: Path) -> None:
    right = 'assert_dispatched_in_transaction(shop.rename, listing_id=7, title="Sold")'
    wrong = 'assert_dispatched(shop.rename, listing_id=7, title="Sale")'
    sale = suite / "test_sale.py"
    sale.write_text(sale.read_text().replace(right, wrong))
    said = tested(NOWHERE, sale.name)
    [shown] = re.findall(r"```text\n(.*?)```", GUIDE, re.DOTALL)
    assert [line for line in shown.splitlines() if f"E       {line}\n" not in said] == [], said
