"""Two applications on one database, with different jobs and a queue that both serve: each does its
own, and leaves the other's.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from fleet import TESTS, Looking, running, wait_until

BAKERY, BUTCHERY = "bakery:app", "butchery:app"

MANY = "SELECT count(forecourt.dispatch(%s, jsonb_build_object('n', n))) FROM generate_series(1, 20) AS n"


def typed(app: str, *arguments: str, code: int = 0) -> str:
    """What `forecourt ...` says in one of the applications."""
    done = subprocess.run(
        [sys.executable, "-m", "forecourt", *arguments],
        env=os.environ | {"PYTHONPATH": str(TESTS), "FORECOURT_APP": app},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def tasks(app: str) -> dict[str, Any]:
    """What `forecourt schedule list` knows of the tasks."""
    return {row["task"]: row for row in json.loads(typed(app, "schedule", "list", "--json"))}


def ticks(looking: Looking, task: str) -> int:
    """How many due times of a task have succeeded."""
    return int(looking.one("SELECT count(*) FROM forecourt.ticks WHERE task = %s AND status = 'succeeded'", task))


def work(app: str, *options: str) -> Any:
    return running("queue", "work", "--processes", "1", "--sleep", "0.1", *options, app=app)


def test_each_does_its_own_calls_of_a_queue_that_both_serve(looking: Looking) -> None:
    with work(BAKERY) as bakery, work(BUTCHERY) as butchery:
        wait_until(lambda: all("worker started" in process.said() for process in (bakery, butchery)))
        looking.connection.execute(MANY, ["bake"])
        looking.connection.execute(MANY, ["cut"])
        typed(BAKERY, "queue", "dispatch", "bake", '{"n": 21}')
        typed(BUTCHERY, "queue", "dispatch", "cut", '{"n": 21}')

        def all_are_done() -> bool:
            # What the other does not know it puts back for half a minute; here for a moment.
            looking.connection.execute("UPDATE forecourt.scheduled SET run_at = now()")
            return looking.count("done") == 42

        wait_until(all_are_done, what="both to do theirs")
        assert f"no job is named 'bake'. In {BUTCHERY} there is cool_the_cellar, cut." in typed(
            BUTCHERY, "queue", "dispatch", "bake", '{"n": 1}', code=5
        )
    expected = sorted((f"{what} {n}", 1) for what in ("bread", "meat") for n in range(1, 22))
    assert sorted(looking.rows("SELECT call, count(*) FROM traces GROUP BY call")) == expected
    assert looking.rows("SELECT outcome, attempts, count(*) FROM forecourt.done GROUP BY 1, 2") == [("finished", 1, 42)]
    assert (looking.live(), looking.count("failed")) == (0, 0)


def test_a_killed_worker_s_call_is_given_back_by_the_other_application_and_never_failed(
    looking: Looking, tmp_path: Path
) -> None:
    with work(BUTCHERY) as butchery:
        wait_until(lambda: "worker started" in butchery.said())
        with work(BAKERY, "--queue", "oven") as bakery:
            typed(BAKERY, "queue", "dispatch", "let_rise", json.dumps({"folder": str(tmp_path)}))
            wait_until((tmp_path / "rising").exists)
            bakery.kill()
        wait_until(lambda: "worker lost, its calls were given back" in butchery.said())
        (tmp_path / "risen").touch()
        assert (looking.live(), looking.count("failed")) == (1, 0)
        with work(BAKERY):

            def is_done() -> bool:
                looking.connection.execute("UPDATE forecourt.scheduled SET run_at = now()")
                return looking.count("done") == 1

            wait_until(is_done)
    assert looking.rows("SELECT job, outcome, attempts FROM forecourt.done") == [("let_rise", "finished", 2)]


def test_the_clock_of_each_knows_its_own_tasks_and_leaves_the_other_s_alone(looking: Looking) -> None:
    with (
        running("schedule", "work", app=BAKERY) as baker_s_clock,
        running("schedule", "work", app=BUTCHERY) as butcher_s_clock,
        work(BUTCHERY, "--queue", "cellar"),
    ):
        with work(BAKERY, "--queue", "oven"):
            wait_until(lambda: ticks(looking, "fire_the_oven") >= 3 and ticks(looking, "cool_the_cellar") >= 3)
            bread, meat = tasks(BAKERY), tasks(BUTCHERY)
            assert (list(bread), list(meat)) == (["fire_the_oven", "daily_bread"], ["cool_the_cellar"])
            assert bread["fire_the_oven"]["timezone"] == "UTC"
            assert meat["cool_the_cellar"]["timezone"] == "Europe/Berlin"
            assert bread["fire_the_oven"]["last"]
            assert meat["cool_the_cellar"]["last"]
            assert {row["task"] for row in json.loads(typed(BAKERY, "schedule", "history", "--json"))} == {
                "fire_the_oven",
                "cool_the_cellar",
            }
            assert "no task is named 'cool_the_cellar'" in typed(BAKERY, "schedule", "pause", "cool_the_cellar", code=5)
            typed(BAKERY, "schedule", "pause", "fire_the_oven")
            before = ticks(looking, "cool_the_cellar")
            wait_until(lambda: ticks(looking, "cool_the_cellar") >= before + 3, what="what nobody has paused")
            assert tasks(BAKERY)["fire_the_oven"]["paused"]
            assert tasks(BUTCHERY)["cool_the_cellar"]["paused"] is None
            typed(BAKERY, "schedule", "resume", "fire_the_oven")
            sizes = {row["queue"]: row for row in json.loads(typed(BUTCHERY, "queue", "size", "--json"))}
            assert {"oven", "default", "cellar"} <= set(sizes)
            assert not any(row["failed"] or row["paused"] for row in sizes.values())
        baker_s_clock.signal(signal.SIGTERM)
        assert baker_s_clock.wait() == 0
        evaluated = looking.one("SELECT evaluated_until FROM forecourt.tasks WHERE name = 'fire_the_oven'")
        before = ticks(looking, "cool_the_cellar")
        wait_until(lambda: ticks(looking, "cool_the_cellar") >= before + 3, what="the other's clock to go on")
        assert looking.one("SELECT evaluated_until FROM forecourt.tasks WHERE name = 'fire_the_oven'") == evaluated
        assert "disagree" not in baker_s_clock.said() + butcher_s_clock.said()
    assert looking.rows("SELECT DISTINCT task FROM forecourt.ticks WHERE status = 'failed'") == []
    assert looking.count("failed") == 0
