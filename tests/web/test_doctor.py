"""Each check of the house fails for real: what is wrong is made so, found, and told with what to
do.
"""

import json
import os
import threading
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import CliRunner

import workshop
from forecourt import Forecourt, Timetable
from forecourt.app import load
from forecourt.cli import forecourt
from forecourt.database.revision import needed
from forecourt.database.schema import revisions
from forecourt.doctor import database as database_checks
from forecourt.doctor import lateness, place, work
from forecourt.doctor.check import House, Result
from forecourt.doctor.examination import CHECKS, examine, worst
from forecourt.durations import duration
from forecourt.ladder import Ladder
from forecourt.settings import settings
from forecourt.store import retention, tasks


@pytest.fixture
def house(tx: psycopg.Connection) -> House:
    """An empty house with the marketplace as its application."""
    return House(tx, load("forecourt.marketplace.app:app"), tx.execute("SELECT now()").fetchone()[0])


def found(house: House, name: str) -> Result:
    return next(result for result in examine(house) if result.name == name)


def make_well(tx: psycopg.Connection) -> None:
    """Whatever the disk of the machine that runs the tests."""
    with tx.transaction():
        retention.keep_partitions(tx, ahead=2, days=7)
    tx.execute(
        "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks)"
        " VALUES ('h', '', 1, '', 4, '{high,medium,low,default}', '0', '')"
    )
    tasks.beat(tx, "h", heartbeat=True)
    tx.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status, finished_at) VALUES ('heartbeat', now(), 'succeeded', now())"
    )
    (settings().public).mkdir(parents=True)
    (settings().public / "sitemap.xml").touch()
    tx.execute("INSERT INTO public.sitemap_runs (urls, files, bytes) VALUES (1, 1, 1)")


def test_a_well_house_passes_every_check(house: House) -> None:
    make_well(house.tx)
    results = examine(house)
    assert [(result.name, result.found) for result in results if result.status != "ok"] == []
    assert worst(results) == "ok"
    assert len(results) >= len(CHECKS)


def test_an_empty_house_is_told_what_to_start(house: House) -> None:
    assert found(house, "workers").advice == "Start one: forecourt queue work"
    assert (
        found(house, "clock").advice
        == "Start it: forecourt schedule work. If it runs, its log says why its rounds fail."
    )
    assert found(house, "heartbeat").status == "fail"
    assert found(house, "sitemap").status == "warn"
    assert worst(examine(house)) == "fail"


def test_a_worker_that_is_silent_is_found(house: House) -> None:
    make_well(house.tx)
    house.tx.execute(
        "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks, beat_at)"
        " VALUES ('gone', '', 1, '', 4, '{low}', '0', '', now() - interval '1 minute')"
    )
    assert found(house, "workers").found == "1 alive, 1 silent for more than 30 s"


def test_a_worker_that_does_not_wait_for_the_longest_job_is_found(house: House) -> None:
    make_well(house.tx)
    assert not any(result.name == "waits at a stop" for result in examine(house)), "a worker at a terminal"
    house.tx.execute("UPDATE forecourt.workers SET shutdown_timeout = 30, stop_grace = 90")
    longest = duration(Ladder.of(house.app).job)
    assert found(house, "waits at a stop").status == "warn"
    assert found(house, "waits at a stop").found.endswith(f"on h waits 30 s, and the longest job may take {longest}")
    house.tx.execute(
        "UPDATE forecourt.workers SET shutdown_timeout = %s, stop_grace = 9000", (Ladder.of(house.app).shutdown,)
    )
    assert found(house, "waits at a stop").status == "ok"


def test_a_queue_that_is_behind_paused_or_unserved_is_found(house: House) -> None:
    make_well(house.tx)
    house.tx.execute(
        "INSERT INTO forecourt.ready (job, queue, ready_at) VALUES ('j', 'high', now() - interval '2 minutes'),"
        " ('j', 'low', now() - interval '20 minutes'), ('j', 'for gotten', now()), ('j', 'me dium', now())"
    )
    house.tx.execute("INSERT INTO forecourt.pauses (kind, name, who) VALUES ('queue', 'me dium', 'anna')")
    assert found(house, "queue high").status == "warn"
    assert found(house, "queue low").status == "fail"
    assert found(house, "queue for gotten").found == "calls wait, and nobody serves it"
    assert found(house, "queue for gotten").advice.endswith(": forecourt queue work --queue 'for gotten'")
    assert found(house, "queue me dium").found == "paused by anna"
    assert found(house, "queue me dium").advice == "forecourt queue resume 'me dium'"


def test_a_call_that_runs_on_after_its_deadline_is_found(house: House) -> None:
    house.tx.execute(
        "INSERT INTO forecourt.running (job, queue, token, worker, deadline)"
        " VALUES ('j', 'q', 1, 1, now() - interval '5 minutes')"
    )
    assert "5 min over its time" in found(house, "calls over their time").found


def test_many_failures_are_found_and_few_are_not(house: House) -> None:
    add = (
        "INSERT INTO forecourt.minutes (minute, worker, queue, job, finished, failed, run_buckets, wait_buckets)"
        " VALUES (date_trunc('minute', now()), %s, 'q', 'j', 100, %s, '{}', '{}')"
    )
    house.tx.execute(add, (1, 10))
    assert found(house, "failures").status == "ok"
    house.tx.execute(add, (2, 5))
    assert found(house, "failures").status == "warn"


def test_a_task_that_failed_or_is_paused_is_found(house: House) -> None:
    house.tx.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status, why, finished_at) VALUES"
        " ('generate_sitemap', now(), 'failed', 'no room', now()),"
        " ('cleanup_soft_deleted', now(), 'missed', 'nobody was there', now())"
    )
    house.tx.execute("INSERT INTO forecourt.pauses (kind, name, who) VALUES ('group', 'placements', 'anna')")
    assert found(house, "task generate_sitemap").status == "fail"
    assert found(house, "task cleanup_soft_deleted").status == "warn"
    assert "paused by anna" in found(house, "task expire_sponsored_listings").found
    house.tx.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status, call_id, overdue_at)"
        " VALUES ('sweep_storage', date_trunc('hour', now()), 'enqueued', 12, now())"
    )
    assert found(house, "task sweep_storage").found.startswith("not over by its deadline: call 12")


def test_a_due_time_that_is_not_looked_at_or_not_begun_is_found(house: House) -> None:
    make_well(house.tx)
    task = house.app.timetable["cleanup_soft_deleted"]
    house.tx.execute(
        "INSERT INTO forecourt.tasks (name, fingerprint, evaluated_until) VALUES (%s, %s, now() - interval '2 days')",
        (task.name, task.fingerprint),
    )
    house.tx.execute(
        "INSERT INTO forecourt.ready (id, job, queue) VALUES (7, 'generate_sitemap', 'default');"
        "INSERT INTO forecourt.ticks (task, due_at, status, call_id)"
        " VALUES ('generate_sitemap', now() - interval '330 seconds', 'enqueued', 7)"
    )
    assert "no clock has looked" in found(house, "late cleanup_soft_deleted").found
    assert found(house, "late generate_sitemap").found == "was due 5 min ago, and waits for a worker"
    house.tx.execute("UPDATE forecourt.clocks SET beat_at = now() - interval '10 minutes'")
    assert (found(house, "clock").status, found(house, "clock").found) == ("fail", "heard of 10 min ago")
    names = [result.name for result in examine(house)]
    assert "late cleanup_soft_deleted" not in names, "while the clock is stopped, that alone is said"


def test_what_jitter_puts_off_is_not_late_and_advice_can_be_typed(house: House) -> None:
    timetable = Timetable("UTC")
    with timetable.group("the night") as night:
        task = night.add(workshop.nothing, name="ask for euros").daily().jitter(86400)
    house = House(house.tx, Forecourt(timetable), house.now)
    recently = (house.now - timedelta(minutes=5, seconds=number) for number in range(1000))
    due_at = next(at for at in recently if task.delay_of(at, "") > timedelta(hours=1))
    house.tx.execute("INSERT INTO forecourt.scheduled (id, job, queue, run_at) VALUES (7, 'nothing', 'q', now())")
    house.tx.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status, call_id) VALUES (%s, %s, 'enqueued', 7)",
        (task.name, due_at),
    )
    assert [result.found for result in lateness.late(house)] == ["everything that was due has begun"]
    house.tx.execute("UPDATE forecourt.ticks SET status = 'failed', finished_at = now()")
    assert found(house, "task ask for euros").advice.endswith("forecourt schedule trigger 'ask for euros'")
    for kind, name, words in (("schedule", "", ""), ("group", "the night", " --group 'the night'")):
        house.tx.execute(
            "INSERT INTO forecourt.pauses (kind, name, who, why) VALUES (%s, %s, 'anna', '')", (kind, name)
        )
        assert found(house, "task ask for euros").advice == f"forecourt schedule resume{words}"
        house.tx.execute("DELETE FROM forecourt.pauses")


def test_a_kind_of_failure_is_new_until_it_was_seen_before(house: House) -> None:
    add = (
        "INSERT INTO forecourt.failed (job, queue, error, message, failed_at)"
        " VALUES ('greet', 'q', 'OSError', 'no room', now() - %s::interval)"
    )
    house.tx.execute(add, ("1 minute",))
    house.tx.execute(add, ("2 minutes",))
    assert found(house, "failure OSError greet").found == "new, 2 calls: no room"
    house.tx.execute(add, ("3 days",))
    assert not any(result.name.startswith("failure ") for result in examine(house, [work.new_failures]))


def test_a_queue_has_the_limit_that_the_settings_give_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    make_well(house.tx)
    house.tx.execute(
        "INSERT INTO forecourt.ready (job, queue, ready_at) VALUES ('j', 'low', now() - interval '20 minutes')"
    )
    monkeypatch.setenv("FORECOURT_QUEUE_LIMITS", "high=30, low=3600")
    settings.cache_clear()
    assert (found(house, "queue low").status, found(house, "queue low").limit) == ("ok", "1 h 0 min")


def test_duties_that_did_not_do_their_work_are_found(house: House) -> None:
    make_well(house.tx)
    house.tx.execute(
        "INSERT INTO analytics_days (date, events, aggregated_at) VALUES (now()::date - 4, 1, now());"
        "CREATE TABLE car_listing_analytics_20200101 PARTITION OF car_listing_analytics"
        " FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00');"
        "INSERT INTO mail_outages (server, until, why) VALUES ('SMTP server mail:25', now() + interval '9 s', 'refused')"
    )
    assert (found(house, "roll-up").status, found(house, "archive").status) == ("warn", "fail")
    assert found(house, "mails").found == "SMTP server mail:25 does not answer"
    house.tx.execute(
        "DELETE FROM mail_outages; UPDATE analytics_days SET date = date - 4;"
        "INSERT INTO users (id, name, email) VALUES (1, 'Anna', 'anna@cars.example');"
        "INSERT INTO notifications (user_id, kind, data, dedupe_key, mail_status, created_at)"
        " VALUES (1, 'low_balance', '{}', 'k', 'pending', now() - interval '25 hours')"
    )
    assert found(house, "mails").found == "1 mail waiting for more than a day"
    assert found(house, "roll-up").status == "fail"


def test_an_old_schema_is_found(house: House) -> None:
    house.tx.execute("UPDATE forecourt.schema_version SET version_num = %s", (revisions()[0],))
    assert found(house, "schema").advice == "forecourt db migrate"
    house.tx.execute("UPDATE forecourt.schema_version SET version_num = '9999'")
    assert found(house, "schema").status == "warn"


def test_of_an_empty_database_only_that_is_said(house: House) -> None:
    house.tx.execute("DROP SCHEMA forecourt CASCADE")
    assert [result.name for result in examine(house) if result.status == "fail"] == ["schema"]
    assert found(house, "schema").found == f"at nothing, this code needs {needed()}"
    assert found(house, "schema").advice == "forecourt db migrate"


def test_a_missing_partition_is_found(house: House) -> None:
    assert found(house, "partitions of done").status == "warn"
    house.tx.execute(
        "DO $$ DECLARE p text; BEGIN FOR p IN SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'car_listing_analytics'::regclass LOOP EXECUTE 'DROP TABLE ' || p; END LOOP; END $$"
    )
    assert found(house, "partitions of events").status == "warn"


def test_a_transaction_that_is_open_for_long_is_found(
    house: House, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_checks, "LONG_TRANSACTION", 0.05)
    with psycopg.connect(database) as other:
        other.execute("SELECT 1")
        threading.Event().wait(0.2)  # the transaction has to be open for longer than the limit
        assert found(house, "oldest transaction").status == "warn"
        # An ordinary role is not told when sessions of others began, and must not call that well.
        with house.tx.transaction():
            house.tx.execute("SET LOCAL ROLE pg_read_all_data")
            assert found(house, "oldest transaction").found.startswith(
                "none is open for long, 1 session of another role"
            )
            assert "GRANT pg_monitor TO " in found(house, "oldest transaction").found
            assert found(house, "connections").found.startswith("2 of "), "those that it may not look into as well"
            house.tx.execute("SET LOCAL ROLE pg_monitor")
            assert [one.name for one in database_checks.condition(house) if one.status == "warn"] == [
                "oldest transaction"
            ]


def test_a_slow_database_few_connections_and_a_wrong_clock_are_found(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_checks, "SLOW_MS", 0.0)
    monkeypatch.setattr(database_checks, "CONNECTIONS", 0.0)
    monkeypatch.setattr(database_checks, "SKEW", -1.0)
    monkeypatch.setattr(database_checks, "DEAD_ROWS", -1)
    for name in ("database", "connections", "clocks", "dead rows"):
        assert found(house, name).status == "warn", name
        assert found(house, name).advice


def test_a_full_or_closed_disk_is_found(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(place, "ROOM", 100.1)
    assert found(house, "disk").status == "warn"
    monkeypatch.setattr(place, "LITTLE_ROOM", 100.1)
    assert found(house, "disk").status == "fail"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert found(house, "folder").status == "fail"


def test_an_old_sitemap_is_found(house: House) -> None:
    make_well(house.tx)
    house.tx.execute("UPDATE public.sitemap_runs SET published_at = now() - interval '40 hours'")
    assert found(house, "sitemap").status == "warn"
    house.tx.execute("UPDATE public.sitemap_runs SET published_at = now() - interval '4 days'")
    assert found(house, "sitemap").status == "fail"
    house.tx.execute("DELETE FROM public.sitemap_runs")
    assert found(house, "sitemap").found == "none was published yet"


def test_a_check_that_cannot_be_made_fails_and_spares_the_others(house: House) -> None:
    house.tx.execute("DROP TABLE forecourt.minutes")
    results = {result.name: result for result in examine(house, [work.failures, work.overdue])}
    assert results["failures"].found.startswith("could not be checked: UndefinedTable")
    assert results["calls over their time"].status == "ok"


def test_the_command_the_page_and_the_monitor_say_the_same(
    house: House, pages: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = pages.get("/health")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/health+json")
    assert answer.json()["status"] == "fail"
    assert answer.json()["checks"]["workers"][0]["status"] == "fail"
    assert "The house <em" in pages.get("/doctor").text
    run = CliRunner().invoke(forecourt, ["doctor", "--json"])
    assert run.exit_code == 3
    told = {one["name"]: one["status"] for one in json.loads(run.output)}
    assert told["workers"] == "fail"
    make_well(house.tx)
    assert pages.get("/health").json()["status"] == "pass"
    assert "The house is well." in pages.get("/doctor").text
    assert CliRunner().invoke(forecourt, ["doctor", "--fail-on", "warn"]).exit_code == 0
    (settings().public / "sitemap.xml").unlink()
    answer = pages.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "warn")
    assert CliRunner().invoke(forecourt, ["doctor"]).exit_code == 0
    assert CliRunner().invoke(forecourt, ["doctor", "--fail-on", "warn"]).exit_code == 3
