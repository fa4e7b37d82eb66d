"""The schedule's panels and the section Why in a real browser: accessible, inside the window, on a
desk and on a phone.
"""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from test_pages import wrong_with

from forecourt.store.stored_tasks import StoredTask, add

PANELS = [("/schedule", "Add a task"), ("/schedule/second%20heartbeat?at=2026-11-27T03:02:00", "Edit")]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_tasks_that_change_while_it_runs_have_accessible_panels(
    looking_at: Callable[..., Any], database: str, width: int, dark: bool
) -> None:
    with psycopg.connect(database, autocommit=True) as tx:
        add(tx, StoredTask("second heartbeat", "heartbeat", {}, "*/5 * * * *"), "{}", "anna")
    with looking_at(width=width, dark=dark) as page:
        for path, panel in PANELS:
            page.goto(path)
            page.locator("summary", has_text=panel).click()
            box = page.locator("details[open] form.panel").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert wrong_with(page) == []
        assert page.get_by_text("is not due").first.is_visible()
