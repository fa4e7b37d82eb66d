"""`forecourt alerts` says what was told, and tries the way by which it is."""

import json

import psycopg
import pytest
from click.testing import CliRunner, Result

from forecourt.alerts import content, sending
from forecourt.app import load
from forecourt.cli import forecourt
from forecourt.cli.errors import Failed, Refused
from forecourt.doctor.check import House
from forecourt.doctor.telling import alerting
from forecourt.settings import settings
from forecourt.store import alerts, tasks
from listener import Listener
from smtp_sink import SmtpSink


def run(*words: str) -> Result:
    return CliRunner().invoke(forecourt, ["alerts", *words])


def test_a_test_goes_by_every_channel_and_says_which_one_did_not_work(sink: SmtpSink, listener: Listener) -> None:
    done = run("test")
    assert (done.exit_code, done.output) == (0, "mail: accepted\nwebhook: accepted\n")
    assert sink.messages[0]["Subject"] == "[Forecourt] ▲ test: this is how alerts arrive"
    assert json.loads(listener.heard[0].body)["type"] == "forecourt.test"
    listener.answers.append(403)
    done = run("test")
    assert isinstance(done.exception, Failed)
    assert "answered 403" in done.output


def test_without_anybody_to_tell_a_test_is_refused(database: str) -> None:
    assert isinstance(run("test").exception, Refused)


def test_the_list_has_what_goes_on_first(tx: psycopg.Connection) -> None:
    assert "No trouble was seen." in run("list").output
    at = tasks.now(tx)
    first = alerts.begin(
        tx, "workshop:app", at, subject="workers", status="fail", found="0 alive", advice="start one", lasts=True
    )
    alerts.end(tx, [first.id], at)
    alerts.begin(
        tx, "workshop:app", at, subject="disk", status="warn", found="9 % free", advice="make room", lasts=True
    )
    assert [one["subject"] for one in json.loads(run("list", "--json").output)["episodes"]] == ["disk", "workers"]
    assert "goes on" in run("list").output.splitlines()[1]


def test_the_list_says_what_was_not_sent_and_why_and_what_would_be_told_next(
    sink: SmtpSink, tx: psycopg.Connection
) -> None:
    at = tasks.now(tx)
    trouble = alerts.begin(tx, "x", at, subject="disk", status="warn", found="9 % free", advice="", lasts=True)
    [id] = sending.tell(tx, lambda: content.content([trouble], [], 0, at), "default")
    assert "not sent by mail" in (said := run("list").output)
    assert "disk: 9 % free: it waits" in said
    tx.execute(
        "WITH one AS (DELETE FROM forecourt.ready RETURNING *)"
        " INSERT INTO forecourt.failed (id, job, queue, error, message)"
        " SELECT id, job, queue, 'SMTPException', 'mailbox unavailable' FROM one"
    )
    assert "disk: 9 % free: SMTPException: mailbox unavailable" in (said := run("list").output)
    assert "workers: 0 alive: told in " in said
    [told] = json.loads(run("list", "--json").output)["told"]
    assert (told["id"], told["sent_at"], told["to"]) == (id, None, [])


def test_that_nobody_watches_or_nothing_leaves_is_a_check_of_its_own(
    sink: SmtpSink, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    settings.cache_clear()
    house = House(tx, load("workshop:app"), tasks.now(tx))
    assert alerting(house)[0].found == "nobody has watched yet"
    assert alerts.turn(tx, "workshop:app", 25)
    assert (alerting(house)[0].status, alerting(house)[0].found) == ("ok", "somebody watches")
    tx.execute(
        "INSERT INTO forecourt.alert_messages (created_at, channel, content) VALUES (now() - interval '6 min', 'mail', '{}')"
    )
    assert alerting(house)[0].found == "1 alert could not be sent"
    tx.execute("UPDATE forecourt.watches SET looked_at = now() - interval '10 min'")
    assert alerting(house)[0].found == "nobody has watched for 10 min"
