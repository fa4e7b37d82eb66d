"""Promises of the archive when its process is killed, at each step of archiving and restoring; and
who else can read its files.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from traffic import event, events, midday

from forecourt.marketplace.archive import archive_old_analytics
from forecourt.marketplace.restore import archives, restore
from forecourt.settings import settings

# Forks once for each line of its input, before anything starts a thread, and lets the child be
# killed where the line says.
DOOMED = """
import importlib, os, signal, sys
import forecourt.marketplace.archive_erasure, forecourt.marketplace.restore, forecourt.database

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    def wrapped(*args, **options):
        function(*args, **options)
        kill()
    return wrapped

def in_the_middle(function):
    def wrapped(*args, **options):
        for piece in function(*args, **options):
            yield piece
            kill()
    return wrapped

for line in sys.stdin:
    what, when, module, name = line.split()
    if not (child := os.fork()):
        home = importlib.import_module("forecourt.marketplace." + module)
        function = getattr(home, name)
        setattr(home, name, {"before": kill, "after": after(function), "amid": in_the_middle(function)}[when])
        if what == "archive":
            forecourt.marketplace.archive.archive_old_analytics()
        elif what.startswith("cut:"):
            listings = [int(id) for id in what.removeprefix("cut:").split(",")]
            forecourt.marketplace.archive_erasure.cut_from_archives(listings)
        else:
            forecourt.marketplace.restore.restore(what)
        os._exit(0)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


@contextmanager
def doomed() -> Iterator[Callable[[str, str], None]]:
    """Gives a function that does something in a process which is killed at a step."""
    with subprocess.Popen(
        [sys.executable, "-c", DOOMED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"FORECOURT_VAR": str(settings().var)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def killed(what: str, step: str) -> None:
            process.stdin.write(f"{what} {step}\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            assert process.stdout.readline() == "9\n", f"{what} was not killed {step}"  # type: ignore[union-attr]

        yield killed


@pytest.fixture
def old_events(session: Session) -> None:
    """Six events of two old days, in the default partition."""
    for days in (200, 201):
        for n in range(3):
            event(session, n, midday(session, days) + n * timedelta(hours=1))
    session.commit()


ARCHIVING = (
    "before archive settle",
    "after archive settle",
    "before event_files write",
    "amid archive _events",
    "after event_files write",
    "before folder publish",
    "after folder publish",
    "after event_files read",
    "before archive _drop",
    "after archive _drop",
)
RESTORING = ("after restore named", "before event_files read", "amid event_files lines", "after event_files read")


def test_an_archive_killed_at_any_step_loses_no_event_and_leaves_no_file_behind(
    session: Session, old_events: None
) -> None:
    with doomed() as killed:
        for step in ARCHIVING:
            killed("archive", step)
            assert events(session) == 6, step
            session.rollback()
    assert archive_old_analytics()["events"] == 6
    [archive] = archives()
    assert [path.relative_to(settings().archive) for path in settings().archive.rglob("*.*")] == [Path(archive.path)]


def test_a_restore_killed_at_any_step_brings_nothing_and_the_next_one_everything(
    session: Session, old_events: None
) -> None:
    archive_old_analytics()
    [archive] = archives()
    with doomed() as killed:
        for step in RESTORING:
            killed(archive.path, step)
            assert session.scalar(text("SELECT count(*) FROM car_listing_analytics_restored")) == 0, step
            session.rollback()
    assert restore(archive.path) == {"events": 6, "restored": 6}


def test_duckdb_reads_the_archive_as_it_lies_with_the_query_of_the_docs(session: Session, old_events: None) -> None:
    archive_old_analytics()
    page = (Path(__file__).parent.parent.parent / "docs" / "duties" / "analytics.md").read_text()
    [query] = re.findall(r"```sql\n(.*?read_parquet.*?)```", page, re.DOTALL)
    found = duckdb.sql(query.replace("var/archive", str(settings().archive))).fetchall()
    assert [(month.month, kind, count, listings) for month, kind, count, listings in found] == [
        (month, "view", count, listings) for month, count, listings in by_month(session)
    ]


def by_month(session: Session) -> list[tuple[int, int, int]]:
    days = [midday(session, 201), midday(session, 200)]
    if days[0].month == days[1].month:
        return [(days[0].month, 6, 3)]
    return [(day.month, 3, 3) for day in days]
