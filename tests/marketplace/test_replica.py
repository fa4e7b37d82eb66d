"""Promises of the standby, on a real one that streams: what may be a moment old is read there, and
nothing is older than it is said to be.
"""

import json
import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from showroom import listing, user
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session
from traffic import DAY

from fleet import Process, running, wait_until
from forecourt import database
from forecourt.cli import forecourt
from forecourt.database import engine, replica
from forecourt.database.schema import upgrade
from forecourt.doctor import database as database_checks
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.settings import settings
from standby import Pair, pair


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    with pair() as made:
        migrating = create_engine(make_url(made.primary).set(drivername="postgresql+psycopg"))
        upgrade(migrating)
        migrating.dispose()
        yield made


@pytest.fixture
def standby(servers: Pair, empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The settings of this process name both; the standby has all that the primary has."""
    monkeypatch.setenv("FORECOURT_DATABASE_URL", servers.primary)
    monkeypatch.setenv("FORECOURT_REPLICA_URL", servers.standby)
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://cars.example")
    settings.cache_clear()
    database.forget_engine()
    with psycopg.connect(servers.primary) as connection:
        connection.execute("TRUNCATE users, sitemap_runs CASCADE")
    servers.catch_up()
    yield servers
    servers.on_standby("SELECT pg_wal_replay_resume()")
    database.forget_engine()
    settings.cache_clear()


def new_listing(slug: str) -> int:
    with Session(engine()) as session:
        made = listing(session, title=slug, slug=slug, owner=user(session, slug))
        id = made.id
        session.commit()
    return id


def in_sitemap() -> str:
    generate_sitemap(force=True)
    return (settings().public / "sitemap.xml").read_text()


def test_the_sitemap_is_read_from_the_standby_and_recorded_on_the_primary(standby: Pair) -> None:
    new_listing("there-in-time")
    standby.catch_up()
    standby.on_standby("SELECT pg_wal_replay_pause()")
    new_listing("too-late")
    found = in_sitemap()
    assert "there-in-time" in found
    assert "too-late" not in found
    with psycopg.connect(standby.primary) as connection:
        assert connection.execute("SELECT urls FROM sitemap_runs").fetchall() == [(4,)]
    standby.on_standby("SELECT pg_wal_replay_resume()")
    standby.catch_up()
    assert "too-late" in in_sitemap()


def test_a_report_says_how_old_its_figures_are_and_is_never_older(standby: Pair) -> None:
    id = new_listing("looked-at")
    before = datetime.now(UTC)
    with psycopg.connect(standby.primary) as connection:
        connection.execute(
            """
            INSERT INTO car_listing_daily_stats (car_listing_id, date, total_views, unique_visitors, total_events)
            VALUES (%s, %s, 12, 5, 12)
            """,
            (id, (datetime.now(UTC) - DAY).date()),
        )
    standby.catch_up()
    standby.on_standby("SELECT pg_wal_replay_pause()")
    new_listing("unseen")
    told = CliRunner().invoke(forecourt, ["analytics", "conversion", "--csv"])
    assert f"{id},looked-at,12,0" in told.stdout
    assert told.stderr.startswith("From the standby, as of ")
    with replica.reading() as seen:
        assert seen.as_of is not None
        assert before <= seen.as_of <= datetime.now(UTC)


def test_a_standby_too_far_behind_is_passed_over_with_a_word(
    standby: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replica, "BEHIND", timedelta())
    standby.on_standby("SELECT pg_wal_replay_pause()")
    new_listing("only-on-the-primary")
    with caplog.at_level(logging.WARNING):
        assert "only-on-the-primary" in in_sitemap()
    assert "The primary is read instead of FORECOURT_REPLICA_URL: the last that it knows is of" in caplog.text


@pytest.mark.parametrize(
    ("named", "why"), [("postgresql://nobody@127.0.0.1:1/none", "connection failed"), ("primary", "it is no standby")]
)
def test_what_is_no_standby_or_does_not_answer_is_passed_over_and_doctor_says_so(
    standby: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, named: str, why: str
) -> None:
    monkeypatch.setenv("FORECOURT_REPLICA_URL", standby.primary if named == "primary" else named)
    settings.cache_clear()
    new_listing("still-there")
    with caplog.at_level(logging.WARNING):
        assert "still-there" in in_sitemap()
    assert why in caplog.text
    told = {result["name"]: result for result in json.loads(CliRunner().invoke(forecourt, ["doctor", "--json"]).output)}
    assert why in told["standby"]["found"]


def test_who_is_given_the_standby_as_the_database_is_told_so(standby: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_DATABASE_URL", standby.standby)
    monkeypatch.delenv("FORECOURT_REPLICA_URL")
    settings.cache_clear()
    database.forget_engine()
    worker = Process("queue", "work")
    with running("schedule", "work", app="bakery:app") as clock:  # goes on: a standby may become the primary
        told = {one["name"]: one for one in json.loads(CliRunner().invoke(forecourt, ["doctor", "--json"]).output)}
        assert (told["database server"]["status"], "primary" in told["database server"]["advice"]) == ("fail", True)
        assert worker.wait() == 69
        wait_until(lambda: "must name the primary" in clock.said())
    assert "must name the primary" in worker.said()
    assert "Traceback" not in worker.said()
    assert clock.popen.returncode == 0


def test_doctor_says_how_far_it_is_behind_and_whether_it_answers(
    standby: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> dict[str, str]:
        results = json.loads(CliRunner().invoke(forecourt, ["doctor", "--json"]).output)
        return next(result for result in results if result["name"] == "standby")

    new_listing("just-now")
    standby.catch_up()
    assert told()["found"].startswith("at most ")
    assert told()["status"] == "ok"
    monkeypatch.setattr(database_checks, "BEHIND", 0.0)
    assert (told()["status"], "pg_stat_replication" in told()["advice"]) == ("warn", True)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("FORECOURT_REPLICA_URL", f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none")
        settings.cache_clear()
        assert "timeout expired" in told()["found"]
