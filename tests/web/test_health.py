"""What monitors and probes are told, over real HTTP, about a real database in all its
conditions.
"""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from fleet import wait_until
from forecourt.database import forget_engine
from forecourt.settings import settings
from forecourt.store import tasks

NOT_RUNNING = {"status": "error", "message": "Scheduler not running"}
UNREACHABLE = {"status": "error", "message": "Database unreachable"}
PROBES = ["/livez", "/readyz", "/health/scheduler", "/health/queue"]


@pytest.fixture
def client(database: str, web_address: str) -> Iterator[httpx.Client]:
    """Asks a server on the test's database."""
    with httpx.Client(base_url=web_address, timeout=20) as client:
        yield client


@pytest.fixture
def tx(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def tick(
    tx: psycopg.Connection, ago: str, status: str = "succeeded", *, task: str = "heartbeat", due: str | None = None
) -> datetime:
    """Enter a tick that finished so long ago; it was due a moment earlier unless told otherwise."""
    row = tx.execute(
        """
        INSERT INTO forecourt.ticks (task, due_at, status, finished_at)
        VALUES (%s, now() - %s::interval, %s, now() - %s::interval)
        RETURNING finished_at
        """,
        (task, due or f"{ago} 50 milliseconds", status, ago),
    ).fetchone()
    assert row is not None
    return row[0]


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_DATABASE_URL", url)
    settings.cache_clear()
    forget_engine()


def test_a_recent_heartbeat_is_ok_and_its_instant_is_told_in_utc(client: httpx.Client, tx: psycopg.Connection) -> None:
    finished = tick(tx, "10 seconds")
    answer = client.get("/health/scheduler")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert list(told) == ["status", "last_run"]
    assert told["status"] == "ok"
    assert told["last_run"].endswith("Z")
    assert datetime.fromisoformat(told["last_run"]) == finished.astimezone(UTC)


@pytest.mark.parametrize(("ago", "status"), [("4 minutes 58 seconds", 200), ("5 minutes 1 second", 503)])
def test_a_heartbeat_older_than_five_minutes_is_an_error(
    client: httpx.Client, tx: psycopg.Connection, ago: str, status: int
) -> None:
    tick(tx, ago)
    assert client.get("/health/scheduler").status_code == status


def test_without_any_heartbeat_the_scheduler_is_not_running(client: httpx.Client) -> None:
    answer = client.get("/health/scheduler")
    assert (answer.status_code, answer.json()) == (503, NOT_RUNNING)


def test_only_successes_of_the_heartbeat_count(client: httpx.Client, tx: psycopg.Connection) -> None:
    tick(tx, "6 minutes")
    tick(tx, "1 minute", "failed")
    tick(tx, "2 minutes", "skipped")
    tick(tx, "3 minutes", task="generate_sitemap")
    assert client.get("/health/scheduler").json() == NOT_RUNNING


def test_what_failed_since_does_not_hide_a_recent_success(client: httpx.Client, tx: psycopg.Connection) -> None:
    finished = tick(tx, "3 minutes")
    tick(tx, "2 minutes", "failed")
    tx.execute("INSERT INTO forecourt.ticks (task, due_at, status) VALUES ('heartbeat', now(), 'enqueued')")
    told = client.get("/health/scheduler").json()
    assert datetime.fromisoformat(told["last_run"]) == finished


def test_successes_from_a_clock_that_ran_ahead_prove_nothing(client: httpx.Client, tx: psycopg.Connection) -> None:
    tick(tx, "-1 year")
    assert client.get("/health/scheduler").json() == NOT_RUNNING


def test_a_migrated_database_is_ready(client: httpx.Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_an_old_schema_is_not_ready_and_the_answer_says_what_to_do(
    client: httpx.Client, tx: psycopg.Connection
) -> None:
    tx.execute("UPDATE forecourt.schema_version SET version_num = '0001'")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "error"
    assert "forecourt db migrate" in answer.json()["message"]


def test_an_empty_database_is_neither_ready_nor_scheduled(client: httpx.Client, tx: psycopg.Connection) -> None:
    tx.execute("DROP SCHEMA forecourt CASCADE")
    ready, scheduler = client.get("/readyz"), client.get("/health/scheduler")
    assert ready.status_code == 503
    assert "forecourt db migrate" in ready.json()["message"]
    assert (scheduler.status_code, scheduler.json()) == (503, NOT_RUNNING)


def test_a_database_that_is_gone_is_told_without_its_address(
    client: httpx.Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at("postgresql://someone:secret@127.0.0.1:1/nowhere", monkeypatch)
    for path in ("/readyz", "/health/scheduler"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (503, UNREACHABLE)
    assert client.get("/livez").status_code == 200
    point_at(database, monkeypatch)
    assert client.get("/readyz").status_code == 200


def test_a_database_that_accepts_and_stays_silent_is_not_waited_for(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_at(f"postgresql://someone@127.0.0.1:{silent.getsockname()[1]}/nowhere", monkeypatch)
        begun = time.monotonic()
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, UNREACHABLE)
        assert time.monotonic() - begun < 9


def test_a_statement_that_waits_for_a_lock_is_given_up(client: httpx.Client, database: str) -> None:
    client.get("/health/scheduler")
    with psycopg.connect(database) as migration:
        migration.execute("LOCK TABLE forecourt.ticks, forecourt.schema_version")
        for path in ("/health/scheduler", "/readyz"):
            begun = time.monotonic()
            answer = client.get(path)
            assert (answer.status_code, answer.json()) == (503, UNREACHABLE)
            assert time.monotonic() - begun < 9


def test_probes_leave_no_connection_behind(client: httpx.Client, database: str) -> None:
    for path in PROBES:
        client.get(path)
    elsewhere = make_url(database).set(database="postgres").render_as_string(hide_password=False)
    # Within a transaction the list of sessions stays the same.
    with psycopg.connect(elsewhere, autocommit=True) as other:
        name = make_url(database).database
        left = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'forecourt probe'"
        wait_until(lambda: other.execute(left, (name,)).fetchone() == (0,), 10, "the probes' connections to end")


def test_head_gets_the_status_without_a_body_and_no_answer_is_cached(
    client: httpx.Client, tx: psycopg.Connection
) -> None:
    tick(tx, "1 second")
    for path in PROBES:
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b""), path
    for path in (*PROBES, "/nowhere"):
        assert client.get(path).headers["cache-control"] == "no-store", path


def test_what_does_not_exist_is_told_as_json(client: httpx.Client) -> None:
    for path in ("/nowhere", "/livez/"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"status": "error", "message": "Not Found"})
    answer = client.post("/livez")
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"HEAD", "GET"})
    assert answer.json() == {"status": "error", "message": "Method Not Allowed"}


def test_probes_are_answered_under_any_name(client: httpx.Client, tx: psycopg.Connection) -> None:
    tick(tx, "1 second")
    for path in PROBES:
        assert client.get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200, path


def test_an_application_without_a_heartbeat_is_healthy_while_clock_and_worker_live(
    client: httpx.Client, tx: psycopg.Connection
) -> None:
    def asked() -> tuple[int, dict[str, str]]:
        tx.commit()
        answer = client.get("/health/scheduler")
        return answer.status_code, answer.json()

    stopped = (503, {"status": "error", "message": "Scheduler not running"})
    assert asked() == stopped
    tasks.beat(tx, "web-1", heartbeat=False)
    assert asked() == stopped, "there is nobody who works"
    tx.execute(
        "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks)"
        " VALUES ('web-1', '', 1, '', 1, '{}', '0', '')"
    )
    code, body = asked()
    assert (code, body["status"], set(body)) == (200, "ok", {"status", "last_run"})
    tx.execute("UPDATE forecourt.clocks SET beat_at = now() - interval '301 seconds'")
    assert asked() == stopped
    tasks.beat(tx, "web-1", heartbeat=False)
    assert asked()[0] == 200, "it beats again"
    tasks.beat(tx, "web-1", heartbeat=True)
    assert asked() == stopped, "where there is a heartbeat, it is what counts"
    tx.execute("UPDATE forecourt.clocks SET beat_at = now() - interval '301 seconds'")
    tasks.beat(tx, "web-2", heartbeat=False)
    assert asked()[0] == 200, "a clock that is silent has no say"


def test_a_queue_that_is_far_behind_or_served_by_nobody_is_an_error(
    client: httpx.Client, tx: psycopg.Connection
) -> None:
    def asked() -> tuple[int, dict[str, object]]:
        answer = client.get("/health/queue")
        return answer.status_code, answer.json()

    assert asked() == (200, {"status": "ok", "oldest_seconds": 0})
    tx.execute("INSERT INTO forecourt.ready (job, queue, ready_at) VALUES ('j', 'low', now() - interval '20 minutes')")
    assert asked() == (503, {"status": "error", "message": "queue low: calls wait, and nobody serves it"})
    tx.execute(
        "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks)"
        " VALUES ('web-1', '', 1, '', 1, '{low}', '0', '')"
    )
    assert asked() == (503, {"status": "error", "message": "queue low: oldest call waits for 20 min"})
    tx.execute("UPDATE forecourt.ready SET ready_at = now() - interval '2 minutes'")
    code, told = asked()
    assert (code, told["status"]) == (200, "ok")
    assert 119 < told["oldest_seconds"] < 200
    tx.execute("UPDATE forecourt.ready SET ready_at = now() - interval '2 hours'")
    tx.execute("INSERT INTO forecourt.pauses (kind, name, who) VALUES ('queue', 'low', 'anna')")
    assert asked()[0] == 200, "what somebody paused is meant to wait"
