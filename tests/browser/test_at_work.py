"""Pages, a worker and a clock that are real: what is pressed is done, and seen to be done."""

from collections.abc import Callable
from typing import Any

import pytest

from fleet import Looking, running, wait_until, worker
from forecourt.settings import settings

Look = Callable[..., Any]

A_ROUND = 5_100
"""Milliseconds after which a page has asked again for its live part."""


@pytest.fixture
def house(looking: Looking, web_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty house, with the jobs that tests have."""
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    settings.cache_clear()
    return web_address


def test_a_worker_comes_runs_fails_is_retried_and_goes_and_the_pages_follow(
    looking_at: Look, looking: Looking, house: str
) -> None:
    import workshop

    with looking_at() as page:
        page.clock.install()
        page.goto("/")
        assert "needs you: no worker is running" in page.get_by_role("heading", level=1).inner_text()
        call = workshop.fail.dispatch(call="photo 7")
        page.goto(f"/calls/{call.id}")
        assert "waits" in page.get_by_role("heading", level=1).inner_text()
        with worker():
            wait_until(lambda: looking.count("failed") == 1, what="the end of the call")
            page.clock.run_for(A_ROUND)
            page.get_by_role("heading", name="failed").wait_for(timeout=30_000)
            assert page.get_by_text("Try 2").is_visible()
            assert "photo 7 cannot work" in page.locator("pre").last.inner_text()
            page.goto("/workers")
            assert "1 worker" in page.get_by_role("heading", level=1).inner_text()
            page.goto("/failures")
            page.get_by_role("button", name="Retry 1").click()
            assert "1 call ready again" in page.get_by_role("status").inner_text()
            wait_until(lambda: looking.traces("photo 7") == 4, what="two more tries")
            wait_until(lambda: looking.count("failed") == 1, what="the second end")
            page.clock.run_for(A_ROUND)
            page.get_by_text("1 call failed for good").wait_for(timeout=30_000)

            long = workshop.nap.dispatch(call="long", seconds=60)
            wait_until(lambda: looking.traces("long") == 1, what="a call that runs")
            page.goto(f"/calls/{long.id}")
            assert "runs" in page.get_by_role("heading", level=1).inner_text()
            page.locator("summary", has_text="Cancel").click()
            page.get_by_text("Its slot is killed").wait_for()
            page.locator("form.panel button").first.click()
            assert "1 running call ends in a moment" in page.get_by_role("status").inner_text()
            wait_until(lambda: looking.count("running") == 0, what="the end of the call")
            page.clock.run_for(A_ROUND)
            page.get_by_role("heading", name="is cancelled").wait_for(timeout=30_000)
            assert looking.traces("long") == 1


RAN = "SELECT count(*) FROM forecourt.ticks WHERE task = 'generate_sitemap' AND status = 'succeeded'"


def test_a_task_runs_now_and_its_page_shows_the_run(
    looking_at: Look, looking: Looking, house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_APP", "forecourt.marketplace.app:app")
    settings.cache_clear()
    app = "forecourt.marketplace.app:app"
    with looking_at() as page, worker(app=app), running("schedule", "work", app=app):
        page.clock.install()
        page.goto("/schedule/generate_sitemap")
        page.get_by_role("button", name="Run now").click()
        assert "is entered as call" in page.get_by_role("status").inner_text()
        wait_until(lambda: looking.one(RAN), what="the end of the run")
        page.clock.run_for(A_ROUND)
        page.locator("tbody").get_by_text("done").wait_for(timeout=30_000)
        assert page.get_by_text("by hand").is_visible()
