"""From red to mended, as the guide says: each trouble is made, seen in its words, and mended with
its command.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from fleet import Looking, running, wait_until
from forecourt.cli import forecourt
from forecourt.settings import settings

GUIDE = (Path(__file__).parent.parent.parent / "docs" / "operating.md").read_text()
TROUBLES = dict(re.findall(r"^### (.+?)\n\n(.+?)(?=\n\n#)", GUIDE, re.M | re.S))


def told(trouble: str) -> tuple[str, list[str]]:
    """The words by which a trouble is seen, and the command that mends it."""
    text = " ".join(TROUBLES[trouble].split())
    seen, command = re.search(r"\*(.+?)\*", text), re.search(r"`(forecourt [^`]+)`$", text)
    assert seen
    assert command
    return seen[1], shlex.split(command[1])[1:]


def type_(*words: str) -> None:
    done = CliRunner().invoke(forecourt, list(words))
    assert done.exit_code == 0, done.output


@pytest.fixture
def sees(pages: httpx.Client) -> Callable[..., bool]:
    """Whether a page says something."""

    def look(words: str, path: str = "/") -> bool:
        return words in re.sub(r"<[^>]+>", "", pages.get(path).text)

    return look


Sees = Callable[..., bool]


def enter(tx: psycopg.Connection, queue: str = "high", job: str = "heartbeat") -> int:
    return tx.execute("INSERT INTO forecourt.ready (job, queue) VALUES (%s, %s) RETURNING id", (job, queue)).fetchone()[
        0
    ]


def test_nobody_works(sees: Sees, tx: psycopg.Connection) -> None:
    words, command = told("Nobody works")
    enter(tx)
    assert sees(words)
    with running(*command, app="forecourt.marketplace.app:app"):
        wait_until(lambda: not sees(words), what="a worker")


def test_the_clock_stands_still(sees: Sees) -> None:
    words, command = told("The clock stands still")
    assert sees(words)
    with running(*command, app="forecourt.marketplace.app:app"):
        wait_until(lambda: not sees(words), what="a clock")


def test_a_queue_is_behind(sees: Sees, tx: psycopg.Connection) -> None:
    words, command = told("A queue is behind")
    tx.execute("INSERT INTO forecourt.ready (job, queue, ready_at) VALUES ('j', 'high', now() - interval '1 hour')")
    tx.execute(
        "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, busy, queues, version, marks)"
        " VALUES ('night-1', 'b', 1, 's', 2, 2, ARRAY['high'], '0.1.0', '')"
    )
    assert sees(words)
    assert sees("2 of 2 slots busy", "/queues/high")
    type_(*command)


def test_a_queue_is_paused(sees: Sees, tx: psycopg.Connection) -> None:
    words, command = told("A queue is paused, and nobody remembers why")
    enter(tx)
    type_("queue", "pause", "high", "--why", "stocktaking")
    assert sees(words)
    assert sees("stocktaking", "/queues/high")
    type_(*command)
    assert not sees(words)


def test_the_whole_schedule_is_paused(sees: Sees, tx: psycopg.Connection) -> None:
    words, command = told("The whole schedule is paused")
    type_("schedule", "pause")
    assert sees(words)
    type_(*command)
    assert not sees(words)


def test_calls_failed_while_something_was_down(sees: Sees, tx: psycopg.Connection) -> None:
    words, command = told("Calls failed while something else was down")
    tx.execute(
        "INSERT INTO forecourt.failed (job, queue, error, message)"
        " SELECT 'j', 'low', %s, '' FROM generate_series(1, 3) UNION ALL SELECT 'j', 'low', 'KeyError', ''",
        (words,),
    )
    assert sees(words, "/failures")
    type_(*command)
    assert not sees(words, "/failures")
    assert tx.execute("SELECT count(*) FROM forecourt.ready").fetchone() == (3,)


def test_a_duty_failed(sees: Sees, tx: psycopg.Connection) -> None:
    words, command = told("A duty failed")
    tx.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status, why, finished_at)"
        " VALUES ('generate_sitemap', date_trunc('second', now()), 'failed', 'no room', now())"
    )
    assert sees(words)
    assert sees("no room", "/schedule/generate_sitemap")
    type_(*command)
    with running("queue", "work", app="forecourt.marketplace.app:app"):
        wait_until(lambda: sees("✓ done", "/schedule/generate_sitemap"), what="the run by hand")
    assert not sees(words)


def test_a_call_hangs(sees: Sees, looking: Looking, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    import workshop

    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    settings.cache_clear()
    words, command = told("A call hangs")
    id = workshop.nap.dispatch(call="hangs", seconds=300).id
    with running("queue", "work", "--queue", "default", app="workshop:app"):
        wait_until(lambda: looking.traces("hangs"), what="its start")
        wait_until(lambda: sees("nap", "/workers"), what="the page Workers to show it")
        type_(*[str(id) if word == "ID" else word for word in command])
        wait_until(lambda: sees(words, f"/calls/{id}"), what="its end")


def test_nobody_serves_a_queue(sees: Sees, tx: psycopg.Connection) -> None:
    words, command = told("Calls wait in a queue that nobody serves")
    app = "forecourt.marketplace.app:app"
    with running("queue", "work", "--queue", "high", app=app):
        enter(tx, "forgotten")
        wait_until(lambda: sees(words), what="the page to say so")
        with running(*command, app=app):
            wait_until(lambda: not sees(words), what="somebody to serve it")


def test_every_trouble_of_the_guide_has_its_test() -> None:
    assert len(TROUBLES) == 9
    for trouble in TROUBLES:
        told(trouble)
