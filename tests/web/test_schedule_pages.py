"""The timetable, its tasks, the queues, the workers and the night, as pages."""

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest

from forecourt.marketplace.timetable import timetable
from forecourt.schedule.rules import Hooks, Ping
from forecourt.schedule.task import Task
from forecourt.store import pings, stored_tasks
from forecourt.store.stored_tasks import StoredTask


def test_the_timetable_says_when_each_task_is_due_and_how_it_went(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get("/schedule").text
    assert f"{len(timetable)} tasks on the timetable" in page
    assert "The clock was heard of" in page
    assert "Mondays at 09:00" in page
    assert 'aria-label="The last 30 runs: 29 succeeded, 1 failed"' in page
    assert page.count(">Run now<") == len(timetable)


def test_a_timetable_without_a_clock_says_how_to_start_one(pages: httpx.Client) -> None:
    page = pages.get("/schedule").text
    assert "No clock has ever run" in page
    assert "forecourt schedule work" in page
    assert "never ran" in page


def test_a_task_shows_its_next_due_times_and_its_runs(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get("/schedule/cleanup_soft_deleted").text
    assert "Daily at 04:00" in page
    assert "No space left on device" in page
    assert len(re.findall(r"\d\d:\d\d UTC</time>", page)) == 4
    assert "forecourt schedule explain cleanup_soft_deleted" in page
    assert "its clock does not change within a day" in page
    asked = pages.get("/schedule/cleanup_soft_deleted?at=2026-11-24T04:30")
    assert "is not due" in asked.text
    assert pages.get("/schedule/cleanup_soft_deleted?at=tonight").status_code == 400


def test_a_task_shows_how_long_it_takes_what_did_not_run_and_what_its_last_run_wrote(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    tx.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status, why, finished_at) VALUES"
        " ('generate_sitemap', now() - interval '50 min', 'missed', 'no clock ran', now()),"
        " ('generate_sitemap', now() - interval '40 min', 'skipped', 'the run of 02:00 waits for a worker: call 7', now()),"
        " ('generate_sitemap', now() - interval '30 min', 'skipped', 'the schedule is paused by anna', now())"
    )
    [call] = tx.execute(
        'UPDATE forecourt.done SET history = \'[{"outcome": "Finished", "log": ["4,112 addresses", "<b>done</b>"]}]\''
        " WHERE id = %s RETURNING id",
        (scene["done"],),
    ).fetchone()
    tx.execute(
        "UPDATE forecourt.ticks SET call_id = %s WHERE task = 'generate_sitemap' AND output IS NOT NULL", (call,)
    )
    page = pages.get("/schedule/generate_sitemap").text
    assert "1 missed, 1 skipped as a run was under way, 1 skipped for other reasons, since" in page
    assert "5.0 s usually, 95 % within 7.0 s, 7.0 s at most" in page
    assert page.count("<line ") == 2
    assert f'{call}</a> <bdi class="soft">night-1</bdi>' in page
    assert re.search(r'aria-label="How long the last \d+ runs took"', page)
    assert re.search(r"where it is \d\d:\d\d now", page)
    assert "4,112 addresses\n&lt;b&gt;done&lt;/b&gt;" in page


def test_a_task_run_by_hand_says_by_whom_and_monitors_are_told_without_what_is_secret(
    pages: httpx.Client, post: Callable[..., str], tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = post("/schedule/trigger", task="generate_sitemap", back="/schedule/generate_sitemap")
    assert re.search(r'<a href="/calls/\d+">generate_sitemap is entered as call \d+', page)
    assert "by hand: this machine (web)</span>" in page
    monkeypatch.setattr(Task, "hooks", Hooks(on_success=(Ping("https://anna:pw@hc.example/abc-secret?k=1"),)))
    page = pages.get("/schedule/generate_sitemap").text
    assert "https://hc.example</bdi>" in page
    assert "no ping sent yet" in page
    for error in (None, "HTTP 404"):
        pings.record(tx, "generate_sitemap", "https://hc.example", "succeeded", error)
        page = pages.get("/schedule/generate_sitemap").text
        assert ("✓ answered" in page, "HTTP 404" in page) == (error is None, error is not None)
    assert "secret" not in page


def test_a_due_time_near_which_the_clock_of_its_zone_changes_is_warned_of(
    pages: httpx.Client, tx: psycopg.Connection
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    eve, day = datetime.now(zone).replace(hour=12), timedelta(days=1)
    while (eve + day).utcoffset() == eve.utcoffset():
        eve += day
    stored_tasks.add(tx, StoredTask("nightly", "heartbeat", {}, f"{eve + day:30 2 %d %m *}", zone.key), "{}", "anna")
    stored_tasks.add(tx, StoredTask("by day", "heartbeat", {}, "0 12 15 6 *", zone.key), "{}", "anna")
    assert "The clock in Europe/Berlin changes near" in pages.get("/schedule/nightly").text
    assert "The clock in Europe/Berlin changes" not in pages.get("/schedule/by%20day").text


def test_a_task_that_is_gone_says_when_it_was_last_due(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    tx.execute("UPDATE forecourt.ticks SET task = 'old_duty' WHERE task = 'heartbeat'")
    page = pages.get("/schedule/old_duty")
    assert (page.status_code, "is not on the timetable any more; its last due time was" in page.text) == (404, True)


def test_a_task_that_waits_for_a_worker_says_so(pages: httpx.Client, tx: psycopg.Connection) -> None:
    tx.execute(
        "WITH entered AS (INSERT INTO forecourt.ready (job, queue) VALUES ('generate_sitemap', 'default') RETURNING id)"
        " INSERT INTO forecourt.ticks (task, due_at, status, call_id)"
        " SELECT 'generate_sitemap', date_trunc('second', now()) - interval '2 minutes', 'enqueued', id FROM entered"
    )
    assert "waits for a worker" in pages.get("/schedule/generate_sitemap").text


def test_queues_show_what_waits_and_who_serves_them(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get("/queues").text
    order = re.findall(r'<td class="k"><a href="/queues/(\w+)"', page)
    assert order[:4] == ["high", "medium", "low", "default"]
    page = pages.get("/queues/high").text
    assert "is 4 min behind" in page
    assert "3 workers serve it" in page
    assert "BadPicture" in page


def test_a_queue_that_nobody_serves_says_how_to_serve_it(pages: httpx.Client, tx: psycopg.Connection) -> None:
    tx.execute("INSERT INTO forecourt.ready (job, queue) VALUES ('j', 'a/b c')")
    page = pages.get("/queues").text
    assert 'href="/queues/a%2Fb%20c"' in page
    page = pages.get("/queues/a%2Fb%20c").text
    assert "has no worker" in page
    assert "forecourt queue work --queue &#39;a/b c&#39;" in page


def test_the_queues_say_how_much_fails_how_busy_their_slots_are_and_who_paused_one_and_why(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    tx.execute(
        "INSERT INTO forecourt.pauses (kind, name, who, why) VALUES ('queue', 'low', 'omar (web)', 'the mail moves')"
    )
    tx.execute("DELETE FROM forecourt.minutes WHERE queue = 'low'")
    tx.execute(
        "INSERT INTO forecourt.minutes (minute, worker, queue, job, finished, failed, run_buckets, wait_buckets)"
        " VALUES (date_trunc('minute', now()), 1, 'low', 'j', 39, 1, '{}', '{}')"
    )
    tx.execute("UPDATE forecourt.workers SET quiet = true WHERE host = 'night-2'")
    tx.execute("UPDATE forecourt.workers SET busy = 1 WHERE host = 'night-3'")
    page = pages.get("/queues").text
    low = page.partition('href="/queues/low"')[2].partition("</tr>")[0]
    assert re.search(r"By omar \(web\) since \d\d:\d\d:\d\d: <bdi>the mail moves</bdi>", low)
    assert "2 workers" in low, "one that is quiet serves no queue"
    assert "5 of 8 busy" in low
    assert "2.5 % failed" in low
    assert "failed" not in page.partition('href="/queues/default"')[2].partition("</tr>")[0].replace(
        "failed in 24 h", ""
    )
    assert "2.5 %" in pages.get("/queues/low").text


def test_counts_stop_where_nobody_waits_for_more(pages: httpx.Client, tx: psycopg.Connection) -> None:
    tx.execute("INSERT INTO forecourt.ready (job, queue) SELECT 'j', 'deep' FROM generate_series(1, 100001)")
    assert ">100,000+<" in pages.get("/queues").text
    assert ">10,000+<" in pages.get("/calls").text


def test_workers_show_what_each_runs_and_since_when(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get("/workers").text
    assert "3 workers, 12 of 12 slots busy" in page
    assert page.replace('<wbr class="narrow-only">', "").count("<code>process_car_images</code>") == 12
    assert "photo 5 of 8" in page


def test_a_silent_worker_is_told_from_a_live_one(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    tx.execute("UPDATE forecourt.workers SET beat_at = now() - interval '40 seconds' WHERE host = 'night-2'")
    assert pages.get("/workers").text.count("silent for 40 s") == 1


def test_the_night_tells_each_duty_beside_its_history(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get("/night").text
    assert "The night of" in page
    for duty in ("expire_sponsored_listings", "generate_sitemap", "heartbeat"):
        assert f'href="/schedule/{duty}"' in page
    assert "usually" in page


def test_an_earlier_night_is_told_as_it_was(pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]) -> None:
    failed = tx.execute("SELECT due_at FROM forecourt.ticks WHERE status = 'failed'").fetchone()[0]
    page = pages.get("/night", params={"date": str(failed.date())}).text
    assert "No space left on device" in page
    assert f'href="/night?date={failed.date() - timedelta(days=1)}"' in page


def test_of_a_night_of_many_duties_what_is_not_well_is_shown_first_and_all_on_request(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecourt.web.pages.night.A_PAGE", 2)
    failed = tx.execute("SELECT due_at FROM forecourt.ticks WHERE status = 'failed'").fetchone()[0]
    page = pages.get("/night", params={"date": str(failed.date())}).text
    assert "No space left on device" in page
    assert "2 shown" in page
    assert len(set(re.findall(r'href="/schedule/(\w+)"', page))) == 2
    [everything] = re.findall(r'href="(/night[^"]*)">Show all of them', page)
    whole = pages.get(html.unescape(everything)).text
    assert "No space left on device" in whole
    assert {"cleanup_soft_deleted", "generate_sitemap", "expire_sponsored_listings"} <= set(
        re.findall(r'href="/schedule/(\w+)"', whole)
    )
    assert "Show all of them" not in whole


def test_a_date_that_is_none_is_named(pages: httpx.Client) -> None:
    for text, status in (("yesterday", 400), ("0001-01-01", 404), ("9999-12-31", 404)):
        assert pages.get("/night", params={"date": text}).status_code == status
