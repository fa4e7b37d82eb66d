"""Pages, a worker and a clock that are real: what is pressed is done, and seen to be done."""

from collections.abc import Callable
from typing import Any

import pytest

from fleet import Looking, running, wait_until, worker
from forecourt.settings import settings
from serving import served

Look = Callable[..., Any]


@pytest.fixture
def house(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty house, with the jobs that tests have."""
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    with served() as address:
        yield address


def test_a_worker_comes_runs_fails_is_retried_and_goes_and_the_pages_follow(
    looking_at: Look, looking: Looking, house: str
) -> None:
    import workshop

    with looking_at() as page:
        page.goto("/")
        assert "needs you: no worker is running" in page.get_by_role("heading", level=1).inner_text()
        call = workshop.fail.dispatch(call="photo 7")
        page.goto(f"/calls/{call.id}")
        assert "waits" in page.get_by_role("heading", level=1).inner_text()
        with worker():
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
        page.get_by_text("1 call failed for good").wait_for(timeout=30_000)


def test_a_running_call_is_cancelled_from_its_page(looking_at: Look, looking: Looking, house: str) -> None:
    import workshop

    call = workshop.nap.dispatch(call="long", seconds=60)
    with looking_at() as page, worker():
        page.goto(f"/calls/{call.id}")
        page.get_by_role("heading", name="runs").wait_for(timeout=30_000)
        page.locator("summary", has_text="Cancel").click()
        page.get_by_text("Its slot is killed").wait_for()
        page.locator("form.panel button").first.click()
        assert "1 running call ends in a moment" in page.get_by_role("status").inner_text()
        page.get_by_role("heading", name="is cancelled").wait_for(timeout=30_000)
        assert looking.traces("long") == 1


def test_a_task_runs_now_and_its_page_shows_the_run(
    looking_at: Look, looking: Looking, house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_APP", "forecourt.marketplace.app:app")
    settings.cache_clear()
    app = "forecourt.marketplace.app:app"
    with looking_at() as page, worker(app=app), running("schedule", "work", app=app):
        page.goto("/schedule/generate_sitemap")
        page.get_by_role("button", name="Run now").click()
        assert "is entered as call" in page.get_by_role("status").inner_text()
        page.locator("tbody").get_by_text("done").wait_for(timeout=40_000)
        assert page.get_by_text("by hand").is_visible()
