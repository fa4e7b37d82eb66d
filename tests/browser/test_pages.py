"""Each page in a real browser: on a desk and on a phone, light and dark; accessible, still, and
without a word on the console.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import TimeoutError as Slow

from reading_direction import turned_round
from serving import every_page

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"

PAGES = [
    *every_page(task="cleanup_soft_deleted"), "/calls?state=failed", "/calls?state=running", "/calls?state=scheduled",
    "/calls?state=done&q=listing_id%3D7", "/performance?job=process_car_images", "/settings?set=trash_days&to=soon",
]  # fmt: skip

# The page's text in both themes has to be readable, so the rule on contrast is among them, and made
# again in the other theme.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EXAMINE = """
(only) => axe.run(document, {resultTypes: ["violations"], runOnly: only}).then(
    found => found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.target.join(" ")}: ${n.failureSummary}`))
)
"""
INSIDE = "document.documentElement.scrollWidth - window.innerWidth"

CUT_OFF = "() => [...document.querySelectorAll('.rows')].filter(rows => rows.scrollWidth > rows.clientWidth).length"
"""Tables that one has to scroll to the side, and so finds no button."""

A_LONG_CHOICE = """
() => document.querySelectorAll('select').forEach(list => list.add(new Option('w'.repeat(60))))
"""
"""As a job with a long name makes it."""

ON_TOP = """
part => {
    scrollTo(0, scrollY + part.getBoundingClientRect().y - innerHeight / 2);  // the page alone, and nothing within it
    const {x, y, width, height} = part.getBoundingClientRect();
    return width === 0 || part.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}
"""

Look = Callable[..., Any]

A_ROUND = 5_100
"""Milliseconds after which a page has asked again for its live part."""


def wrong_with(page: Any, only: Sequence[str] = RULES) -> list[str]:
    """What axe finds on a page as it is seen now."""
    if page.evaluate("!window.axe"):
        page.evaluate(AXE.read_text())
    return list(page.evaluate(EXAMINE, only))


# English on a desk by day and Arabic on a phone by night by all rules; then the same in the other
# theme and at the other width.
@pytest.mark.parametrize(
    ("width", "dark", "language"), [(1280, False, "en"), (360, True, "ar")], ids=["desk, English", "phone, Arabic"]
)
def test_every_page_is_accessible_and_fits(
    looking_at: Look, database: str, width: int, dark: bool, language: str
) -> None:
    with psycopg.connect(database) as tx:
        failed = tx.execute("SELECT max(id) FROM forecourt.failed WHERE job = 'process_car_images'").fetchone()[0]
        running = tx.execute("SELECT call_id FROM forecourt.progress").fetchone()[0]
        tx.execute(
            "INSERT INTO forecourt.failed (job, queue, error, message) VALUES (%s, 'low', %s, %s), (%s, 'low', %s, %s)",
            (
                "recalculate_all_commission_statements",
                "sqlalchemy.exc.IntegrityError",
                "key " * 60,
                "x" * 150,
                "E" * 300,
                "m" * 900,
            ),
        )
    wrong: list[str] = []
    with looking_at(width=width, dark=dark, language=language) as page:
        for path in [*PAGES, f"/calls/{failed}", f"/calls/{running}"]:
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(path)
            found = wrong_with(page) + turned_round(page)
            page.emulate_media(color_scheme="light" if dark else "dark")
            found += wrong_with(page, ["color-contrast"])
            page.evaluate(A_LONG_CHOICE)
            for wide in (width, 760, 1640 - width):
                page.set_viewport_size({"width": wide, "height": 800})
                if page.evaluate(INSIDE) > 0:
                    found.append(f"scrolls sideways by {page.evaluate(INSIDE)} at {wide}")
                if page.evaluate(CUT_OFF):
                    found.append(f"a table is cut off at {wide}")
            wrong += [f"{path}: {violation}" for violation in found]
    assert wrong == []


def test_what_there_is_not_is_a_page_too(chromium: Any, house: str) -> None:
    page = chromium.new_page(base_url=house)
    page.goto("/calls/7777777")
    assert page.get_by_role("heading", name="There is nothing here").is_visible()
    assert wrong_with(page) == []
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
            assert wrong_with(page) == []
            page.keyboard.press("Escape")
            assert page.locator("details.pop[open]").count() == 0


@pytest.mark.parametrize("width", [1280, 760, 360])
def test_the_panel_of_a_last_row_is_seen_whole(looking_at: Look, width: int) -> None:
    with looking_at(width=width) as page:
        for path, button in (("/queues", "Pause"), ("/failures", "Forget")):
            page.goto(path)
            page.locator("table summary", has_text=button).last.click()
            for part in page.locator("details[open] .panel > *").all():
                assert part.evaluate(ON_TOP), (path, part.inner_text())


WATCH_FOR_SHIFTS = """
window.shifts = [];
new PerformanceObserver(list => list.getEntries().forEach(shift => shift.sources.forEach(moved => {
    if (moved.node.nodeName !== "#text") window.shifts.push(`${moved.node.nodeName} ${moved.node.className}`);
}))).observe({type: "layout-shift", buffered: true});
"""
"""A figure that gets longer is no shift of anything else."""

DRAWN = "() => new Promise(seen => requestAnimationFrame(() => requestAnimationFrame(seen)))"


def test_what_changes_is_seen_without_reloading_and_nothing_else_moves(looking_at: Look, database: str) -> None:
    with looking_at() as page, psycopg.connect(database, autocommit=True) as tx:
        page.add_init_script(WATCH_FOR_SHIFTS)
        page.clock.install()
        page.goto("/")
        page.evaluate("window.shifts = []; window.before = document.querySelector('#live h1')")
        tx.execute("DELETE FROM forecourt.ready WHERE queue = 'high' AND id % 2 = 0")
        page.clock.run_for(A_ROUND)
        page.get_by_role("link", name="602", exact=True).wait_for(timeout=20_000)
        assert page.evaluate("window.shifts") == []
        assert page.evaluate("window.before === document.querySelector('#live h1')"), (
            "what stays the same is not made anew"
        )


@pytest.mark.parametrize("width", [1280, 360])
def test_no_page_moves_while_it_is_asked_again(looking_at: Look, database: str, width: int) -> None:
    moved: dict[str, list[str]] = {}
    with looking_at(width=width) as page, psycopg.connect(database, autocommit=True) as tx:
        page.add_init_script(WATCH_FOR_SHIFTS)
        page.clock.install()
        for path in PAGES:
            page.goto(path)
            if page.locator("#live[hx-get]").count():
                page.evaluate("window.shifts = []")
                tx.execute("DELETE FROM forecourt.ready WHERE id = (SELECT max(id) FROM forecourt.ready)")
                with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true") as answer:
                    page.clock.run_for(A_ROUND)
                assert answer.value.status in (200, 304), path
                page.evaluate(DRAWN)
                moved[path] = page.evaluate("window.shifts")
    assert {path: shifts for path, shifts in moved.items() if shifts} == {}
    assert len(moved) > len(PAGES) / 2


def test_what_is_open_stays_as_it_is_until_it_is_closed(looking_at: Look, database: str) -> None:
    with looking_at() as page, psycopg.connect(database, autocommit=True) as tx:
        page.clock.install()
        page.goto("/queues")
        page.locator("summary", has_text="Pause").first.click()
        page.get_by_label("Why").first.fill("half a sentence")
        tx.execute("DELETE FROM forecourt.ready WHERE queue = 'high' AND id % 2 = 0")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.run_for(3 * A_ROUND)
        assert asked == []
        assert page.get_by_label("Why").first.input_value() == "half a sentence"
        page.keyboard.press("Escape")
        page.locator("h1").click()
        page.clock.run_for(A_ROUND)
        page.get_by_role("link", name="602", exact=True).wait_for(timeout=20_000)


def leads_to(page: Any, key: str, path: str) -> None:
    """Waits until `g` and `key` lead to `path`. The second has a second and a half, which a busy
    machine may need for itself.
    """
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


def test_a_row_is_selected_and_what_is_selected_is_retried_by_keys(looking_at: Look) -> None:
    with looking_at() as page:
        page.goto("/calls?state=failed")
        for key in "jjx":
            page.keyboard.press(key)
        assert page.locator("tbody input[type=checkbox]").nth(1).is_checked()
        assert page.locator("tbody input[type=checkbox]:checked").count() == 1
        page.keyboard.press("r")
        page.get_by_role("status").filter(has_text="is ready again").wait_for(timeout=20_000)


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


@pytest.mark.parametrize(
    "shown", [{"width": 1280}, {"width": 360, "dark": True, "language": "ar"}], ids=["desk", "phone, Arabic"]
)
def test_without_script_every_page_can_be_read(looking_at: Look, shown: dict[str, Any]) -> None:
    with looking_at(script=False, **shown) as page:
        for path in PAGES:
            page.goto(path)
            assert page.locator("h1, h2").first.is_visible(), path
            assert page.locator(".with-script:visible").count() == 0, path
            assert page.evaluate(INSIDE) <= 0, path


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


def test_the_language_is_switched_on_the_page_and_everything_is_mirrored(looking_at: Look) -> None:
    with looking_at() as page:
        page.goto("/queues/high")
        assert page.locator(".logo").bounding_box()["x"] < 300
        page.get_by_role("button", name="العربية").click()
        page.wait_for_url("**/queues/high")
        assert page.locator(".logo").bounding_box()["x"] > 900
        page.locator("summary", has_text="أوقف").click()
        box = page.locator("form.panel").first.bounding_box()
        assert box["x"] > 600, "a panel opens under its button, to the end of the line"
        assert box["x"] + box["width"] <= 1280
        page.keyboard.press("g")
        page.keyboard.press("c")
        page.wait_for_url("**/calls")
        assert page.get_by_role("heading", name="الاستدعاءات").is_visible()
