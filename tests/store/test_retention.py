"""What is kept has an end, and who cannot tidy up can work all the same."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from sqlalchemy import make_url

import workshop
from fleet import Looking, work_until_empty
from forecourt import Timetable
from forecourt.cli import forecourt
from forecourt.cli.errors import REFUSED, explained
from forecourt.database import engine, forget_engine
from forecourt.database.transactions import Transactions
from forecourt.schedule.clock import Clock
from forecourt.settings import settings
from forecourt.workers.pruner import Pruner


@pytest.fixture
def clerk(looking: Looking, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a role that may read and write rows, and nothing else."""
    name = f"clerk_{make_url(database).database}"
    role = sql.Identifier(name)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'clerk'").format(role))
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA forecourt, public TO {}").format(role))
        for of in ("ALL TABLES", "ALL SEQUENCES"):
            for schema in ("forecourt", "public"):
                admin.execute(sql.SQL(f"GRANT ALL ON {of} IN SCHEMA {schema} TO {{}}").format(role))
        yield make_url(database).set(username=name, password="clerk").render_as_string(hide_password=False)
        admin.execute(sql.SQL("DROP OWNED BY {}").format(role))
        admin.execute(sql.SQL("DROP ROLE {}").format(role))


def test_what_is_over_is_removed_and_what_lives_is_kept(looking: Looking) -> None:
    looking.connection.execute("""
        INSERT INTO forecourt.uniques (key, call_id, until)
        VALUES ('over', 1, now() - interval '1 second'), ('for a time', 2, now() + interval '1 hour'), ('lives', 3, 'infinity');
        INSERT INTO forecourt.batches (name, total, pending, allow_failures, finished_at)
        VALUES ('old', 1, 0, false, now() - interval '31 days'), ('new', 1, 0, false, now()), ('open', 1, 1, false, NULL);
        INSERT INTO forecourt.audit (at, who, action, target)
        VALUES (now() - interval '401 days', 'me', 'old', '{}'), (now(), 'me', 'new', '{}');
        INSERT INTO forecourt.past_workers (id, host, pid, gone_at)
        VALUES (1, 'h', 1, now() - interval '9 days'), (2, 'h', 2, now() - interval '7 days');
        INSERT INTO forecourt.clocks (host, beat_at, heartbeat)
        VALUES ('gone', now() - interval '31 days', true), ('lives', now(), true);
        INSERT INTO forecourt.tasks (name, fingerprint, begun_at, evaluated_until)
        VALUES ('sweep', 'of a host that is gone', now() - interval '90 days', now() - interval '61 days'),
               ('sweep', 'of one that was away', now() - interval '90 days', now() - interval '29 days'),
               ('sweep', 'of one that lives', now() - interval '90 days', now()),
               ('alone', 'its only one', now() - interval '90 days', now() - interval '61 days');
    """)
    database = Transactions()
    Pruner(database).run_once()
    database.close()
    assert looking.rows("SELECT key FROM forecourt.uniques ORDER BY key") == [("for a time",), ("lives",)]
    assert looking.rows("SELECT name FROM forecourt.batches ORDER BY name") == [("new",), ("open",)]
    assert looking.rows("SELECT action FROM forecourt.audit") == [("new",)]
    assert looking.rows("SELECT host FROM forecourt.clocks") == [("lives",)]
    kept = [("its only one",), ("of one that lives",), ("of one that was away",)]
    assert looking.rows("SELECT fingerprint FROM forecourt.tasks ORDER BY fingerprint") == kept
    assert looking.rows("SELECT id FROM forecourt.past_workers") == [(2,)], "calls that name it are kept as long"


def test_a_worker_starts_while_somebody_reads_done(looking: Looking, database: str) -> None:
    """A dump is enough: the partition that is due cannot be made, so what ends goes into the one
    for the rest.
    """
    workshop.nothing.dispatch(n=1)
    with psycopg.connect(database) as dump:
        dump.execute("LOCK TABLE forecourt.done IN ACCESS SHARE MODE")
        process = work_until_empty()
    assert "the partitions of done stay as they are" in process.said()
    assert looking.rows("SELECT outcome FROM ONLY forecourt.done_rest") == [("finished",)]


def test_a_role_that_may_only_read_and_write_rows_can_work(
    looking: Looking, clerk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_DATABASE_URL", clerk)
    settings.cache_clear()
    forget_engine()
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing, n=1).every_minute()
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    clock = Clock(timetable, engine(), environment="test")
    clock.begin(noon)
    assert len(clock.run_once(noon + timedelta(minutes=1))) == 1
    for typed in (["schedule", "pause"], ["schedule", "resume"], ["queue", "pause", "low"]):
        assert CliRunner().invoke(forecourt, typed).exit_code == 0
    migrated = CliRunner().invoke(forecourt, ["db", "migrate"])
    assert explained(migrated.exception)[0] == REFUSED
    forget_engine()
    process = work_until_empty(FORECOURT_DATABASE_URL=clerk)
    assert "gather in done_rest: permission denied for schema forecourt\n" in process.said()
    assert looking.rows("SELECT outcome FROM forecourt.done") == [("finished",)]
