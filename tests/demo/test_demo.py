"""The demo: the same marketplace each time, work for every night, and a report that tells the
truth.
"""

import re
import signal
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from fleet import Looking, wait_until
from forecourt.database import session as transaction
from forecourt.demo.display import Lines
from forecourt.demo.night import pass_night
from forecourt.demo.render import render
from forecourt.demo.report import report_on
from forecourt.demo.seed import NotTheDemos, Scale, begin_night, require_ours, seed
from forecourt.demo.timetable import tonight, usual
from forecourt.demo.ways_in import VISITORS
from forecourt.marketplace.analytics import aggregate_daily_analytics
from forecourt.marketplace.archive import archive_old_analytics
from forecourt.marketplace.placements import expire_featured_listings, expire_sponsored_listings
from forecourt.marketplace.trash import cleanup_soft_deleted
from forecourt.marketplace.wallets import notify_low_wallet_balance
from forecourt.settings import settings
from forecourt.store import performance
from serving import HTML

TINY = Scale(blocks=2, days=6, events=600)
SMALL = Scale(blocks=2, days=184, events=3_680, views=600, photo_sets=3)

# Every instant counts back from when the marketplace was made; today's events depend on how old the
# day is.
MARKETPLACE = """
SELECT array(SELECT (name, email, phone, locale, timezone)::text FROM users ORDER BY id),
       array(SELECT (name, user_id, wallet_balance, low_wallet_notified_at - made_at, is_verified, is_active)::text
             FROM car_providers ORDER BY id),
       array(SELECT (owner_id, car_provider_id, title, slug, price, views_count, is_available, is_hidden, is_sponsored,
                     sponsored_until - made_at, is_featured, featured_until - made_at, featured_position,
                     updated_at - made_at, deleted_at - made_at, photos)::text
             FROM car_listings ORDER BY id),
       array(SELECT (car_listing_id, event_type, user_ip, made_at::date - created_at)::text
             FROM car_listing_analytics WHERE created_at < made_at::date ORDER BY created_at, id),
       array(SELECT stats::text FROM car_listing_daily_stats AS stats ORDER BY date, car_listing_id)
FROM demo.marketplace
"""
VIEWS = "SELECT sum(views_count)::bigint FROM car_listings"
VIEWS_AND_WAITING = """
SELECT (SELECT sum(views_count)::bigint FROM car_listings)
     + (SELECT count(*) FROM forecourt.ready WHERE job = 'increment_views_count')
     + (SELECT count(*) FROM forecourt.running WHERE job = 'increment_views_count')
     + (SELECT count(*) FROM forecourt.scheduled WHERE job = 'increment_views_count')
"""
CLEAR = """
DROP SCHEMA demo CASCADE;
TRUNCATE users, car_providers, car_listings, car_listing_analytics, car_listing_daily_stats, analytics_days,
    analytics_late_days RESTART IDENTITY CASCADE
"""


def marketplace(looking: Looking) -> tuple[Any, ...]:
    looking.connection.execute("SET timezone = 'UTC'")
    return looking.rows(MARKETPLACE)[0]


def test_the_marketplace_is_the_same_each_time_it_is_made(looking: Looking) -> None:
    assert seed(TINY)
    first = marketplace(looking)
    assert [len(rows) for rows in first[:3]] == [24, 16, 400]
    for statement in CLEAR.split(";"):
        looking.connection.execute(statement.encode())
    assert seed(TINY)
    assert marketplace(looking) == first


def test_making_it_twice_changes_nothing(looking: Looking) -> None:
    assert seed(TINY)
    made = marketplace(looking)
    assert not seed(TINY)
    assert marketplace(looking) == made


def test_it_has_people_who_read_arabic_and_addresses_that_need_encoding(looking: Looking) -> None:
    seed(TINY)
    assert dict(looking.rows("SELECT locale, count(*) > 0 FROM users GROUP BY locale")) == {"en": True, "ar": True}
    for pattern in ("[؀-ۿ]", "&", "^[a-z0-9-]+$"):
        assert looking.one("SELECT count(*) FROM car_listings WHERE slug ~ %s", pattern) > 0, pattern


def test_all_but_the_latest_days_are_rolled_up_and_none_is_owed_for_coming_late(looking: Looking) -> None:
    seed(Scale(blocks=1, days=30, events=600))
    assert looking.one("SELECT count(*) FROM car_listing_analytics") == 600
    assert looking.one("SELECT (now() AT TIME ZONE 'UTC')::date - max(date) FROM analytics_days") == 4
    assert looking.one("SELECT sum(total_events) FROM car_listing_daily_stats") == 26 * 20
    late = looking.rows("SELECT (now() AT TIME ZONE 'UTC')::date - day FROM analytics_late_days")
    assert {days for (days,) in late} <= {1}


def test_each_night_brings_every_duty_new_work(looking: Looking) -> None:
    seed(SMALL)
    for _night in range(3):
        begin_night(SMALL)
        worked = archive_old_analytics(days=180)
        assert worked["events"] > 0
        with transaction() as tx:
            assert expire_sponsored_listings(session=tx)["notifications"] > 0
            assert expire_featured_listings(session=tx)["expired"] > 0
            assert notify_low_wallet_balance(session=tx)["notified"] > 0
            assert cleanup_soft_deleted(session=tx)["files"] > 0
        with transaction() as tx:
            assert aggregate_daily_analytics(session=tx)["days"] > 0


def test_a_database_with_other_data_is_refused_and_left_alone(looking: Looking) -> None:
    looking.connection.execute("INSERT INTO users (name, email) VALUES ('Somebody', 'somebody@example.org')")
    with pytest.raises(NotTheDemos, match="1 users and 0 listings that the demo did not make"):
        require_ours()
    done = command("demo")
    assert done.returncode == 4, done.stderr
    assert "Unset FORECOURT_DATABASE_URL" in done.stderr
    assert looking.one("SELECT to_regnamespace('demo') IS NULL")


def test_where_a_worker_runs_already_the_demo_waits_for_another_time(looking: Looking) -> None:
    looking.connection.execute(
        "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks)"
        " VALUES ('elsewhere', '', 1, '', 1, '{high}', '0', '')"
    )
    done = command("demo")
    assert done.returncode == 75, done.stderr
    assert "worker 1 on elsewhere" in done.stderr
    assert looking.one("SELECT count(*) FROM users") == 0


def test_tonight_has_the_same_tasks_jobs_and_arguments_all_due_at_one_minute() -> None:
    night = list(tonight("23:59"))
    assert [(task.name, task.job, task.args) for task in night] == [(task.name, task.job, task.args) for task in usual]
    assert {(str(task.cron), task.zone.key) for task in night} == {("59 23 * * *", "UTC")}


def test_a_small_night_goes_as_promised_and_its_report_is_true(looking: Looking, web_address: str) -> None:
    told = Console(file=StringIO(), width=120)
    night = pass_night(SMALL, Lines(told))
    report = report_on(night)
    story = told.file.getvalue()  # type: ignore[attr-defined]
    assert report.off == (), story + logs()

    assert [line.task for line in report.tasks] == [task.name for task in usual]
    assert {line.status for line in report.tasks} == {"succeeded"}
    assert {line.due for line in report.tasks} == {night.due}
    ticks = looking.rows("SELECT task, due_at, finished_at - started_at FROM forecourt.ticks")
    assert sorted(ticks) == sorted((line.task, line.due, timedelta(seconds=line.seconds or 0)) for line in report.tasks)

    # The engine counts by the minute, the report counts rows: two sources that must agree.
    with transaction() as tx:
        minutes = performance.by_job(tx.connection().connection.driver_connection, timedelta(hours=2))
    counted = {row.job: (row.well, row.retried, row.failed) for row in minutes}
    for line in report.jobs:
        assert counted.pop(line.job) == (line.done, line.retried, line.failed)
    assert set(counted) == {task.name for task in usual}

    assert report.views_sent == report.views_counted == SMALL.views + VISITORS + 1
    assert looking.one("SELECT count(*) FROM forecourt.done WHERE job = 'increment_views_count'") == SMALL.views
    assert looking.one("SELECT count(*) FROM forecourt.done WHERE job = 'process_car_images'") == SMALL.photo_sets + 1
    failed = looking.rows("SELECT job, error, attempts FROM forecourt.failed ORDER BY job")
    assert failed == [
        ("ask_silent_registry", "TimedOut", 1),
        ("charge_expired_card", "forecourt.demo.jobs.CardExpired", 2),
    ]
    (before, after) = looking.rows("SELECT pid, count(*) FROM demo.steps GROUP BY pid ORDER BY min(step)")
    killed = next(incident.words for incident in report.incidents if incident.job == "walk_the_lot")
    assert killed.startswith(f"slot {before[0]} was killed with SIGKILL after {before[1]} of 8 steps")
    assert f"in slot {after[0]} went on at step {before[1] + 1}" in killed
    assert f"slot {before[0]} is killed with SIGKILL" in story

    events, photo, rehearsal, ended = report.arrivals
    assert events.became == "43 kept, 1 of a messenger, which is no view; HTTP answered: 2 recorded, 0 of programs"
    assert photo.became.endswith("-preview.jpg")
    assert "1 would be new, 1 is there; line 4: price: 'cheap' is not a number" in rehearsal.became
    assert "its owner is told" in ended.became
    assert looking.one("SELECT count(*) FROM car_listings WHERE slug LIKE 'kia-rio-from-a-file'") == 0
    assert looking.count("tokens") == 0

    mails = list(settings().outbox.glob("*.eml"))
    assert (
        len(mails)
        == looking.one("SELECT count(DISTINCT message_id) FROM notifications WHERE mail_status = 'filed'")
        > 0
    )
    archived = sum(looking.rows("SELECT rows FROM analytics_archives"), ())
    assert next(place.figures for place in report.places if place.what == "archive").startswith(
        f"{sum(archived)} events"
    )
    assert len(list(settings().archive.rglob("*.parquet"))) == len(archived)
    assert (settings().public / "sitemap.xml").read_text().count("<url>") == looking.one(
        "SELECT urls FROM sitemap_runs"
    )

    assert looking.count("workers") == 0
    paper = Console(file=StringIO(), width=120)
    render(report, paper, 60)
    printed = paper.file.getvalue()  # type: ignore[attr-defined]
    for words in (*(task.name for task in usual), "Views counted: 641 of 641 sent", "forecourt up", "All as promised"):
        assert words in printed
    assert max(map(len, printed.splitlines())) <= 120

    # It ends with the address of the page that shows this night, by whatever application is up.
    page = printed.split()[-1].replace("http://127.0.0.1:8000", web_address)
    shown = re.sub(r"<[^>]+>", " ", httpx.get(page, headers=HTML).raise_for_status().text)
    for line in report.tasks:
        assert line.task in shown
    assert f"{looking.one('SELECT urls FROM sitemap_runs'):,}" in shown, "what the sitemap's duty did"
    assert f"{night.due:%H:%M}" in shown

    mails[0].unlink()
    looking.connection.execute("UPDATE car_listings SET views_count = views_count + 1 WHERE id = 1")
    looking.connection.execute("UPDATE forecourt.ticks SET status = 'failed', why = 'no disk' WHERE task = 'heartbeat'")
    looking.connection.execute("DELETE FROM forecourt.failed WHERE job = 'charge_expired_card'")
    assert [line.partition(",")[0] for line in report_on(night).off] == [
        "heartbeat: failed no disk",
        "642 views were counted",
        f"call {night.sent.charge} of charge_expired_card is nowhere",
        f"1 file missing in {settings().outbox}",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_night_that_is_broken_off_leaves_no_process_behind_and_loses_no_view(
    number: signal.Signals, looking: Looking
) -> None:
    scale = "Scale(blocks=1, days=5, events=50, views=40_000, photo_sets=1)"
    program = (
        "from rich.console import Console; from forecourt.demo.display import Lines; from forecourt.demo.seed import Scale;"
        f"from forecourt.demo.night import pass_night; pass_night({scale}, Lines(Console()))"
    )
    seed(Scale(blocks=1, days=5, events=50))
    before = looking.one(VIEWS)
    night = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert night.stdout is not None
    with night.stdout as story:
        said = ""
        while "photo sets are sent" not in said:
            line = story.readline()
            assert line, said + logs()
            said += line
        left = children(night.pid)
        assert len(left) >= 2
        night.send_signal(number)
        story.read()
    assert night.wait(40) != 0
    wait_until(lambda: not any(map(runs, left)), 10, "the end of clock, worker and slots")
    assert looking.one(VIEWS_AND_WAITING) == before + 40_000


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "forecourt", *words], capture_output=True, text=True, timeout=60)


def logs() -> str:
    return "\n".join(log.read_text() for log in sorted((settings().var / "demo").glob("*.log")))


def children(pid: int) -> set[int]:
    """All that descend from a process now."""
    parents = {
        int(stat.parent.name): parent for stat in Path("/proc").glob("[0-9]*/stat") if (parent := parent_in(stat))
    }
    found: set[int] = set()
    generation = {pid}
    while generation:
        generation = {child for child, parent in parents.items() if parent in generation}
        found |= generation
    return found


def parent_in(stat: Path) -> int:
    """The parent's process id; 0 when the process is gone, or only its remains."""
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[1])


def runs(pid: int) -> bool:
    return parent_in(Path(f"/proc/{pid}/stat")) != 0
