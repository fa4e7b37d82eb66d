"""What becomes of calls, with a real worker and real slots."""

import json

import pytest

import workshop
from fleet import Looking, wait_until, work_until_empty, worker
from forecourt.process import hostname


def history(looking: Looking, table: str = "failed") -> list[dict[str, object]]:
    return looking.one(f"SELECT history FROM forecourt.{table}")  # type: ignore[no-any-return]


def test_a_call_is_executed_and_its_result_kept(looking: Looking) -> None:
    call = workshop.leave_trace.dispatch(call="one")
    work_until_empty()
    assert looking.traces("one") == 1
    assert looking.rows("SELECT id, outcome, attempts, result FROM forecourt.done") == [
        (call.id, "finished", 1, {"left": "one"})
    ]
    assert looking.live() == 0


def test_a_job_with_a_session_commits_its_effects_with_the_calls_end(looking: Looking) -> None:
    workshop.transact.dispatch(call="one")
    work_until_empty()
    assert looking.traces("one") == 1
    assert looking.count("done") == 1
    # One transaction: the row of the effect and the row of the end were written by the same one.
    assert looking.one("SELECT d.xmin = t.xmin FROM forecourt.done d, traces t") is True


def test_a_failing_call_is_tried_as_often_as_its_job_says_and_keeps_every_error(looking: Looking) -> None:
    workshop.fail.dispatch(call="one")
    with worker():
        wait_until(lambda: looking.count("failed"))
    assert looking.traces("one") == 2
    assert looking.rows("SELECT error, message, attempts FROM forecourt.failed") == [
        ("ValueError", "one cannot work", 2)
    ]
    incidents = history(looking)
    assert [incident["attempt"] for incident in incidents] == [1, 2]
    assert "raise ValueError" in str(incidents[0]["traceback"])


def test_an_error_that_no_retry_can_mend_fails_at_once(looking: Looking) -> None:
    workshop.fail_at_once.dispatch(call="one")
    work_until_empty()
    assert looking.traces("one") == 1
    assert looking.rows("SELECT error, attempts FROM forecourt.failed") == [("KeyError", 1)]


@pytest.mark.parametrize("job", [workshop.hang, workshop.hang_in_c])
def test_a_call_that_runs_too_long_is_killed_and_counted_also_in_c_code(looking: Looking, job: workshop.job) -> None:  # type: ignore[valid-type]
    job.dispatch(call="one")
    with worker():
        wait_until(lambda: looking.count("failed"))
    assert looking.traces("one") == 2
    assert looking.rows("SELECT error, message FROM forecourt.failed") == [
        ("TimedOut", "killed after its timeout of 0.5 s")
    ]
    assert len(set(looking.rows("SELECT pid FROM traces"))) == 2, "the slot was replaced"
    assert_each_attempt_says_where_it_ran(looking)


def test_a_call_that_kills_its_slot_every_time_ends_in_failed_with_the_signal(looking: Looking) -> None:
    workshop.die.dispatch(call="one")
    with worker() as process:
        wait_until(lambda: looking.count("failed"))
    assert looking.traces("one") == 2
    assert "slot died: its process was killed by signal 9 (SIGKILL)" in process.said()
    assert looking.rows("SELECT error, message FROM forecourt.failed") == [
        ("SlotDied", "its process was killed by signal 9 (SIGKILL)")
    ]
    assert_each_attempt_says_where_it_ran(looking)


def assert_each_attempt_says_where_it_ran(looking: Looking) -> None:
    """In the process that left the trace, not in the one that wrote the end."""
    entries = looking.rows(
        "SELECT e ->> 'host', (e ->> 'pid')::int FROM forecourt.failed, jsonb_array_elements(history) AS e"
    )
    assert entries == [(hostname(), pid) for (pid,) in looking.rows("SELECT pid FROM traces ORDER BY id")]


def test_what_ended_before_its_slot_died_is_not_run_again(looking: Looking) -> None:
    workshop.nap.dispatch(call="without a result", seconds=0)
    workshop.leave_trace.dispatch(call="with a result")
    workshop.die.dispatch(call="dies")  # in the same round, so nothing is written yet
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT call, count(*)::int FROM traces GROUP BY call ORDER BY call") == [
        ("dies", 2),
        ("with a result", 1),
        ("without a result", 1),
    ]
    assert looking.rows("SELECT attempts, result FROM forecourt.done ORDER BY id") == [
        (1, None),
        (1, {"left": "with a result"}),
    ]


def test_a_call_that_exits_is_a_failed_attempt_and_not_the_end_of_the_slot(looking: Looking) -> None:
    workshop.leave_by_exit.dispatch(call="one")
    workshop.leave_trace.dispatch(call="two")
    process = work_until_empty(processes=1)
    assert looking.rows("SELECT error FROM forecourt.failed") == [("SystemExit",)]
    assert ", failed for good  job=leave_by_exit call=1 attempt=1" in process.said()
    assert len(set(looking.rows("SELECT pid FROM traces"))) == 1


def test_a_release_costs_no_try_and_leaves_no_history(looking: Looking) -> None:
    workshop.come_back.dispatch(call="one", times=4)
    with worker():
        wait_until(lambda: looking.count("done"))
    assert looking.traces("one") == 4
    assert looking.rows("SELECT attempts, history FROM forecourt.done") == [(1, [])]


def test_a_discarded_call_is_neither_success_nor_failure(looking: Looking) -> None:
    workshop.drop.dispatch(call="one")
    work_until_empty()
    assert looking.rows("SELECT outcome, result FROM forecourt.done") == [("discarded", {"why": "nobody wants it"})]


def test_a_batch_is_filled_from_the_first_round_on(looking: Looking) -> None:
    workshop.collect_or_die.dispatch_many([{"n": n} for n in range(20, 120)])
    work_until_empty(processes=1)
    assert looking.traces("collected%") == 100
    assert looking.one("SELECT count(DISTINCT xmin::text) FROM traces") == 2, "of fifty calls each"


def test_a_batch_is_halved_until_the_guilty_call_stands_alone(looking: Looking) -> None:
    workshop.collect.dispatch_many([{"n": n} for n in range(200)])
    with worker():
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("collected%") == 199
    assert looking.rows("SELECT args, attempts, error FROM forecourt.failed") == [({"n": 13}, 2, "ValueError")]


def test_of_a_batch_that_kills_its_slot_only_the_guilty_call_pays(looking: Looking) -> None:
    workshop.collect_or_die.dispatch_many([{"n": n} for n in range(100)])
    with worker():
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("collected%") == 99
    assert looking.rows("SELECT args, attempts, error FROM forecourt.failed") == [({"n": 13}, 2, "SlotDied")]
    assert looking.one("SELECT max(attempts) FROM forecourt.done") == 1


def test_a_call_that_no_worker_knows_is_parked_with_the_reason(looking: Looking) -> None:
    looking.connection.execute("INSERT INTO forecourt.ready (job, queue) VALUES ('from_tomorrow', 'default')")
    said = work_until_empty()
    [(attempts, incidents)] = looking.rows("SELECT attempts, history FROM forecourt.scheduled")
    assert attempts == 0
    [incident] = incidents
    assert incident["outcome"] == "Unknown"
    assert incident["message"].startswith("no job is named 'from_tomorrow' here (its module is not imported where")
    assert "no job is named 'from_tomorrow' here" in said.said()


def test_arguments_that_no_longer_fit_fail_at_once_and_say_which(looking: Looking) -> None:
    looking.connection.execute(
        """INSERT INTO forecourt.ready (job, queue, args) VALUES ('leave_trace', 'default', '{"cal": 1}')"""
    )
    work_until_empty()
    [(error, message)] = looking.rows("SELECT error, message FROM forecourt.failed")
    assert error.endswith("WrongArguments")
    assert "'call' is missing" in message
    assert "no such argument: 'cal'" in message


def test_a_commit_inside_a_job_is_refused_and_rolled_back(looking: Looking) -> None:
    workshop.commit_inside.using().dispatch(call="one")
    with worker("--tries", "1"):
        wait_until(lambda: looking.count("failed"))
    assert looking.traces("one") == 0
    assert "must not commit" in looking.one("SELECT message FROM forecourt.failed")


@pytest.mark.parametrize("which", ["nul", "long", "surrogate", "object", "big"])
def test_a_result_that_cannot_be_stored_harms_nobody(looking: Looking, which: str) -> None:
    workshop.return_odd_things.dispatch(which=which)
    workshop.leave_trace.dispatch(call="after")
    work_until_empty()
    assert looking.count("done") == 2
    result = looking.one("SELECT result FROM forecourt.done WHERE job = 'return_odd_things'")
    assert len(json.dumps(result)) < 20_000


def test_arguments_longer_than_a_message_reach_the_job(looking: Looking) -> None:
    workshop.swallow.dispatch(text='"' * 3_000_000)
    work_until_empty()
    assert looking.rows("SELECT result FROM forecourt.done") == [(3_000_000,)]


def test_every_call_is_counted_in_its_minute(looking: Looking) -> None:
    workshop.nothing.dispatch_many([{"n": n} for n in range(50)])
    workshop.transact.dispatch(call="one")
    workshop.drop.dispatch(call="two")
    work_until_empty()
    counted = looking.rows(
        "SELECT job, sum(finished)::int, sum(discarded)::int FROM forecourt.minutes GROUP BY job ORDER BY job"
    )
    assert counted == [("drop", 0, 1), ("nothing", 50, 0), ("transact", 1, 0)]
