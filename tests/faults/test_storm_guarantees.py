"""The page of guarantees names tests that exist, and no promise goes without one."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "guarantees.md").read_text()


def test_every_test_that_holds_a_promise_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 40
    missing = [f"{path}::{test}" for path, test in named if f"def {test}(" not in (ROOT / path).read_text()]
    assert missing == []


def test_every_promise_names_a_test() -> None:
    promises, _, _ = PAGE.partition("## What is not promised")
    parts = promises.split("\n### ")[1:]
    without = [part.partition("\n")[0] for part in parts if not re.search(r"Held by\s`tests/", part)]
    assert without == []
