"""`forecourt healthcheck` answers a container by its exit code, and a person by one line a
check.
"""

import json

import psycopg
from click.testing import CliRunner, Result

from forecourt.cli import forecourt
from forecourt.cli.errors import NotFound
from forecourt.store import tasks


def ask(*words: str) -> Result:
    return CliRunner().invoke(forecourt, ["healthcheck", *words])


def test_the_exit_code_says_whether_the_checks_that_were_named_are_well(database: str) -> None:
    done = ask("workers", "clock")
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "fail workers: 0 alive (limit: 1 or more). Start one: forecourt queue work",
        "fail clock: has never run (limit: 1 min). Start it: forecourt schedule work."
        " If it runs, its log says why its rounds fail.",
    ]
    with psycopg.connect(database) as tx:
        tasks.beat(tx, "h", heartbeat=True)
        tx.execute("INSERT INTO forecourt.pauses (kind, name, who) VALUES ('queue', 'high', 'anna')")
        tx.execute("INSERT INTO forecourt.ready (job, queue) VALUES ('j', 'high')")
    assert ask("clock").exit_code == 0
    paused = ask("queue", "--json")
    assert (paused.exit_code, json.loads(paused.output)[0]["status"]) == (0, "warn")
    assert ask("queue high", "--fail-on", "warn").exit_code == 1
    assert ask().exit_code == 1


def test_a_check_that_there_is_not_is_named_with_those_that_there_are(database: str) -> None:
    error = ask("wrokers").exception
    assert isinstance(error, NotFound)
    assert "no check is named 'wrokers'; there is archive, " in str(error)
