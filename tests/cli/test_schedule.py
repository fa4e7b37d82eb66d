"""`forecourt schedule`: what operators type, what they read, and the exit codes that their scripts
read.
"""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

import nightwatch
import workshop
from fleet import Looking, Process, wait_until
from forecourt import Forecourt, Middleware, Timetable
from forecourt.app import load
from forecourt.cli.errors import explained
from forecourt.cli.schedule import schedule
from forecourt.database import engine, session
from forecourt.jobs.context import RunningCall
from forecourt.schedule.clock import Clock
from forecourt.schedule.run_now import run_now
from forecourt.settings import settings
from hands import Hands

Run = Callable[..., Result]

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def run(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The command in this process, with the exit code and the words that the console script would
    give.
    """
    monkeypatch.setenv("FORECOURT_APP", "nightwatch:app")
    settings.cache_clear()

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(schedule, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            code, words = explained(result.exception)  # type: ignore[arg-type]
            assert code is not None, result.exception
            result.exit_code = code
            result.stderr_bytes = (result.stderr_bytes or b"") + words.encode()
        return result

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield invoke
    root.handlers[:] = handlers
    root.setLevel(level)


def as_json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def by_task(result: Result) -> dict[str, dict[str, Any]]:
    return {row["task"]: row for row in as_json(result)}


def tick(
    looking: Looking, task: str, due_at: datetime, status: str, why: str | None = None, output: str = "null"
) -> None:
    looking.connection.execute(
        """
        INSERT INTO forecourt.ticks (task, due_at, status, why, started_at, finished_at, output)
        VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb)
        """,
        (task, due_at, status, why, due_at, due_at + 30 * MINUTE, output),
    )


# -- list ------------------------------------------------------------------------------------------


def test_list_tells_every_task_in_words_and_in_figures(run: Run, looking: Looking) -> None:
    Hands(looking, NOON)
    tick(looking, "close_books", NOON - timedelta(days=2), "succeeded")
    tick(looking, "close_books", NOON - timedelta(days=1), "failed", "ValueError: no books", '{"books": 3}')
    tasks = by_task(run("list", "--json"))
    assert list(tasks) == [*nightwatch.ENDS, "close_books", "collect_dues"]
    books = tasks["close_books"]
    last = books.pop("last")
    assert books == {
        "task": "close_books",
        "job": "leave_trace",
        "description": "Closes the day",
        "stored": False,
        "sentence": "Daily at 02:00",
        "cron": "0 2 * * *",
        "repeat_seconds": None,
        "timezone": "Africa/Cairo",
        "environments": [],
        "conditions": [],
        "next_due": ["2026-11-24T00:00:00Z"],
        "next_due_human": "in 12 h 0 min",
        "paused": None,
    }
    assert (last["due_at"], last["status"], last["why"]) == ("2026-11-22T12:00:00Z", "failed", "ValueError: no books")
    assert last["output"] == {"books": 3}
    assert last["finished_at"].endswith("Z")
    assert tasks["collect_dues"]["last"] is None


def test_list_shows_people_the_same_one_line_a_task(run: Run, looking: Looking) -> None:
    Hands(looking, NOON)
    tick(looking, "close_books", NOON - timedelta(days=1), "failed", "ValueError: two\nlines")
    result = run("list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["task", "when", "cron", "zone", "next", "due", "last", "result"]
    assert len(lines) == 1 + len(nightwatch.timetable)
    [books] = [line for line in lines if line.startswith("close_books")]
    assert books.split("  ")[-3:] == [
        "Tue 2026-11-24 02:00",
        "in 12 h 0 min",
        "failed 23 h 30 min ago: ValueError: two lines",
    ]
    assert [line for line in lines if line.startswith("collect_dues") and line.endswith("never ran")]


def test_explain_says_for_each_due_time_what_the_clock_will_look_at(run: Run, looking: Looking) -> None:
    Hands(looking, NOON)
    found = as_json(run("explain", "close_books", "--count", "2", "--json"))
    assert [one["at"] for one in found] == ["2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"]
    assert found[0]["verdict"] == "will be enqueued and wait"
    result = run("explain", "close_books", "--at", "2026-11-23T11:00+00:00")
    assert "Mon 2026-11-23 13:00:00 EET, 1 h 0 min ago: is not due" in result.stdout
    assert "✕ frequency" in result.stdout
    assert "Tue 2026-11-24 02:00:00 EET, in 12 h 0 min: will be enqueued and wait" in result.stdout
    assert "✕ queue" in result.stdout
    assert run("explain", "close_book").exit_code == 5


def test_list_shows_the_next_due_times_in_the_zone_that_was_asked_for(run: Run, looking: Looking) -> None:
    Hands(looking, NOON)
    due = by_task(run("list", "--next", "3", "--json"))["close_books"]["next_due"]
    assert due == ["2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"]
    shown = run("list", "--next", "3", "--timezone", "America/New_York").stdout
    assert [f"Mon 2026-11-{day} 19:00" in shown or f"2026-11-{day} 19:00" in shown for day in (23, 24, 25)] == [
        True
    ] * 3


def test_list_tells_where_and_under_which_conditions_a_task_runs(
    run: Run, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing, name="elsewhere").daily().environments("production")
    timetable.add(workshop.nothing, name="sometimes").daily().when(is_open)
    at_work(timetable, monkeypatch)
    elsewhere, sometimes = by_task(run("list", "--json")).values()
    assert (elsewhere["environments"], elsewhere["next_due"]) == (["production"], [])
    assert elsewhere["next_due_human"] == "not in this environment, local"
    assert sometimes["conditions"] == ["when is_open"]
    shown = run("list").stdout
    assert "Daily at 00:00, in production" in shown
    assert "Daily at 00:00, when is_open" in shown


def test_history_tells_zone_host_and_lateness(run: Run, looking: Looking) -> None:
    tick(looking, "close_books", NOON, "succeeded")
    looking.connection.execute("UPDATE forecourt.ticks SET host = 'web-1', started_at = due_at + interval '75 s'")
    head, line = run("history").stdout.splitlines()
    assert head.split() == ["due", "task", "host", "status", "late", "took", "result"]
    assert line.split()[2] == NOON.astimezone().tzname()
    assert "web-1" in line
    assert "1 min" in line


def is_open() -> bool:
    return True


def test_an_empty_timetable_says_how_to_begin(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightwatch, "app", Forecourt(Timetable("UTC")))
    assert as_json(run("list", "--json")) == []
    result = run("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "timetable.add(job)" in result.stderr


# -- history ---------------------------------------------------------------------------------------


def test_history_tells_the_latest_due_times_first(run: Run, looking: Looking) -> None:
    for hour in range(4):
        tick(looking, "steady", NOON + hour * timedelta(hours=1), "succeeded", output='{"left": 1}')
    tick(looking, "failing", NOON + timedelta(minutes=30), "skipped", "the schedule is paused by Salma")
    rows = as_json(run("history", "--json", "--limit", "4"))
    assert [row["due_at"] for row in rows] == [
        f"2026-11-23T{clock}:00Z" for clock in ("15:00", "14:00", "13:00", "12:30")
    ]
    assert (rows[3]["task"], rows[3]["status"], rows[3]["why"]) == (
        "failing",
        "skipped",
        "the schedule is paused by Salma",
    )
    shown = run("history", "steady").stdout
    assert shown.count("succeeded") == 4
    assert "failing" not in shown
    assert '30 min  {"left": 1}' in shown


def test_history_of_nothing_says_where_to_look(run: Run) -> None:
    result = run("history")
    assert (result.exit_code, "forecourt schedule list" in result.stderr) == (0, True)


# -- pause and resume ------------------------------------------------------------------------------


def test_a_pause_is_shown_where_it_holds_and_resume_ends_it(run: Run, looking: Looking) -> None:
    assert run("pause", "--group", "books", "--why", "stocktaking").exit_code == 0
    tasks = by_task(run("list", "--json"))
    assert {name for name, task in tasks.items() if task["paused"]} == {"close_books", "collect_dues"}
    assert tasks["close_books"]["paused"].startswith("group books is paused by ")
    assert tasks["close_books"]["paused"].endswith(": stocktaking")
    assert ": stocktaking" in run("list").stdout
    assert run("resume", "--group", "books").stdout == "Group books goes on.\n"
    assert not any(task["paused"] for task in by_task(run("list", "--json")).values())
    assert looking.rows("SELECT action, target ->> 'name' FROM forecourt.audit ORDER BY id") == [
        ("schedule pause", "books"),
        ("schedule resume", "books"),
    ]


@pytest.mark.parametrize(
    ("arguments", "kind", "name"),
    [([], "schedule", ""), (["steady"], "task", "steady"), (["--group", "night"], "group", "night")],
)
def test_the_whole_schedule_a_task_or_a_group_is_paused_until_then(
    run: Run, looking: Looking, arguments: list[str], kind: str, name: str
) -> None:
    assert run("pause", *arguments, "--for", "90").exit_code == 0
    [(found_kind, found_name, minutes)] = looking.rows(
        "SELECT kind, name, extract(epoch FROM until - now()) / 60 FROM forecourt.pauses"
    )
    assert (found_kind, found_name) == (kind, name)
    assert 89 < minutes <= 90
    assert run("pause", *arguments, "--until", "2099-12-31 23:59").exit_code == 0
    assert looking.one("SELECT extract(year FROM until)::int FROM forecourt.pauses") in (2099, 2100)
    assert run("resume", *arguments).exit_code == 0
    assert looking.count("pauses") == 0


MISTAKES = [
    (["pause", "stedy"], 5, "no task is named 'stedy'; there is steady"),
    (["resume", "stedy"], 5, "no task is named 'stedy'; there is steady"),
    (["history", "stedy"], 5, "no task is named 'stedy'; there is steady"),
    (["test", "stedy", "--yes"], 5, "no task is named 'stedy'; there is steady"),
    (["explain", "steady", "--at", "9999-12-30T00:00Z"], 2, "is beyond all calendars"),
    (["pause", "--group", "day"], 5, "no group is named 'day'; there is books, night"),
    (["resume", "steady"], 5, "Task steady is not paused"),
    (["resume"], 5, "The whole schedule is not paused"),
    (["pause", "steady", "--until", "2001-01-01 00:00"], 2, "--until 2001-01-01 00:00 is in the past"),
    (["pause", "steady", "--until", "soon"], 2, "'soon' does not match"),
    (["pause", "steady", "--for", "0"], 2, "'--for': 0.0 is not in the range"),
    (["pause", "steady", "--for", "5", "--until", "12:00"], 2, "--until or --for, not both"),
    (["pause", "steady", "--group", "night"], 2, "a task or --group, not both"),
    (["list", "--next", "0"], 2, "'--next': 0 is not in the range"),
    (["list", "--timezone", "Africa/Kairo"], 2, "'Africa/Kairo' is not an IANA time zone"),
]


def test_what_cannot_be_done_is_named_and_changes_nothing(run: Run, looking: Looking) -> None:
    for arguments, code, words in MISTAKES:
        result = run(*arguments)
        assert (result.exit_code, words in result.stderr) == (code, True), result.stderr
    assert (looking.count("pauses"), looking.count("audit")) == (0, 0)


# -- test ------------------------------------------------------------------------------------------


def test_test_refuses_without_a_terminal_and_while_the_task_is_held(run: Run, looking: Looking) -> None:
    result = run("test", "steady")
    assert (result.exit_code, "repeat with --yes" in result.stderr) == (4, True)
    clock = Clock(nightwatch.timetable, engine(), environment="test")
    clock.begin(NOON - MINUTE)
    clock.run_once(NOON)
    call = looking.one("SELECT call_id FROM forecourt.ticks WHERE task = 'steady'")
    result = run("test", "steady", "--yes")
    assert (result.exit_code, f"steady is running as call {call} since" in result.stderr) == (75, True)
    assert looking.traces() == 0


def test_test_runs_a_task_inside_the_application_s_middleware_and_commits_it_as_a_slot_does(
    run: Run, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str | None]] = []

    class Watch(Middleware):
        def after(self, call: RunningCall, error: BaseException | None) -> None:
            seen.append((call.options["task"], None if error is None else type(error).__name__))

    timetable = Timetable("UTC")
    timetable.add(workshop.transact, call="transacting").daily()
    timetable.add(workshop.commit_inside, call="committing").daily()
    monkeypatch.setattr(nightwatch, "app", Forecourt(timetable, middleware=[Watch()]))
    assert run("test", "transact", "--yes").exit_code == 0
    with pytest.raises(RuntimeError, match="a job must not commit the session"):
        run_now(timetable["commit_inside"], load("nightwatch:app").jobs.middleware)
    assert seen == [("transact", None), ("commit_inside", "RuntimeError")]
    assert looking.rows("SELECT call FROM traces") == [("transacting",)]


def test_as_processes_tasks_run_by_hand_and_their_exit_codes_are_what_scripts_read(looking: Looking) -> None:
    """Side by side, for each process takes a second to start."""
    expected = {
        ("list",): (0, "steady"),
        ("test", "steady", "--yes"): (0, "steady succeeded in"),
        ("test", "transacting", "--yes"): (0, "transacting succeeded in"),
        ("test", "collect_dues", "--yes"): (0, "collect_dues succeeded in"),
        ("test", "failing", "--yes"): (1, "ValueError: failing cannot work"),
        ("test", "barred", "--yes"): (1, "hooks of task barred"),
        ("test", "steady"): (4, "repeat with --yes"),
        ("pause", "stedy"): (5, "there is steady"),
        ("pause", "--until", "2001-01-01 00:00"): (2, "is in the past"),
    }
    names = list(expected)
    for some in (names[:5], names[5:]):
        started = {name: Process("schedule", *name, app="nightwatch:app") for name in some}
        for name, process in started.items():
            code, words = expected[name]
            assert (process.wait(), words in process.said()) == (code, True), process.said()
    left = [call for (call,) in looking.rows("SELECT call FROM traces")]
    assert sorted(call for call in left if "steady" in call) == [
        "after steady well",
        "before steady",
        "steady",
        next(call for call in left if call.startswith("steady due ")),
        "success steady well",
    ]
    assert left.count("transacting") == left.count("collected 7") == left.count("failing") == 1
    assert left.count("failure failing badly: ValueError: failing cannot work") == 1
    assert "barred" not in left
    assert looking.count("ticks") == 0, "the schedule does not count what is run by hand"


# -- run -------------------------------------------------------------------------------------------


def test_conditions_that_hold_sessions_keep_the_clock_from_nothing(
    run: Run, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plain_is_entered() -> bool:
        with session() as opened:
            asked = text("SELECT count(*) FROM forecourt.ticks WHERE task = 'plain'")
            return bool(wait_until(lambda: opened.scalar(asked), timeout=25))

    timetable = Timetable("UTC")
    timetable.add(workshop.nothing, name="plain").every_minute()
    for number in range(16):  # more than a process's own pool has
        timetable.add(workshop.nothing, name=f"asks {number}").every_minute().when(plain_is_entered)
    monkeypatch.setattr("forecourt.app.load", lambda: Forecourt(timetable))
    done = run("run")
    assert (done.exit_code, looking.count("ready")) == (0, 17), done.output


class WindUp:
    """Time that passes only in sleep, and takes the hands of the database's clock along. The wall
    clock of this host is set back by an hour as soon as somebody has read it.
    """

    def __init__(self, hands: Hands, at: datetime) -> None:
        self.hands, self.at = hands, at
        self.set_back = 0

    def time(self) -> float:
        shown = self.at.timestamp() - self.set_back
        self.set_back = 3600
        return shown

    def monotonic(self) -> float:
        return (self.at - NOON).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.hands.turn(self.at)


def at_work(timetable: Timetable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command find this timetable."""
    monkeypatch.setattr(nightwatch, "app", Forecourt(timetable))


def test_run_enqueues_what_is_due_once_also_when_it_is_run_twice(
    run: Run, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing).every_minute().allow_overlapping()
    timetable.add(workshop.nothing, name="closed").every_minute().when(bool)
    at_work(timetable, monkeypatch)
    hands = Hands(looking, NOON - MINUTE)
    assert run("run").exit_code == 0
    hands.turn(NOON + timedelta(seconds=1))
    first, second = run("run"), run("run")
    assert (first.exit_code, second.exit_code) == (0, 0)
    call = looking.one("SELECT max(id) FROM forecourt.ready")
    assert first.stdout.splitlines() == [
        f"nothing due 2026-11-23 12:00:00 UTC: call {call}",
        "closed due 2026-11-23 12:00:00 UTC: skipped, when(bool) was false",
    ]
    assert (second.stdout, second.stderr) == ("", ""), "cron sends a mail for every word"
    assert looking.count("ticks") == 4, "those of the first minute, and these"


def test_run_stays_until_the_minute_s_end_for_tasks_that_repeat_within_it(
    run: Run, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing).every_fifteen_seconds().allow_overlapping()
    at_work(timetable, monkeypatch)
    hands = Hands(looking, NOON - timedelta(seconds=15))
    Clock(timetable, engine(), environment="local").begin()
    time_passing = WindUp(hands, NOON + timedelta(seconds=1.5))
    hands.turn(time_passing.at)
    monkeypatch.setattr("forecourt.cli.schedule.time", time_passing)
    assert run("run").exit_code == 0
    assert NOON + timedelta(seconds=59) < time_passing.at < NOON + MINUTE
    found = looking.rows("SELECT to_char(due_at, 'MI:SS'), status FROM forecourt.ticks ORDER BY due_at")
    assert found == [(f"00:{second}", "enqueued") for second in ("00", "15", "30", "45")]


def test_run_neither_enters_nor_waits_for_the_tasks_of_another_environment(
    run: Run, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing, name="elsewhere").every_second().environments("production")
    at_work(timetable, monkeypatch)
    time_passing = WindUp(Hands(looking, NOON), NOON)
    monkeypatch.setattr("forecourt.cli.schedule.time", time_passing)
    assert run("run").exit_code == 0
    assert time_passing.at == NOON
    assert looking.count("tasks") == 0
