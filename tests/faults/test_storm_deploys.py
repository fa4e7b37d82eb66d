"""Deploys: old code beside new code, and a schema that changes under load."""

import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.orm import Session

import workshop
from fleet import Looking, Process, wait_until, worker
from forecourt.database import engine, revision, schema
from forecourt.database.schema import upgrade
from forecourt.jobs.dispatch import Call

NEXT = '''
from forecourt.database.schema import run

revision = "9999"
down_revision = "{before}"


def upgrade() -> None:
    run("""
        ALTER TABLE forecourt.ready ADD COLUMN note text;
        ALTER TABLE forecourt.scheduled ADD COLUMN note text;
        ALTER TABLE forecourt.running ADD COLUMN note text;
    """)
'''


def test_what_the_old_code_does_not_know_is_parked_and_done_by_the_new(looking: Looking) -> None:
    with worker(processes=1):
        looking.connection.execute(
            "INSERT INTO forecourt.ready (job, queue, args)"
            " SELECT 'from_tomorrow', 'default', jsonb_build_object('call', n::text) FROM generate_series(1, 5) AS n"
        )
        wait_until(lambda: looking.count("scheduled") == 5)
        reasons = looking.rows("SELECT DISTINCT history FROM forecourt.scheduled")
        assert {reason["outcome"] for (history,) in reasons for reason in history} == {"Unknown"}
        [message] = {reason["message"] for (history,) in reasons for reason in history}
        assert message.startswith("no job is named 'from_tomorrow' here")
        with worker(processes=1, app="faults.tomorrow:app"):

            def all_are_done() -> bool:
                # They are looked at again every half minute; here at once.
                looking.connection.execute("UPDATE forecourt.scheduled SET run_at = now()")
                return looking.count("done") == 5

            wait_until(all_are_done)
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(5, 5)]
    assert looking.rows("SELECT DISTINCT attempts FROM forecourt.done") == [(1,)], "being parked costs no try"


def test_a_migration_under_load_waits_for_nobody_long_and_loses_nothing(
    looking: Looking, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tomorrow = tmp_path / "migrations"
    shutil.copytree(revision.MIGRATIONS, tomorrow)
    (tomorrow / "versions" / "9999_note.py").write_text(NEXT.format(before=revision.needed()))
    monkeypatch.setattr(schema, "MIGRATIONS", tomorrow)
    with worker(processes=2) as process, feeding(database) as entered:
        wait_until(lambda: looking.count("done") > 50)
        with Session(engine()) as report:
            report.connection().exec_driver_sql("SELECT count(*) FROM forecourt.ready")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                upgrade(engine())
            before = looking.count("done")
            wait_until(lambda: looking.count("done") > before + 50, what="work to go on")
        assert looking.one("SELECT version_num FROM forecourt.schema_version") != "9999"
        assert upgrade(engine())[1] == "9999"
        before = looking.count("done")
        wait_until(lambda: looking.count("done") > before + 50, what="old code to work on the new schema")
        total = entered()
        wait_until(lambda: looking.live() == 0)
        assert process.popen.poll() is None
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(total, total)]
    assert looking.count("failed") == 0


@contextmanager
def feeding(database: str) -> Iterator[Callable[[], int]]:
    """Enters calls all the while. What it yields ends that, and says how many there were."""
    stop = threading.Event()
    names = itertools.count()
    entered: list[Call] = []

    def feed() -> None:
        with psycopg.connect(database) as connection:
            while not stop.wait(0.02):
                many = [{"call": str(next(names))} for _ in range(5)]
                entered.extend(workshop.transact.using(session=connection).dispatch_many(many))
                connection.commit()

    feeder = threading.Thread(target=feed)

    def end() -> int:
        stop.set()
        feeder.join()
        return len(entered)

    feeder.start()
    try:
        yield end
    finally:
        end()


def test_a_schema_older_than_the_code_is_refused_with_words(server_url: str, empty_var: Path) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS unmigrated WITH (FORCE)")
        connection.execute("CREATE DATABASE unmigrated TEMPLATE template0")
    url = make_url(server_url).set(database="unmigrated").render_as_string(hide_password=False)
    refused = [
        Process(*arguments, FORECOURT_DATABASE_URL=url) for arguments in (("queue", "work"), ("schedule", "work"))
    ]
    for process in refused:
        assert process.wait() == 1
        assert (
            f"the database's schema is at nothing, this code needs {revision.needed()}: run `forecourt db migrate`"
            in (process.said())
        )
