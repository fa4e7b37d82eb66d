"""Promises of tasks that change while the application runs: the same rules, the same clock, and the
code's stay the code's.
"""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from rounds import MINUTE, NOON, clock_of, enqueued

import workshop
from fleet import Looking, wait_until
from forecourt import Forecourt, Timetable
from forecourt.cli.errors import explained
from forecourt.cli.schedule import schedule
from forecourt.database import engine
from forecourt.doctor import lateness
from forecourt.doctor.check import House
from forecourt.jobs.registry import Registry
from forecourt.operations import stored_tasks
from forecourt.schedule.clock import Clock
from forecourt.schedule.errors import TimetableError, UnknownTaskError
from forecourt.settings import settings
from forecourt.store import stored_tasks as store
from forecourt.store import tasks
from forecourt.store.stored_tasks import StoredTask
from forecourt.store.tasks import Version

HOUR = timedelta(hours=1)


@pytest.fixture
def timetable() -> Timetable:
    """One task of the code."""
    timetable = Timetable("Africa/Cairo")
    timetable.add(workshop.nothing).hourly()
    return timetable


def clock_with_jobs(timetable: Timetable, host: str = "a") -> Clock:
    return Clock(timetable, engine(), environment="test", host=host, jobs=Registry())


def test_running_clocks_take_up_what_is_added_edited_and_removed_and_make_up_nothing(
    timetable: Timetable, looking: Looking
) -> None:
    tx = looking.connection
    clock, other = clock_with_jobs(timetable), clock_with_jobs(timetable, "b")
    clock.run_once(NOON + MINUTE)
    added = StoredTask("count", "nothing", {"n": 3}, "*/10 * * * *", description="Counts")
    task = stored_tasks.add(tx, timetable, Registry(), added, who="anna")
    assert (task.sentence, task.zone.key, task.is_stored) == ("Every 10 minutes", "Africa/Cairo", True)
    assert clock.run_once(NOON + 2 * MINUTE) == []
    assert enqueued(clock.run_once(NOON + 10 * MINUTE)) == [("count", NOON + 10 * MINUTE)]
    assert enqueued(other.run_once(NOON + 10 * MINUTE)) == []
    assert looking.rows("SELECT job, args, options ->> 'task' FROM forecourt.ready") == [("nothing", {"n": 3}, "count")]
    looking.connection.execute("DELETE FROM forecourt.ready")
    stored_tasks.edit(tx, timetable, Registry(), "count", {"cron": "15 * * * *", "args": {"n": 4}}, who="omar")
    assert clock.run_once(NOON + 11 * MINUTE) == []
    assert enqueued(clock.run_once(NOON + 15 * MINUTE)) == [("count", NOON + 15 * MINUTE)]
    looking.connection.execute("DELETE FROM forecourt.ready")
    gone = stored_tasks.remove(tx, timetable, "count", who="anna")
    assert (gone.args, gone.cron, gone.changed_by) == ({"n": 4}, "15 * * * *", "omar")
    assert enqueued(clock.run_once(NOON + 75 * MINUTE)) == [("nothing", NOON + HOUR)]
    stored_tasks.add(tx, timetable, Registry(), gone, who="anna")
    assert clock.run_once(NOON + 3 * HOUR + 20 * MINUTE)[-1].task == "nothing", "it comes back with its next due time"
    assert looking.rows("SELECT DISTINCT due_at FROM forecourt.ticks WHERE task = 'count' ORDER BY 1") == [
        (NOON + 10 * MINUTE,),
        (NOON + 15 * MINUTE,),
    ]
    assert looking.rows("SELECT who, action FROM forecourt.audit ORDER BY id") == [
        ("anna", "schedule add"),
        ("omar", "schedule edit"),
        ("anna", "schedule remove"),
        ("anna", "schedule add"),
    ]


def test_a_task_that_is_removed_while_a_clock_takes_it_up_leaves_nothing(
    timetable: Timetable, looking: Looking, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tx, clock = looking.connection, clock_with_jobs(timetable)
    stored_tasks.add(tx, timetable, Registry(), StoredTask("count", "nothing", {}, "@hourly"), who="anna")
    begin = clock.begin

    def begin_too_late(at: datetime | None = None) -> None:
        stored_tasks.remove(tx, timetable, "count", who="omar")
        begin(at)

    monkeypatch.setattr(clock, "begin", begin_too_late)
    clock.run_once(NOON)
    assert looking.rows("SELECT name FROM forecourt.tasks") == [("nothing",)]
    assert [task.name for task in clock.tasks] == ["nothing"]

    stored_tasks.add(tx, timetable, Registry(), StoredTask("count", "nothing", {}, "@hourly"), who="anna")
    with ThreadPoolExecutor(1) as thread, psycopg.connect(database) as taking_up:
        tasks.take_turn(taking_up)
        removing = thread.submit(stored_tasks.remove, tx, timetable, "count", who="omar")
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"  # looking is what waits
        wait_until(lambda: removing.done() or taking_up.execute(waits).fetchone() != (0,))
        tasks.enter(taking_up, {Version("count", ""): False}, NOON)
        taking_up.commit()
        removing.result()
    assert looking.rows("SELECT name FROM forecourt.tasks") == [("nothing",)]


def test_changes_at_the_same_time_wait_for_each_other_and_none_is_lost_or_overlooked(
    timetable: Timetable, looking: Looking, database: str
) -> None:
    for name in ("count", "other"):
        stored_tasks.add(
            looking.connection, timetable, Registry(), StoredTask(name, "nothing", {}, "@daily"), who="anna"
        )

    def change_its_arguments() -> None:
        stored_tasks.edit(waiting, timetable, Registry(), "count", {"args": {"n": 1}}, who="omar")
        waiting.commit()

    with psycopg.connect(database) as early, psycopg.connect(database) as waiting:
        stored_tasks.edit(early, timetable, Registry(), "count", {"cron": "@hourly"}, who="anna")
        second = threading.Thread(target=change_its_arguments)
        second.start()
        wait_until(looking.waiting)
        stored_tasks.edit(looking.connection, timetable, Registry(), "other", {"cron": "@hourly"}, who="omar")
        seen = store.state(looking.connection)
        early.commit()
        second.join()
    assert looking.rows("SELECT cron, args FROM forecourt.stored_tasks WHERE name = 'count'") == [("@hourly", {"n": 1})]
    looking.connection.execute("DELETE FROM forecourt.stored_tasks WHERE name = 'other'")
    assert store.state(looking.connection) != seen
    with psycopg.connect(database) as early:
        stored_tasks.edit(early, timetable, Registry(), "count", {"cron": "@daily"}, who="anna")
        later = StoredTask("other", "nothing", {}, "@daily")
        stored_tasks.add(looking.connection, timetable, Registry(), later, who="omar")
        seen = store.state(looking.connection)
    assert store.state(looking.connection) != seen, "what was committed late bears the earlier time"


def test_what_is_stored_names_its_zone_and_keeps_numbers_of_any_size(timetable: Timetable, looking: Looking) -> None:
    tx, large = looking.connection, 2**70
    stored_tasks.add(tx, timetable, Registry(), StoredTask("count", "nothing", {"n": large}, "@hourly"), who="anna")
    stored_tasks.edit(tx, timetable, Registry(), "count", {"timezone": ""}, who="anna")
    assert looking.rows("SELECT timezone, args FROM forecourt.stored_tasks") == [("Africa/Cairo", {"n": large})]
    timetable.add(workshop.nothing, name="code's", n=large).hourly().describe("With a NUL: \x00")
    clock = Clock(timetable, engine(), environment="test", host="a", application="a:b", jobs=Registry())
    clock.begin(NOON)
    clock.run_once(NOON + MINUTE)
    assert sorted(enqueued(clock.run_once(NOON + HOUR)))[:2] == [("code's", NOON + HOUR), ("count", NOON + HOUR)]


def test_what_the_code_could_not_say_is_refused_and_nothing_is_stored(timetable: Timetable, looking: Looking) -> None:
    for changed, words in (
        ({"cron": "0 25 * * *"}, "hour '25'"),
        ({"timezone": "Africa/Kairo"}, "'Africa/Kairo' is not an IANA time zone, such as Africa/Cairo"),
        ({"args": {"m": 1}}, "'m'"),
        ({"args": {"n": "three"}}, "argument 'n'"),
        ({"job": "nothin"}, "there is no job 'nothin'"),
        ({"queue": "a,b"}, "queue: 'a,b'"),
        ({"name": " count"}, "' count' is not a name"),
        ({"name": "nothing"}, r"is the code's \(.*\): give this one a name of its own, --name"),
    ):
        given: dict[str, Any] = {"name": "count", "job": "nothing", "args": {}, "cron": "@daily"} | changed
        with pytest.raises(TimetableError, match=words):
            stored_tasks.add(looking.connection, timetable, Registry(), StoredTask(**given), who="anna")
    assert looking.count("stored_tasks") == 0
    assert len(timetable) == 1


def test_the_code_s_tasks_stay_the_code_s_and_what_does_not_fit_it_is_told(
    timetable: Timetable, looking: Looking, caplog: pytest.LogCaptureFixture
) -> None:
    tx = looking.connection
    with pytest.raises(UnknownTaskError, match=r"task 'nothing' is the code's \(.*\): change it there and deploy"):
        stored_tasks.remove(tx, timetable, "nothing", who="anna")
    with pytest.raises(UnknownTaskError, match="no stored task is named 'count'; there is none"):
        stored_tasks.edit(tx, timetable, Registry(), "count", {"cron": "@daily"}, who="anna")
    stored_tasks.add(tx, timetable, Registry(), StoredTask("fail", "fail", {"call": "x"}, "@hourly"), who="anna")
    timetable.add(workshop.fail, call="y").daily_at("04:00")
    assert len(clock_with_jobs(timetable).tasks) == 2
    clock = clock_with_jobs(timetable)
    clock.run_once(NOON + MINUTE)
    assert {str(task.name): str(task.cron) for task in clock.tasks} == {"nothing": "0 * * * *", "fail": "0 4 * * *"}
    looking.connection.execute("UPDATE forecourt.stored_tasks SET name = 'other', job = 'gone', changed_at = now()")
    clock.run_once(NOON + 2 * MINUTE)
    assert len(clock.tasks) == 2, "a job of another application is left to it"
    house = House(tx, Forecourt(timetable), NOON)
    assert "late other" not in {result.name for result in lateness.late(house)}
    assert "does not fit" not in caplog.text
    tx.execute("UPDATE forecourt.stored_tasks SET job = 'nothing', args = '{\"m\": 1}', changed_at = now()")
    clock.run_once(NOON + 2 * MINUTE)
    assert "a stored task does not fit the code, and is not followed: task 'other' (added while" in caplog.text
    [unfit] = [result for result in lateness.late(house) if result.name == "late other"]
    assert (unfit.status, "no such argument: 'm'" in unfit.found) == ("warn", True)
    clock_of(timetable).run_once(NOON + 2 * MINUTE)


@pytest.fixture
def run(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("FORECOURT_APP", "nightwatch:app")
    settings.cache_clear()

    def invoke(*words: str) -> Result:
        result = CliRunner().invoke(schedule, words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            code, said = explained(result.exception)  # type: ignore[arg-type]
            assert code is not None, result.exception
            result.exit_code, result.stderr_bytes = code, said.encode()
        return result

    return invoke


def test_an_operator_adds_edits_lists_and_removes_a_task(run: Callable[..., Result], looking: Looking) -> None:
    args = json.dumps({"call": "by night"})
    added = run("add", "leave_trace", "--name", "trace", "--cron", "30 9 * * 1", "--args", args, "--queue", "low")
    assert added.exit_code == 0, added.output
    assert added.stdout.startswith("trace added: Mondays at 09:30 (UTC), next Mon ")
    edited = run("edit", "trace", "--cron", "@daily", "--timezone", "Asia/Damascus", "--describe", "For the night")
    assert edited.stdout.startswith("trace changed: Daily at 00:00 (Asia/Damascus), next ")
    [row] = [row for row in json.loads(run("list", "--json").stdout) if row["task"] == "trace"]
    assert (row["cron"], row["description"], row["stored"]) == ("@daily", "For the night", True)
    assert "Daily at 00:00, added while it ran" in run("list").stdout
    assert run("edit", "trace", "--queue", "").exit_code == 0
    assert looking.rows("SELECT queue, timezone FROM forecourt.stored_tasks") == [(None, "Asia/Damascus")]
    assert run("edit", "trace", "--queue", "low").exit_code == 0
    assert run("pause", "trace").exit_code == 0
    assert "task trace is paused" in run("explain", "trace").stdout
    triggered = json.loads(run("trigger", "trace", "--json").stdout)
    assert looking.rows("SELECT queue, args FROM forecourt.ready WHERE id = %s", triggered["call"]) == [
        ("low", {"call": "by night"})
    ]
    undo = run("remove", "trace").stdout
    assert undo == (
        "trace removed. Undo: forecourt schedule add leave_trace --cron @daily --name trace"
        " --args '{\"call\": \"by night\"}' --timezone Asia/Damascus --queue low --describe 'For the night'\n"
    )
    assert [run(*words).exit_code for words in (("remove", "trace"), ("remove", "steady"), ("edit", "trace"))] == [
        5,
        5,
        2,
    ]
    wrong = run("add", "leave_trace", "--cron", "@daily", "--args", "[1]")
    assert (wrong.exit_code, "not a JSON object" in wrong.output) == (2, True)
    assert "fields, not 5" in (run("add", "nothing", "--cron", "* * *").stderr_bytes or b"").decode()
