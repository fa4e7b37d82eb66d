"""A page refreshes itself as much as happens and as somebody looks, and says when it does not."""

from collections.abc import Callable
from typing import Any

import psycopg

Look = Callable[..., Any]

SEEN = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
TURN = SEEN + "document.dispatchEvent(new Event('visibilitychange'))"


def stop_clock(page: Any) -> None:
    """From here on the page's time passes only when the test says so."""
    page.clock.install(time=0)
    page.clock.pause_at(1_000)


def waits(page: Any, seconds: int | str) -> None:
    """Waits until the page waits for its next look, so long."""
    page.wait_for_function("words => document.getElementById('pace').textContent === words", arg=str(seconds))


def test_it_looks_often_while_calls_run_seldom_while_nothing_happens_and_never_while_nobody_sees_it(
    looking_at: Look, database: str
) -> None:
    with looking_at() as page, psycopg.connect(database, autocommit=True) as tx:
        stop_clock(page)
        page.goto("/")
        waits(page, 2)
        tx.execute("UPDATE forecourt.workers SET busy = 0")
        page.clock.run_for(2_100)
        waits(page, 5)
        page.clock.fast_forward(61_000)
        waits(page, 60)
        with page.expect_response("**/"):
            page.mouse.move(300, 300)  # somebody is there: at once, and often again
        waits(page, 5)

        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate(TURN % "true")
        waits(page, "–")
        page.clock.fast_forward(3_600_000)
        assert asked == []
        with page.expect_response("**/"):
            page.evaluate(TURN % "false")


def test_it_can_be_paused_and_says_so_and_what_is_held_open_pauses_it_too(looking_at: Look, database: str) -> None:
    with looking_at() as page:
        stop_clock(page)
        page.goto("/queues")
        badge = page.get_by_text("‖ paused", exact=True)
        assert not badge.is_visible()
        page.keyboard.press("p")
        badge.wait_for()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.fast_forward(3_600_000)
        assert asked == []
        page.get_by_role("button", name="Resume", exact=True).last.click()
        badge.wait_for(state="hidden")

        waits(page, 2)
        page.locator("summary", has_text="Pause").first.click()
        page.clock.run_for(2_100)
        badge.wait_for()
        page.keyboard.press("Escape")
        page.clock.run_for(1_100)
        badge.wait_for(state="hidden")


def test_after_three_looks_in_vain_or_one_that_took_long_it_says_how_old_it_is_until_one_is_answered(
    looking_at: Look,
) -> None:
    with looking_at() as page:
        stop_clock(page)
        page.goto("/queues")
        waits(page, 2)
        page.route("**/queues", lambda route: route.fulfill(status=204))  # no answer, but no word on the console either
        banner = page.get_by_text("▲ Last update")
        for seconds in (2_000, 5_000, 5_000):
            assert not banner.is_visible()
            with page.expect_response("**/queues"):
                page.clock.run_for(seconds)
            waits(page, 5)
        banner.wait_for()
        assert "Last update 12 s ago" in banner.inner_text()
        page.unroute("**/queues")
        page.clock.run_for(5_000)
        banner.wait_for(state="hidden")
        waits(page, 2)
        held: list[Any] = []
        page.route("**/queues", lambda route: held.append(route))
        with page.expect_request("**/queues"):
            page.clock.run_for(2_000)
        page.clock.run_for(20_000)
        held[0].fulfill(status=204)
        banner.wait_for()
        assert "Last update 22 s ago" in banner.inner_text()


def test_a_list_tells_what_is_newer_and_its_rows_stay_until_one_looks_again(looking_at: Look, database: str) -> None:
    with looking_at() as page, psycopg.connect(database, autocommit=True) as tx:
        stop_clock(page)
        page.goto("/calls?state=ready&queue=medium")
        first = page.locator("tbody tr").first.inner_text()
        tx.execute("INSERT INTO forecourt.ready (job, queue) SELECT 'late_comer', 'medium' FROM generate_series(1, 12)")
        page.clock.run_for(2_100)
        more = page.get_by_role("link", name="12 new: show")
        more.wait_for()
        assert page.locator("tbody tr").first.inner_text() == first
        more.click()
        page.locator("tbody tr", has_text="late_comer").first.wait_for()
        page.goto("/audit")
        tx.execute("INSERT INTO forecourt.audit (who, action, target) VALUES ('anna', 'queue clear', '{}')")
        page.clock.run_for(2_100)
        page.get_by_role("link", name="1 new: show").wait_for()
        assert page.get_by_text("queue clear").count() == 0


def test_somebody_chooses_how_pages_are_told_and_when_they_look_again(looking_at: Look) -> None:
    with looking_at(zone="Asia/Kuwait") as page:
        page.goto("/settings")
        assert page.locator(".clock bdi").inner_text() == "UTC"
        page.get_by_label("Times").select_option("browser")
        page.get_by_label("Refreshing").select_option("30")
        page.locator("select[name=keys]").select_option("off")
        page.get_by_role("button", name="Keep").click()
        assert page.locator(".clock bdi").inner_text() == "Kuwait"
        waits(page, 30)
        page.keyboard.press("p")
        page.keyboard.press("t")
        assert page.get_by_text("‖ paused", exact=True).is_hidden()
        assert page.evaluate("document.documentElement.dataset.theme") == "system"
        page.get_by_label("Refreshing").select_option("off")
        page.get_by_role("button", name="Keep").click()
        page.get_by_text("‖ paused", exact=True).wait_for()
        waits(page, "–")
