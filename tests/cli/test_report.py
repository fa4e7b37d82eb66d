"""The report of a night tells whoever slept what they missed."""

import json
from collections.abc import Callable

import psycopg
import pytest
from click.testing import CliRunner

from forecourt.cli import forecourt
from scene import set_scene

Run = Callable[..., str]


@pytest.fixture
def run(database: str) -> Run:
    with psycopg.connect(database) as tx:
        set_scene(tx)

    def invoke(*arguments: str) -> str:
        done = CliRunner().invoke(forecourt, ["report", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    return invoke


def test_tonight_begins_with_the_sentence_of_the_first_page(run: Run) -> None:
    lines = run().splitlines()
    assert lines[0].endswith("is on time, but high is 4 min behind.")
    assert "3 workers, 12 slots" in lines[1]
    assert any("heartbeat" in line and "runs looked at, 0 not well" in line for line in lines)
    told = json.loads(run("--json"))
    assert {duty["task"] for duty in told["duties"]} >= {"expire_sponsored_listings", "generate_sitemap"}


def test_an_earlier_night_is_told_as_it_was(run: Run, database: str) -> None:
    with psycopg.connect(database) as tx:
        due = tx.execute("SELECT due_at FROM forecourt.ticks WHERE status = 'failed'").fetchone()[0]
    said = run("--date", str(due.date()))
    assert "No space left on device" in said
    assert "is on time" not in said
    duties = {duty["task"]: duty for duty in json.loads(run("--date", str(due.date()), "--json"))["duties"]}
    assert duties["cleanup_soft_deleted"]["state"] == "failed"
    assert duties["generate_sitemap"]["state"] == "done"
    assert duties["generate_sitemap"]["took"] > 0


def test_a_night_of_which_nothing_is_known_says_so(run: Run) -> None:
    assert "Nothing was due on 2001-01-01" in run("--date", "2001-01-01")
