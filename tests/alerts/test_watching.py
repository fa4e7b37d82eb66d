"""Somebody always watches, and whoever can tell does, once."""

import re
import signal
import socket

import psycopg
import pytest

from fleet import running, wait_until, work_until_empty
from forecourt.app import load
from forecourt.doctor import place
from forecourt.settings import settings
from forecourt.store import alert_messages, alerts, tasks
from forecourt.watch.watcher import Watcher
from listener import Listener
from smtp_sink import SmtpSink

EMPTY = "workshop:app"
MARKETPLACE = "forecourt.marketplace.app:app"


@pytest.fixture
def watcher(database: str, monkeypatch: pytest.MonkeyPatch) -> Watcher:
    monkeypatch.setenv("FORECOURT_APP", EMPTY)
    settings.cache_clear()
    monkeypatch.setattr(place, "ROOM", 0.0)  # whatever the disk of the machine that runs the tests
    monkeypatch.setattr(place, "LITTLE_ROOM", 0.0)
    return Watcher(load)


def let_pass(tx: psycopg.Connection, minutes: int) -> None:
    """So much time, for whoever watches."""
    for statement in (
        "UPDATE forecourt.watches SET looked_at = looked_at - %(time)s::interval",
        "UPDATE forecourt.alerts SET began_at = began_at - %(time)s::interval, well_since = well_since - %(time)s::interval",
        "UPDATE forecourt.alert_messages"
        " SET tried_at = tried_at - %(time)s::interval, created_at = created_at - %(time)s::interval",
    ):
        tx.execute(statement, {"time": f"{minutes} minutes"})


def of_workers(sink: SmtpSink) -> list[str]:
    return [message["Subject"] for message in sink.messages if "workers" in message.get_content()]


def test_that_nobody_works_is_told_by_whoever_watches_and_not_again_by_the_worker_that_comes(
    watcher: Watcher, sink: SmtpSink, tx: psycopg.Connection
) -> None:
    assert watcher.run_once() == 0
    assert watcher.run_once() == 0, "somebody has just looked"
    let_pass(tx, 1)
    assert watcher.run_once() == 2, "made one message, and sent it"
    assert of_workers(sink)[0].startswith("[Forecourt] ✕ ")
    work_until_empty(app=EMPTY)
    result = tx.execute("SELECT result FROM forecourt.done WHERE job = 'forecourt.send_alert'").fetchone()
    assert result == ({"sent_already": 1},)
    assert len(of_workers(sink)) == 1


def test_each_machine_looks_at_its_own_disk(
    watcher: Watcher, sink: SmtpSink, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host, room in (("full-1", 100.1), ("roomy-1", 0.0), ("full-1", 100.1), ("roomy-1", 0.0)):
        monkeypatch.setenv("FORECOURT_HOST", host)
        monkeypatch.setattr(place, "ROOM", room)
        settings.cache_clear()
        watcher.run_once()
        if host == "roomy-1":
            let_pass(tx, 1)
    [told] = [message.get_content() for message in sink.messages if "▲ disk: " in message.get_content()]
    assert " by full-1 (local)." in told
    assert tx.execute("SELECT application FROM forecourt.alerts WHERE subject = 'disk'").fetchall() == [
        ("workshop:app on full-1",)
    ]


def test_a_worker_tells_where_there_is_one(
    watcher: Watcher, listener: Listener, sink: SmtpSink, tx: psycopg.Connection
) -> None:
    tx.execute(
        "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks, beat_at)"
        " VALUES ('h', '', 1, '', 4, '{default}', '0', '', now() + interval '1 hour')"
    )
    watcher.run_once()
    let_pass(tx, 1)
    assert watcher.run_once() == 2, "a message for each channel"
    assert sink.messages == []
    work_until_empty(app=EMPTY)
    assert (len(sink.messages), len(listener.heard)) == (1, 1)
    let_pass(tx, 2)
    assert watcher.run_once() == 0


def test_what_no_worker_sent_within_a_minute_is_sent_by_whoever_watches_and_tried_until_it_is(
    watcher: Watcher, sink: SmtpSink, tx: psycopg.Connection
) -> None:
    watcher.run_once()
    let_pass(tx, 1)
    sink.answers["DATA"].extend(["451 later", "550 never"])
    watcher.run_once()
    for _ in range(4):
        let_pass(tx, 1)
        watcher.run_once()
    assert len(of_workers(sink)) == 1
    assert tx.execute("SELECT count(*) FROM forecourt.alert_messages WHERE sent_at IS NULL").fetchone() == (0,)
    message = alert_messages.enter(tx, "mail", {})
    let_pass(tx, 1)
    with psycopg.connect(tx.info.dsn, password=tx.info.password) as other:
        assert alert_messages.take(other, message), "held by somebody who sends it"
        assert watcher.run_once() == 0


def test_what_checks_find_is_told_in_the_reader_s_language(
    watcher: Watcher, sink: SmtpSink, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_ALERT_MAIL", "omar@cars.example ar")
    settings.cache_clear()
    watcher.run_once()
    let_pass(tx, 1)
    watcher.run_once()
    [told] = [message.get_content() for message in sink.messages if "العمّال" in message.get_content()]
    assert not {"alive", "Start", "clock", "since"} & set(re.findall(r"[A-Za-z]+", told)), told
    assert tx.execute("SELECT found FROM forecourt.alerts WHERE subject = 'workers'").fetchone()[0].isascii(), (
        "as noted"
    )


def test_a_clock_watches_tells_and_says_each_minute_that_it_lives(
    sink: SmtpSink, listener: Listener, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = tasks.now(tx)
    alerts.begin(tx, EMPTY, at, subject="workers", status="fail", found="0 alive", advice="", lasts=True)
    let_pass(tx, 2)
    environment = {"FORECOURT_CLOCK_PING": f"{listener.url}/ping?night"}
    with running("schedule", "work", app=EMPTY, **environment) as clock:
        wait_until(lambda: of_workers(sink), what="the mail: " + clock.said())
        wait_until(lambda: "/ping?night" in [heard.path for heard in listener.heard], what="the ping")
        clock.signal(signal.SIGTERM)
        assert clock.wait() == 0
    assert [heard.path for heard in listener.heard].count("/ping?night") == 1, "once a minute"
    with running("schedule", "run", app=EMPTY, **environment) as cron:
        assert cron.wait() == 0
    assert [heard.path for heard in listener.heard].count("/ping?night") == 2


def test_a_clock_whose_round_failed_does_not_say_that_it_lives(listener: Listener, tx: psycopg.Connection) -> None:
    tx.execute("DROP TABLE forecourt.pauses; ALTER TABLE forecourt.clocks RENAME TO elsewhere")
    with running("schedule", "work", app=EMPTY, FORECOURT_CLOCK_PING=f"{listener.url}/ping") as clock:
        wait_until(lambda: "round failed" in clock.said(), what="a round that fails")
    assert [heard.path for heard in listener.heard if heard.path == "/ping"] == []


def test_a_web_server_watches(sink: SmtpSink, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts.begin(
        tx, MARKETPLACE, tasks.now(tx), subject="clock", status="fail", found="has never run", advice="", lasts=True
    )
    let_pass(tx, 2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with running("web", app=MARKETPLACE, FORECOURT_WEB_PORT=port) as web:
        wait_until(lambda: any("clock" in message["Subject"] for message in sink.messages), what=web.said())
