"""Promises of the hooks, kept by one night with a real clock, a real worker and a real monitor."""

import http.server
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg import sql
from rounds import MINUTE, NOON, begun, enqueued
from sqlalchemy import make_url

import nightwatch
import workshop
from fleet import Looking, wait_until, worker
from forecourt import Forecourt, Timetable
from forecourt.database import forget_engine
from forecourt.settings import settings
from forecourt.store.ending import cancel_waiting
from forecourt.testing import drain

MANY = ("failing", "hanging", "dying")
"""Those that fail twice, by raising, by their timeout, and by SIGKILL."""


class Monitor(http.server.BaseHTTPRequestHandler):
    """Keeps what it is asked; refuses, or talks nonsense, where the path says so. A success it
    answers without end.
    """

    asked: ClassVar[Counter[str]] = Counter()
    over: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        if self.path == "/garbage":
            self.wfile.write(b"MOO\r\n\r\n")
        else:
            self.send_response(500 if self.path == "/500" else 200)
            self.end_headers()
            if self.path == "/steady/good":
                self.wfile.write(b"well")
                self.over.wait(60)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at `asked`."""


@dataclass(frozen=True)
class Night:
    """What was left of it: traces, pings, and the tasks' ticks as (status, why, output,
    seconds).
    """

    traces: Counter[str]
    pings: Counter[str]
    ticks: dict[str, tuple[str, str | None, Any, float]]
    followed: list[tuple[str, int]]
    answers: set[tuple[str, str, str, str | None]]


@pytest.fixture(scope="module")
def night(server_url: str, template: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """All tasks of the night watch are due once, at noon, and a worker brings them to their end."""
    name = "nightwatch"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template()))
        )
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    Monitor.asked.clear()
    Monitor.over.clear()
    with pytest.MonkeyPatch.context() as patch, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Monitor) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        patch.setenv("FORECOURT_DATABASE_URL", url)
        patch.setenv("FORECOURT_VAR", str(tmp_path_factory.mktemp("night") / "var"))
        patch.setenv("NIGHTWATCH_MONITOR", f"http://127.0.0.1:{server.server_port}")
        settings.cache_clear()
        forget_engine()
        yield _pass_the_night(Looking(url))
        Monitor.over.set()
        server.shutdown()
        forget_engine()
    settings.cache_clear()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _pass_the_night(looking: Looking) -> Night:
    looking.connection.execute(workshop.TRACES.encode())
    clock = begun(nightwatch.timetable, NOON - MINUTE)
    assert len(clock.run_once(NOON)) == len(nightwatch.ENDS)
    with worker("--tries", "1", app="nightwatch:app"):
        wait_until(lambda: looking.live() == 0)
    rows = looking.rows("""
        SELECT task, status, why, output, extract(epoch FROM finished_at - started_at)::float8
        FROM forecourt.ticks
    """)
    followed = looking.rows("""
        SELECT args ->> 'task', attempts FROM forecourt.done WHERE job = 'forecourt.after_task'
        UNION ALL
        SELECT args ->> 'task', attempts FROM forecourt.failed WHERE job = 'forecourt.after_task'
    """)
    traces = Counter(call for (call,) in looking.rows("SELECT call FROM traces"))
    answers = set(looking.rows("SELECT task, address, status, error FROM forecourt.pings"))
    looking.connection.close()
    return Night(traces, Counter(Monitor.asked), {row[0]: row[1:] for row in rows}, sorted(followed), answers)


def test_exactly_one_call_follows_each_run_however_it_ended(night: Night) -> None:
    assert night.followed == [(task, 1) for task in sorted(nightwatch.ENDS)]


@pytest.mark.parametrize("task", ["steady", "transacting"])
def test_a_run_that_succeeds_has_its_hooks_in_their_turn(night: Night, task: str) -> None:
    assert night.traces[task] == 1
    assert night.traces[f"before {task}"] == 1
    assert night.traces[f"after {task} well"] == 1
    assert night.traces[f"success {task} well"] == 1
    assert not [trace for trace in night.traces if trace.startswith(f"failure {task}")]
    assert {path: count for path, count in night.pings.items() if f"/{task}/" in path} == {
        f"/{task}/start": 1,
        f"/{task}/end": 1,
        f"/{task}/good": 1,
    }


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ("failing", "ValueError: failing cannot work"),
        ("hanging", "TimedOut: killed after its timeout of 0.5 s"),
        ("dying", "SlotDied: its process was killed by signal 9 (SIGKILL)"),
    ],
)
def test_a_run_that_fails_for_good_has_its_hooks_once_also_after_a_kill(night: Night, task: str, error: str) -> None:
    assert night.traces[task] == 2, "it had two tries"
    assert night.traces[f"after {task} badly: {error}"] == 1
    assert night.traces[f"failure {task} badly: {error}"] == 1
    assert night.traces[f"success {task} well"] == 0
    assert (night.pings[f"/{task}/end"], night.pings[f"/{task}/bad"], night.pings[f"/{task}/good"]) == (1, 1, 0)


@pytest.mark.parametrize("task", MANY)
def test_every_attempt_is_preceded_by_the_before_hooks(night: Night, task: str) -> None:
    assert night.traces[f"before {task}"] == 2
    assert night.pings[f"/{task}/start"] == 2


def test_the_last_answer_of_each_monitor_is_kept_without_its_path(night: Night) -> None:
    of_steady = {answer[1:] for answer in night.answers if answer[0] == "steady"}
    [monitor] = {address for address, _, _ in of_steady}
    assert monitor.startswith("http://127.0.0.1:")
    assert monitor.count("/") == 2
    assert {(status, error) for _, status, error in of_steady} == {("running", None), ("succeeded", None)}
    assert ("unheard", "http://127.0.0.1:9", "succeeded", "ConnectionRefusedError") in night.answers


def test_a_hook_hears_what_the_run_returned_and_how_long_it_took(night: Night) -> None:
    assert night.traces["steady due 12:00: {'left': 'steady'}, True"] == 1


def test_a_before_hook_that_raises_fails_the_attempt_before_the_function_begins(night: Night) -> None:
    assert night.traces["barred"] == 0
    status, why, _, _ = night.ticks["barred"]
    assert status == "failed"
    assert why is not None
    assert "hooks of task barred" in why
    assert [trace for trace in night.traces if trace.startswith("failure barred badly: ")]


def test_an_after_hook_that_raises_stops_none_of_the_others_and_changes_no_result(night: Night) -> None:
    assert night.traces["after tripping well"] == 1
    assert night.traces["after all tripping well"] == 1
    assert night.traces["success tripping well"] == 1
    assert night.pings["/tripping/end"] == 1
    assert night.ticks["tripping"][0] == "succeeded"


def test_a_ping_that_fails_changes_nothing(night: Night) -> None:
    assert (night.traces["unheard"], night.traces["success unheard well"]) == (1, 1)
    assert (night.pings["/500"], night.pings["/garbage"]) == (2, 2)
    assert (night.pings["/unheard/start"], night.pings["/unheard/good"]) == (1, 1), "the pings after it are made"
    assert night.ticks["unheard"][0] == "succeeded"


def test_a_ping_whose_condition_is_false_is_not_made(night: Night) -> None:
    assert not [path for path in night.pings if path.endswith("/never")]


def test_a_tick_ends_with_its_call_s_result_and_duration(night: Night) -> None:
    status, why, output, seconds = night.ticks["steady"]
    assert (status, why, output) == ("succeeded", None, {"left": "steady"})
    assert 0 < seconds < 30
    status, why, output, seconds = night.ticks["hanging"]
    assert (status, why, output) == ("failed", "TimedOut: killed after its timeout of 0.5 s", None)
    assert 0.4 < seconds < 30
    assert {task: tick[0] for task, tick in night.ticks.items()} == {
        task: "failed" if task in (*MANY, "barred") else "succeeded" for task in nightwatch.ENDS
    }


def test_hooks_wait_for_the_application_or_the_version_that_has_their_task(looking: Looking) -> None:
    heard: list[str] = []
    timetable = Timetable("UTC")
    task = timetable.add(workshop.nothing).every_ten_minutes()
    task.on_success(lambda: heard.append("well")).after(lambda: heard.append("over")).on_missed(
        lambda: heard.append("missed")
    )
    begun(timetable).run_once(NOON + 20 * MINUTE)
    for _ in range(2):
        drain(app=Forecourt(Timetable("UTC")))
        looking.connection.execute("UPDATE forecourt.scheduled SET run_at = now()")
    history = "SELECT history -> -1 ->> 'error', history -> -1 ->> 'message', attempts FROM forecourt.scheduled"
    assert looking.rows(history) == 2 * [("UnknownJob", "no task is named 'nothing' here", 0)]
    assert heard == []
    drain(app=Forecourt(timetable))
    assert heard == ["missed", "over", "well"]


def test_the_hooks_of_a_task_whose_call_still_waits_follow_its_cancellation(looking: Looking) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing, name="task").every_minute().after(lambda: None)
    [(_, due)] = enqueued(begun(timetable).run_once(NOON + MINUTE))
    tx = looking.connection
    waits = looking.one("SELECT id FROM forecourt.ready")
    assert cancel_waiting(tx, [waits], "operator") == {waits}
    [(job, args)] = looking.rows("SELECT job, args FROM forecourt.ready")
    assert (job, args["task"], args["succeeded"], args["due_at"]) == (
        "forecourt.after_task",
        "task",
        None,
        due.isoformat(),
    )
    assert looking.rows("SELECT status, why FROM forecourt.ticks") == [("cancelled", "cancelled by operator")]
