"""What was handed over, line by line: every task, job, command, option and endpoint of the
reference exists here.
"""

from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.orm import Session

from fleet import Process
from forecourt.cli import forecourt
from forecourt.database import engine, in_transaction_of
from forecourt.marketplace.app import app
from forecourt.marketplace.business import DEFAULTS
from forecourt.schedule.clock import Clock
from forecourt.store import tick_history

PART_7 = {
    "Expire Sponsored | Daily | 00:01": ("expire_sponsored_listings", "Daily at 00:01", "1 0 * * *"),
    "Expire Featured | Daily | 00:02": ("expire_featured_listings", "Daily at 00:02", "2 0 * * *"),
    "Aggregate Analytics | Daily | 02:00": ("aggregate_daily_analytics", "Daily at 02:00", "0 2 * * *"),
    "Archive Analytics | Monthly | 1st @ 03:00": ("archive_old_analytics", "1st of the month at 03:00", "0 3 1 * *"),
    "Cleanup Soft Deleted | Daily | 04:00": ("cleanup_soft_deleted", "Daily at 04:00", "0 4 * * *"),
    "Generate Sitemap | Daily | 05:00": ("generate_sitemap", "Daily at 05:00", "0 5 * * *"),
    "Low Wallet Notification | Weekly | Mon @ 09:00": ("notify_low_wallet_balance", "Mondays at 09:00", "0 9 * * 1"),
}

PART_8 = {
    "IncrementViewsCount | Medium | 30s | 3": ("increment_views_count", "medium", 30, 3),
    "ProcessCarImages | High | 120s | 2": ("process_car_images", "high", 120, 2),
    "SendSponsorshipExpiredNotification | Low | 30s | 3": ("send_sponsorship_expired_notification", "low", 30, 3),
}

COMMANDS = {
    "schedule:run": ["schedule", "run"],
    "schedule:list": ["schedule", "list"],
    "schedule:work": ["schedule", "work"],
    "schedule:test": ["schedule", "test"],
    "queue:work": ["queue", "work"],
    "queue:failed": ["queue", "failed"],
    "queue:retry": ["queue", "retry"],
    "queue:flush": ["queue", "flush"],
    "queue:forget": ["queue", "forget"],
    "queue:clear": ["queue", "clear"],
    "analytics:archive-old": ["analytics", "archive"],
    "sitemap:generate": ["sitemap", "generate"],
    "redis-cli llen": ["queue", "size"],
}


@pytest.mark.parametrize("line", PART_7)
def test_part_7_every_task_is_due_when_the_table_says(line: str) -> None:
    name, sentence, cron = PART_7[line]
    task = app.timetable[name]
    assert (task.sentence, str(task.cron)) == (sentence, cron)
    assert task.one_server
    assert not task.may_overlap


@pytest.mark.parametrize("line", PART_7)
def test_part_7_every_task_does_its_duty_on_an_empty_marketplace(line: str, session: Session) -> None:
    """The duty itself is tested beside its module; here: it runs as the timetable calls it, and
    says what it did in numbers.
    """
    task: Any = app.timetable[PART_7[line][0]]
    args = task.args | ({"session": session} if task.job.takes else {})
    result = task.job(**args)
    assert result
    assert all(isinstance(number, int) for number in result.values())


@pytest.mark.parametrize("line", PART_8)
def test_part_8_every_job_has_the_queue_timeout_and_tries_of_the_table(line: str) -> None:
    name, queue, timeout, tries = PART_8[line]
    policy = app.jobs[name].policy
    assert (policy.queue, policy.timeout, policy.tries) == (queue, timeout, tries)


def test_part_3_the_views_job_backs_off_10_30_60() -> None:
    backoff = app.jobs["increment_views_count"].policy.backoff
    assert backoff is not None
    assert [backoff.after(attempt) for attempt in (1, 2, 3)] == [10, 30, 60]


def test_part_8_high_goes_before_medium_before_low() -> None:
    assert app.queues[:3] == ("high", "medium", "low")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists_here(command: str) -> None:
    result = CliRunner().invoke(forecourt, [*COMMANDS[command], "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("option", ["--sleep", "--tries", "--max-time", "--queue", "--timeout", "--memory", "--once"])
def test_part_5_every_option_of_queue_work_exists_here(option: str) -> None:
    assert option in CliRunner().invoke(forecourt, ["queue", "work", "--help"]).output


def test_part_2_the_archive_keeps_180_days_unless_told_otherwise() -> None:
    assert "180" in CliRunner().invoke(forecourt, ["analytics", "archive", "--help"]).output
    assert app.timetable["archive_old_analytics"].args == {}
    assert DEFAULTS.archive_days == 180


def test_part_2_the_archive_asks_before_it_deletes_and_refuses_without_a_terminal(session: Session) -> None:
    session.execute(
        text("INSERT INTO car_listing_analytics (car_listing_id, event_type, user_ip, created_at)"
             " VALUES (1, 'view', '192.0.2.1', now() - interval '200 days')")
    )  # fmt: skip
    session.commit()
    marketplace = "forecourt.marketplace.app:app"
    refused = Process("analytics", "archive", app=marketplace)
    assert refused.wait() == 4
    assert "This will delete 1 analytics records. Continue?" in refused.said()
    done = Process("analytics", "archive", "--yes", app=marketplace)
    assert done.wait() == 0, done.said()
    assert "Successfully archived and deleted 1 analytics records." in done.said()
    again = Process("analytics", "archive", app=marketplace)
    assert again.wait() == 0
    assert "No old analytics to archive." in again.said()


def test_part_6_the_heartbeat_comes_every_minute(session: Session) -> None:
    assert app.timetable["heartbeat"].sentence == "Every minute"
    clock = Clock(app.timetable, engine(), environment="local")
    clock.begin(datetime(2026, 11, 23, 10, 0, tzinfo=UTC))
    clock.run_once(datetime(2026, 11, 23, 10, 1, tzinfo=UTC))
    [tick] = tick_history.history(in_transaction_of(session), task="heartbeat")
    assert (tick.status, tick.due_at) == ("enqueued", datetime(2026, 11, 23, 10, 1, tzinfo=UTC))


def test_part_10_the_views_job_counts_one_view(session: Session) -> None:
    """The reference's own test: dispatch, assert that it was pushed, work once, assert that the
    count went up.
    """
    session.execute(text("INSERT INTO users (name) VALUES ('Owner')"))
    listing = session.scalar(
        text("INSERT INTO car_listings (owner_id, title, slug) SELECT id, 'Car', 'car' FROM users RETURNING id")
    )
    session.commit()
    app.jobs["increment_views_count"].dispatch(listing_id=listing)
    assert session.scalar(text("SELECT count(*) FROM forecourt.ready WHERE job = 'increment_views_count'")) == 1
    process = Process("queue", "work", "--once", app="forecourt.marketplace.app:app")
    assert process.wait() == 0, process.said()
    assert session.scalar(text("SELECT views_count FROM car_listings WHERE id = :id"), {"id": listing}) == 1
