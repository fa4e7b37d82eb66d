"""A page as it is printed."""

from collections.abc import Callable
from typing import Any

import psycopg

CUT_OFF = "[...document.querySelectorAll('pre')].filter(text => text.scrollHeight > text.clientHeight + 1).length"


def test_on_paper_it_is_day_nothing_can_be_pressed_and_a_traceback_is_whole(
    looking_at: Callable[..., Any], database: str
) -> None:
    with psycopg.connect(database) as tx:
        call = tx.execute(
            "UPDATE forecourt.failed SET message = repeat(E'line\\n', 300)"
            " WHERE id = (SELECT max(id) FROM forecourt.failed) RETURNING id"
        ).fetchone()[0]
    with looking_at(dark=True) as page:
        page.goto(f"/calls/{call}")
        page.emulate_media(media="print")
        assert (
            page.locator("section").first.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
        )
        assert page.locator("button:visible, summary.button:visible").count() == 0
        assert page.evaluate(CUT_OFF) == 0
