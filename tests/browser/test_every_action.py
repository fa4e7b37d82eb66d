"""Each button of each page, pressed in a real browser: on a desk with the script, on a phone in
Arabic without it. What was done stands in the audit, and on the page that follows.
"""

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from fleet import wait_until
from forecourt.web.table import RULES

Look = Callable[..., Any]

MORE = ("/login", "/logout", "/language", "/settings", "/unsubscribe/{token}", "/calls/act")
"""What is pressed in tests of their own."""


@pytest.mark.parametrize(
    "shown",
    [{"width": 1280}, {"width": 360, "dark": True, "language": "ar", "script": False}],
    ids=["desk", "phone, Arabic, without script"],
)
def test_every_button_does_what_it_says(looking_at: Look, database: str, shown: dict[str, Any]) -> None:
    with looking_at(**shown) as page, psycopg.connect(database, autocommit=True) as tx:

        def one(query: str) -> Any:
            row = tx.execute(query).fetchone()
            return row and row[0]

        pressed: set[str] = set()

        def press(path: str, to: str, done: str, *, within: str = "main", **typed: str) -> None:
            """Press the button of the form that goes `to`, on the page `path`."""
            rows = one("SELECT count(*) FROM forecourt.audit")
            page.goto(path)
            form = page.locator(f'{within} form[action="{to}"]').first
            if not form.is_visible():
                form.locator("xpath=ancestor::details[1]/summary").click()
            for name, text in typed.items():
                if form.locator(f'select[name="{name}"]').count():
                    form.locator(f'select[name="{name}"]').select_option(text)
                else:
                    form.locator(f'[name="{name}"]').fill(text)
            form.locator("button").first.click()
            wait_until(lambda: one("SELECT count(*) FROM forecourt.audit") > rows, what=f"{to} on {path}")
            assert one("SELECT action FROM forecourt.audit ORDER BY id DESC LIMIT 1") == done
            assert page.locator(".said").first.inner_text(), (path, to)
            pressed.add(to)

        failed, cancelled = (one(f"SELECT {which}(id) FROM forecourt.failed") for which in ("min", "max"))
        waiting = one("SELECT max(id) FROM forecourt.ready")
        task = "/schedule/generate_sitemap"
        press(task, "/schedule/pause", "schedule pause", why="stocktaking")
        press(task, "/schedule/resume", "schedule resume")
        press(task, "/schedule/trigger", "schedule trigger")
        added = {"name": "second heartbeat", "job": "heartbeat", "cron": "*/5 * * * *"}
        press("/schedule", "/schedule/add", "schedule add", **added)
        press("/schedule/second%20heartbeat", "/schedule/edit", "schedule edit", cron="@hourly")
        press("/schedule/second%20heartbeat", "/schedule/remove", "schedule remove")
        later = one("SELECT max(id) FROM forecourt.scheduled WHERE limit_key IS NULL")
        press(f"/calls/{later}", f"/calls/{later}/run-now", "queue run-now")
        press("/calls?state=scheduled", "/calls/matching", "queue run-now")
        press("/queues/low", "/queues/pause", "queue pause", why="the disk is full")
        press("/queues/low", "/queues/resume", "queue resume")
        press("/queues/low", "/queues/clear", "queue clear")
        press(f"/calls/{failed}", f"/calls/{failed}/retry", "queue retry")
        press(f"/calls/{cancelled}", f"/calls/{cancelled}/forget", "queue forget")
        press(f"/calls/{waiting}", f"/calls/{waiting}/cancel", "queue cancel")
        press("/failures", "/failures/retry", "queue retry")
        press("/failures", "/failures/forget", "queue forget")
        for asked in ("quiet", "resume", "stop"):
            press("/workers", f"/workers/{asked}", f"worker {asked}")
        press("/workers", "/workers/restart", "queue restart")
        press("/settings", "/settings/business", "settings set", within="#set-trash_days", value="14")
        press("/settings", "/settings/default", "settings unset")
        known = {re.sub(r"/\d+/", "/{id:int}/", path) for path in pressed}
        assert known == {rule.path for rule in RULES if rule.method == "POST" and "/api/" not in rule.path} - set(MORE)
