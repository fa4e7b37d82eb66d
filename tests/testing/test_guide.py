"""What docs/testing.md shows, works: its files are written out and run as a user's suite."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from counter import NOWHERE

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The guide's files, each under the name in its first line."""
    folder = tmp_path / "suite"
    folder.mkdir()
    for example in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        name = re.match(r"# (\w+\.py)\n", example)
        assert name, f"without the name of its file: {example}"
        (folder / name[1]).write_text(example)
    return folder


def tested(suite: Path, url: str, *options: str) -> str:
    """What pytest says about the suite with this database."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "forecourt.testing.plugin", "-p", "no:cacheprovider", *options],
        cwd=suite,
        env={"PATH": os.environ["PATH"], "FORECOURT_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return run.stdout + run.stderr


def test_all_but_the_real_queue_needs_no_database(suite: Path) -> None:
    said = tested(suite, NOWHERE, "--ignore", "test_queue.py")
    assert "5 passed" in said, said


def test_the_real_queue_is_drained(suite: Path, database: str) -> None:
    said = tested(suite, database, "test_queue.py")
    assert "1 passed" in said, said


def test_the_failure_that_is_shown_is_what_is_said(suite: Path) -> None:
    test = (suite / "test_sale.py").read_text().replace('title="Sold"', 'title="Sale"', 1)
    (suite / "test_sale.py").write_text(test)
    said = tested(suite, NOWHERE, "test_sale.py")
    [shown] = re.findall(r"```text\n(.*?)```", GUIDE, re.DOTALL)
    assert shown.splitlines() == [line[2:].strip(" ") if "Error" in line else line[2:] for line in _failure(said)], said


def _failure(said: str) -> list[str]:
    """The lines of the failure's message as pytest prints them, each after E and spaces."""
    lines = [line[len("E   ") :] for line in said.splitlines() if line.startswith("E   ")]
    return [line[2:] if not line.startswith("    ") else line for line in lines]
