"""The page of duties names every pitfall, tests that exist, and every task of the timetable."""

import re
from pathlib import Path

from forecourt.marketplace.timetable import timetable

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "duties" / "README.md").read_text()


def test_every_pitfall_is_on_the_page_with_a_test_that_exists() -> None:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert sorted(int(number) for number, _ in rows) == list(range(1, 28))
    assert [number for number, test in rows if "::" not in test] == []
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "duties").glob("*.md"))
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", pages):
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_every_task_but_the_heartbeat_is_on_the_page() -> None:
    assert {task.name for task in timetable} - set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == {"heartbeat"}
