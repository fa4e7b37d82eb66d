"""`forecourt queue`: what operators type, and the exit codes that their scripts read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

import workshop
from fleet import Looking, Process, work_until_empty
from forecourt.cli.errors import explained
from forecourt.cli.queue import queue

Run = Callable[..., Result]


@pytest.fixture
def run(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, with the exit code that the console script would give."""
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    from forecourt.settings import settings

    settings.cache_clear()

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(queue, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            code, words = explained(result.exception)  # type: ignore[arg-type]
            assert code is not None, result.exception
            result.exit_code = code
            result.stderr_bytes = (result.stderr_bytes or b"") + words.encode()
        return result

    return invoke


def failing(count: int) -> None:
    workshop.fail_at_once.dispatch_many([{"call": f"call {n}"} for n in range(count)])
    work_until_empty()


def as_json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_dispatch_enters_a_call_and_says_how_to_follow_it(run: Run, looking: Looking) -> None:
    result = run("dispatch", "leave_trace", '{"call": "typed"}')
    id = looking.one("SELECT id FROM forecourt.ready")
    assert f"forecourt queue show {id}" in result.output
    assert as_json(run("dispatch", "nothing", "--delay", "60", "--queue", "low", "--json"))["job"] == "nothing"
    assert looking.rows("SELECT queue FROM forecourt.scheduled") == [("low",)]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nobody"], 5, "no job is named 'nobody'."),
        (["leave_trase"], 5, "no job is named 'leave_trase'. Did you mean leave_trace"),
        (["leave_trace"], 2, "argument 'call' is missing"),
        (["leave_trace", "{"], 2, "ARGS is not JSON such as"),
        (["leave_trace", "{call:", "x}"], 2, "The shell must see ARGS as one word, in quotes: '{"),
        (["leave_trace", "[]"], 2, "must be a JSON object"),
        (["nothing", '{"n": ' + "[" * 100_000], 2, "nested too deeply"),
        (["nothing", '{"n": ' + "[" * 400 + "]" * 400 + "}"], 2, "argument 'n'"),
        (["nothing", "{}", "--delay", "-1"], 2, "-1.0 is not in the range"),
        (["nothing", "{}", "--delay", "inf"], 2, "inf is not in the range"),
    ],
)
def test_a_wrong_dispatch_is_named_and_enters_nothing(
    run: Run, looking: Looking, arguments: list[str], code: int, words: str
) -> None:
    result = run("dispatch", *arguments)
    assert (result.exit_code, words in result.stderr) == (code, True), result.stderr
    assert looking.live() == 0


def test_size_counts_every_state_and_shows_pauses(run: Run) -> None:
    workshop.nothing.dispatch_many([{"n": n} for n in range(3)])
    workshop.nothing.using(delay=60, queue="low").dispatch(n=1)
    assert run("pause", "low", "--why", "a test").exit_code == 0
    rows = {row["queue"]: row for row in as_json(run("size", "--json"))}
    assert (rows["default"]["ready"], rows["low"]["scheduled"], rows["low"]["paused"]) == (3, 1, True)
    assert rows["default"]["oldest_ready_seconds"] > 0
    assert "paused" in run("size", "low").output
    assert [row["queue"] for row in as_json(run("size", "low", "--json"))] == ["low"]


def test_failed_calls_are_listed_shown_and_retried_by_id(run: Run, looking: Looking) -> None:
    failing(2)
    rows = as_json(run("failed", "--json"))
    assert [row["error"] for row in rows] == ["KeyError", "KeyError"]
    shown = run("show", str(rows[0]["id"])).output
    assert "Traceback" in shown
    assert "raise KeyError" in shown
    assert "frames of forecourt left out" in shown
    assert "src/forecourt" not in shown, "the engine's own frames say nothing"
    assert "frames of libraries" not in shown, "none was at work"
    looking.connection.execute("UPDATE forecourt.failed SET created_at = now() - interval '1 hour'")
    assert as_json(run("retry", str(rows[0]["id"]), "--json")) == {"retried": 1, "stayed": 0}
    assert looking.rows("SELECT id, attempts FROM forecourt.ready") == [(rows[0]["id"], 0)]
    assert looking.count("failed") == 1
    [raised, retried] = looking.one("SELECT history FROM forecourt.ready")
    assert (raised["error"], retried["outcome"]) == ("KeyError", "Retried"), "what happened is not forgotten"
    assert looking.one("SELECT forecourt.count_errors(history) FROM forecourt.ready") == 0, "but it counts no more"
    age = looking.one("SELECT now() - created_at < interval '30 minutes' FROM forecourt.ready")
    assert age, "for retry_until it was dispatched just now"


def test_retry_takes_all_a_queue_or_a_job(run: Run, looking: Looking) -> None:
    failing(3)
    assert as_json(run("retry", "--queue", "elsewhere", "--json")) == {"retried": 0, "stayed": 0}
    assert as_json(run("retry", "--job", "fail_at_once", "--json")) == {"retried": 3, "stayed": 0}
    work_until_empty()
    assert as_json(run("retry", "all", "--json")) == {"retried": 3, "stayed": 0}
    work_until_empty()
    assert as_json(run("retry", "--queue", "default", "--json")) == {"retried": 3, "stayed": 0}
    assert looking.count("ready") == 3


def test_an_unknown_id_is_exit_5_and_changes_nothing(run: Run, looking: Looking) -> None:
    failing(1)
    id = looking.one("SELECT id FROM forecourt.failed")
    for command in ("retry", "forget"):
        result = run(command, "0" * 5000 + str(id), "999999")
        assert (result.exit_code, "no failed call has the id 999999" in result.stderr) == (5, True)
    assert run("show", "999999").exit_code == run("explain", "hihg").exit_code == 5
    assert looking.count("failed") == 1


@pytest.mark.parametrize(
    "arguments", [["retry"], ["retry", "all", "5"], ["retry", "five"], ["retry", "9" * 5000], ["forget"]]
)
def test_what_is_not_a_selection_is_exit_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_forget_and_flush_remove_for_good_and_flush_asks_first(run: Run, looking: Looking) -> None:
    failing(4)
    first = looking.one("SELECT min(id) FROM forecourt.failed")
    assert as_json(run("forget", str(first), "--json")) == {"forgotten": 1}
    refused = run("flush")
    assert (refused.exit_code, looking.count("failed")) == (4, 3)
    assert "repeat with --yes" in refused.stderr
    assert as_json(run("flush", "--hours", "1", "--yes", "--json")) == {"removed": 0}
    assert as_json(run("flush", "--yes", "--json")) == {"removed": 3}
    assert looking.rows("SELECT action, count FROM forecourt.audit ORDER BY id")[-1] == ("queue forget", 3)


def test_clear_removes_what_waits_and_asks_first(run: Run, looking: Looking) -> None:
    workshop.nothing.dispatch_many([{"n": n} for n in range(3)])
    workshop.nothing.using(delay=60).dispatch(n=9)
    assert run("clear", "default").exit_code == 4
    assert as_json(run("clear", "default", "--yes", "--json")) == {"removed": 4}
    assert looking.live() == 0


def test_waiting_calls_are_cancelled_or_run_now_by_filter(run: Run, looking: Looking) -> None:
    workshop.nothing.dispatch_many([{"n": n} for n in range(4)])
    workshop.nothing.using(delay=60).dispatch(n=1)
    assert run("cancel", "--state", "ready", "--match", "n=1").exit_code == 4
    done = as_json(run("cancel", "--state", "ready", "--match", "n=1", "--yes", "--json"))
    assert done == {"changed": 1, "stayed": 0, "call": None}
    assert "2 calls cancelled." in run(
        "cancel", "--state", "ready", "--match", "n=2", "--job", "nothing", "--yes"
    ).output + (run("cancel", "--state", "ready", "--job", "nothing", "--yes").output)
    assert (looking.count("ready"), looking.count("scheduled")) == (0, 1)
    assert "1 call ready now." in run("run-now", "--match", "n=1").output
    assert looking.count("ready") == 1
    for wrong in (
        ["cancel"],
        ["cancel", "7", "--state", "ready"],
        ["cancel", "--state", "ready"],
        ["cancel", "--queue", "x"],
        ["run-now"],
    ):
        assert run(*wrong).exit_code == 2, wrong
    assert run("run-now", "--queue", "x").exit_code == 5


def test_resuming_what_is_not_paused_is_exit_5(run: Run) -> None:
    assert run("resume", "default").exit_code == 5


def test_an_end_in_the_past_or_two_ends_are_exit_2(run: Run, looking: Looking) -> None:
    assert run("pause", "default", "--until", "2020-01-01 00:00").exit_code == 2
    assert run("pause", "default", "--until", "2099-01-01 00:00", "--for", "5").exit_code == 2
    assert looking.count("pauses") == 0


def test_an_unreachable_database_is_exit_69_and_names_host_port_and_user(looking: Looking) -> None:
    process = Process("queue", "size", FORECOURT_DATABASE_URL="postgresql://someone:secret@127.0.0.1:1/forecourt")
    assert process.wait() == 69
    said = process.said()
    assert "127.0.0.1, port 1, user someone" in said
    assert "secret" not in said
    assert "Traceback" not in said


def test_a_wrong_setting_is_exit_2_and_named(looking: Looking) -> None:
    process = Process("queue", "size", FORECOURT_TIMEZONE="Mars/Olympus")
    assert process.wait() == 2
    assert "FORECOURT_TIMEZONE" in process.said()


def test_an_application_that_does_not_exist_is_exit_2_and_named(looking: Looking) -> None:
    process = Process("queue", "work", app="workshop:nobody")
    assert process.wait() == 2
    assert "module 'workshop' has no 'nobody'" in process.said()
