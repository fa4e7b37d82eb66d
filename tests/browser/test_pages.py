"""Each page in a real browser: on a desk and on a phone, light and dark; accessible, still, and without a word on the console."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import TimeoutError as Slow

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"

PAGES = [
    "/", "/night", "/schedule", "/schedule/cleanup_soft_deleted", "/queues", "/queues/high", "/calls", "/calls?state=failed",
    "/calls?state=running", "/calls?state=scheduled", "/calls?state=done&q=listing_id%3D7", "/failures", "/workers",
    "/doctor", "/performance", "/performance?job=process_car_images", "/marketplace", "/audit",
    "/settings", "/login", "/calls/7777777",
]  # fmt: skip

# The page's text in both themes has to be readable, so the rules on contrast are among them.
RULES = """
() => axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(
    found => found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.target.join(" ")}: ${n.failureSummary}`))
)
"""

Look = Callable[..., Any]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_is_accessible_and_fits(looking_at: Look, database: str, width: int, dark: bool) -> None:
    with psycopg.connect(database) as tx:
        failed = tx.execute("SELECT max(id) FROM forecourt.failed WHERE job = 'process_car_images'").fetchone()[0]
        running = tx.execute("SELECT call_id FROM forecourt.progress").fetchone()[0]
    wrong: list[str] = []
    with looking_at(width=width, dark=dark) as page:
        for path in [*PAGES[:-1], f"/calls/{failed}", f"/calls/{running}"]:
            page.goto(path)
            inside = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            if inside[0] > inside[1]:
                wrong.append(f"{path}: scrolls sideways, {inside[0]} > {inside[1]}")
            page.evaluate(AXE.read_text())
            wrong += [f"{path}: {violation}" for violation in page.evaluate(RULES)]
    assert wrong == []


def test_what_there_is_not_is_a_page_too(chromium: Any, house: str) -> None:
    page = chromium.new_page(base_url=house)
    page.goto("/calls/7777777")
    assert page.get_by_role("heading", name="There is nothing here").is_visible()
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []
    page.close()


def test_panels_that_open_are_accessible_and_stay_inside(looking_at: Look) -> None:
    for width in (1280, 360):
        with looking_at(width=width) as page:
            page.goto("/queues")
            page.locator("summary", has_text="Pause").first.click()
            assert page.get_by_label("Why").first.is_visible()
            box = page.locator("form.panel").first.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            page.evaluate(AXE.read_text())
            assert page.evaluate(RULES) == []
            page.keyboard.press("Escape")
            assert page.locator("details.pop[open]").count() == 0


def test_what_changes_is_seen_without_reloading_and_nothing_else_moves(looking_at: Look, database: str) -> None:
    with looking_at() as page, psycopg.connect(database, autocommit=True) as tx:
        page.add_init_script(
            """window.shifts = [];
            new PerformanceObserver(list => list.getEntries().forEach(shift => shift.sources.forEach(moved => {
                if (moved.node.nodeName !== "#text") window.shifts.push(`${moved.node.nodeName} ${moved.node.className}`);
            }))).observe({type: "layout-shift", buffered: true});"""  # a figure that gets longer is no shift of anything else
        )
        page.goto("/")
        page.evaluate("window.shifts = []; window.before = document.querySelector('#live h1')")
        tx.execute("DELETE FROM forecourt.ready WHERE queue = 'high' AND id % 2 = 0")
        page.get_by_role("link", name="602", exact=True).wait_for(timeout=20_000)
        assert page.evaluate("window.shifts") == []
        assert page.evaluate("window.before === document.querySelector('#live h1')"), (
            "what stays the same is not made anew"
        )


def test_what_is_open_stays_as_it_is_until_it_is_closed(looking_at: Look, database: str) -> None:
    with looking_at() as page, psycopg.connect(database, autocommit=True) as tx:
        page.goto("/queues")
        page.locator("summary", has_text="Pause").first.click()
        page.get_by_label("Why").first.fill("half a sentence")
        tx.execute("DELETE FROM forecourt.ready WHERE queue = 'high' AND id % 2 = 0")
        page.wait_for_timeout(6000)  # longer than a round of refreshing: the point is that nothing comes of it
        assert page.get_by_label("Why").first.input_value() == "half a sentence"
        assert page.get_by_role("link", name="1,204", exact=True).count() == 1


def leads_to(page: Any, key: str, path: str) -> None:
    """Waits until `g` and `key` lead to `path`. The second has a second and a half, which a busy machine may need for itself."""
    for _ in range(10):
        page.keyboard.press("g")
        page.keyboard.press(key)
        with suppress(Slow):
            page.wait_for_url(f"**{path}", timeout=3_000)
            return
    pytest.fail(f"g {key} does not lead to {path}, but {page.url}")


def test_the_keyboard_leads_everywhere(looking_at: Look) -> None:
    with looking_at() as page:
        page.goto("/")
        page.keyboard.press("?")
        assert page.get_by_role("dialog", name="Keys").is_visible()
        page.keyboard.press("Escape")
        page.get_by_role("dialog", name="Keys").wait_for(state="hidden")  # while it closes, keys are still its own
        for key, path in (("c", "/calls"), ("f", "/failures"), ("n", "/night"), ("o", "/"), ("c", "/calls")):
            leads_to(page, key, path)
        page.keyboard.press("/")
        page.keyboard.type("listing_id=7")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=listing_id*")
        page.keyboard.press("t")
        assert page.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
@pytest.mark.parametrize("width", [1280, 360])
def test_a_queue_is_paused_and_resumed_with_and_without_script(
    looking_at: Look, database: str, script: bool, width: int
) -> None:
    with looking_at(script=script, width=width) as page, psycopg.connect(database, autocommit=True) as tx:
        page.goto("/queues/high")
        page.locator("summary", has_text="Pause").click()
        page.get_by_label("For").select_option("60")
        page.get_by_label("Why").fill("the disk is full")
        page.locator("form.panel button.go").first.click()
        assert "is paused until" in page.get_by_role("status").first.inner_text()
        assert tx.execute("SELECT name, why FROM forecourt.pauses").fetchall() == [("high", "the disk is full")]
        page.get_by_role("button", name="Undo").click()
        assert tx.execute("SELECT count(*) FROM forecourt.pauses").fetchone() == (0,)
        assert "goes on" in page.get_by_role("status").first.inner_text()


def test_without_script_every_page_can_be_read(looking_at: Look) -> None:
    with looking_at(script=False) as page:
        for path in PAGES[:-1]:
            page.goto(path)
            assert page.locator("h1, h2").first.is_visible(), path
            assert page.locator(".with-script:visible").count() == 0, path


def test_the_menu_of_a_phone_leads_on(looking_at: Look) -> None:
    with looking_at(width=360) as page:
        page.goto("/")
        page.locator("details.menu > summary").click()
        page.get_by_role("navigation", name="Pages, as a menu").get_by_role("link", name="Failures").click()
        page.wait_for_url("**/failures")
        small = page.evaluate(
            "[...document.querySelectorAll('main button, main .button, main summary')].filter(e => e.offsetParent)"
            ".map(e => e.getBoundingClientRect().height).filter(h => h < 44)"
        )
        assert small == []
