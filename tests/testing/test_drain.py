"""Promises of draining: the real queue, worked off in the test's process, with the ends that a
worker would give it.
"""

import logging
import os

import pytest
from counter import salute

import workshop
from fleet import Looking
from forecourt import Release, batch, chain, job
from forecourt.database import engine, in_transaction_of
from forecourt.store import pauses
from forecourt.testing import Drained, drain, fake_queue


@job(tries=0)
def poll_forever() -> None:
    raise Release(5, "not there yet")


@job(tries=3, backoff=30)
def fail_slowly(call: str) -> None:
    workshop.leave(call)
    raise ValueError(f"{call} cannot work")


@job(queue="high")
def relay(calls: list[str]) -> None:
    for call in calls:
        workshop.leave_trace.dispatch(call=call)


@job(tries=5, backoff=0)
def interrupt(by_pytest: bool) -> None:
    if by_pytest:
        pytest.fail("Timeout >1.0s")  # as pytest-timeout does
    raise KeyboardInterrupt


@job(retry_until=60)
def hurry(call: str) -> None:
    workshop.leave(call)


def test_calls_run_in_this_process_and_end_in_done(looking: Looking) -> None:
    call = workshop.leave_trace.dispatch(call="one")
    workshop.transact.dispatch(call="two")
    workshop.drop.dispatch(call="three")
    assert drain() == Drained(finished=2, discarded=1)
    assert looking.rows("SELECT call, pid FROM traces ORDER BY call") == [
        (call, os.getpid()) for call in ("one", "three", "two")
    ]
    assert looking.rows("SELECT result FROM forecourt.done WHERE id = %s", call.id) == [({"left": "one"},)]
    assert looking.live() == 0
    assert looking.count("workers") == 0


def test_nothing_to_do_is_nothing_done(looking: Looking) -> None:
    assert drain() == Drained()


def test_a_failing_call_is_tried_again_and_fails_in_the_end(looking: Looking, caplog: pytest.LogCaptureFixture) -> None:
    workshop.fail.dispatch(call="one")
    with caplog.at_level(logging.WARNING):
        assert drain() == Drained(retried=1, failed=1)
    assert looking.rows("SELECT error, attempts FROM forecourt.failed") == [("ValueError", 2)]
    assert "ValueError: one cannot work" in caplog.text
    assert 'raise ValueError(f"{call} cannot work")' in caplog.text, "the traceback is in the log"


def test_a_retry_that_is_not_due_waits_unless_time_may_jump(looking: Looking) -> None:
    fail_slowly.dispatch(call="one")
    assert drain() == Drained(retried=1)
    assert looking.count("scheduled") == 1
    assert drain(include_scheduled=True) == Drained(retried=1, failed=1)
    assert looking.live() == 0


def test_time_jumps_to_one_scheduled_call_after_the_other(looking: Looking) -> None:
    for call, delay in (("third", 3600), ("first", 0), ("second", 60)):
        workshop.leave_trace.using(delay=delay).dispatch(call=call)
    assert drain() == Drained(finished=1)
    assert drain(until_empty=False, include_scheduled=True) == Drained(finished=1)
    assert drain(include_scheduled=True) == Drained(finished=1)
    assert [row[0] for row in looking.rows("SELECT call FROM traces ORDER BY id")] == ["first", "second", "third"]


def test_calls_that_were_dispatched_meanwhile_run_too_unless_told_otherwise(looking: Looking) -> None:
    relay.dispatch(calls=["one", "two"])
    assert drain(until_empty=False) == Drained(finished=1)
    assert looking.traces() == 0
    assert drain() == Drained(finished=2)


def test_with_a_fake_a_job_runs_and_what_it_dispatches_is_recorded(looking: Looking) -> None:
    relay.dispatch(calls=["one", "two"])
    with fake_queue() as fake:
        assert drain() == Drained(finished=1)
    fake.assert_dispatched(workshop.leave_trace, times=2)
    assert looking.live() == 0


def test_queues_are_served_in_the_order_listed_and_others_are_left(looking: Looking) -> None:
    for queue in ("low", "default", "high"):
        workshop.leave_trace.using(queue=queue).dispatch(call=queue)
        workshop.leave_trace.using(queue=queue, delay=60).dispatch(call=f"{queue} later")
    assert drain(["high", "low"]) == Drained(finished=2)
    assert drain(["high", "low"], include_scheduled=True) == Drained(finished=2)
    assert [row[0] for row in looking.rows("SELECT call FROM traces ORDER BY id")] == [
        *("high", "low"),
        *("low later", "high later"),  # those by their time, which came first for low
    ]
    assert looking.rows("SELECT queue FROM forecourt.ready UNION ALL SELECT queue FROM forecourt.scheduled") == [
        ("default",),
        ("default",),
    ]


def test_a_paused_queue_is_left_alone(looking: Looking) -> None:
    workshop.leave_trace.using(queue="low").dispatch(call="one")
    with engine().begin() as connection:
        pauses.pause(in_transaction_of(connection), "queue", "low", until=None, who="me", why="to see")
    assert drain(include_scheduled=True) == Drained()
    assert looking.count("ready") == 1


def test_a_batch_runs_together_and_only_the_guilty_call_fails(looking: Looking) -> None:
    workshop.collect.dispatch_many([{"n": n} for n in range(200)])
    assert drain() == Drained(finished=199, retried=1, failed=1)
    assert looking.one("SELECT count(DISTINCT xmin::text) FROM traces") < 20, "they were not run one by one"


def test_a_chain_and_the_callbacks_of_a_batch_follow(looking: Looking) -> None:
    chain(workshop.leave_trace.call(call="a"), workshop.leave_trace.call(call="b")).dispatch()
    batch([workshop.transact.call(call="c")], name="import").then(workshop.wrap_up.call(call="d")).dispatch()
    assert drain() == Drained(finished=4)
    assert looking.traces() == 4


def test_the_first_failure_of_a_batch_cancels_what_has_not_begun(looking: Looking) -> None:
    calls = [workshop.leave_by_exit.call(call="bad"), *(workshop.leave_trace.call(call=f"good {n}") for n in range(3))]
    batch(calls, name="import").finally_(workshop.wrap_up.call(call="finally")).dispatch()
    assert drain() == Drained(failed=1, discarded=3, finished=1)
    assert looking.traces("finally import total=4 failed=1 cancelled=3") == 1


def test_a_more_urgent_call_goes_first_also_when_it_comes_later(looking: Looking) -> None:
    relay.dispatch(calls=["urgent"])
    workshop.leave_trace.using(queue="low").dispatch(call="patient")
    drain(["high", "default", "low"])
    assert [row[0] for row in looking.rows("SELECT call FROM traces ORDER BY id")] == ["urgent", "patient"]


def test_a_call_past_its_time_fails_without_being_run(looking: Looking) -> None:
    hurry.dispatch(call="one")
    looking.connection.execute("UPDATE forecourt.ready SET created_at = now() - interval '2 minutes'")
    assert drain() == Drained(failed=1)
    assert looking.rows("SELECT error FROM forecourt.failed") == [("Expired",)]
    assert looking.traces() == 0


def test_a_call_without_end_is_an_error_that_names_it_and_stays_in_the_queue(looking: Looking) -> None:
    call = poll_forever.dispatch()
    assert drain() == Drained(released=1)
    with pytest.raises(
        RuntimeError, match=rf"poll_forever, call {call.id}, is not over after 100 attempts.*not there yet"
    ):
        drain(include_scheduled=True)
    assert looking.rows("SELECT id FROM forecourt.ready") == [(call.id,)]
    assert looking.count("workers") == 0


@pytest.mark.parametrize("until_empty", [True, False])
@pytest.mark.parametrize("by_pytest", [True, False])
def test_an_interrupted_test_run_is_interrupted(looking: Looking, by_pytest: bool, until_empty: bool) -> None:
    interrupt.dispatch(by_pytest=by_pytest)
    salute.dispatch(who="Ada")
    with pytest.raises(pytest.fail.Exception if by_pytest else KeyboardInterrupt):
        drain(["default", "low"], until_empty=until_empty)
    assert looking.rows("SELECT job FROM forecourt.ready") == [("salute",)], "what was claimed is given back"
    assert looking.rows("SELECT job FROM forecourt.scheduled") == [("interrupt",)]
    assert looking.count("workers") == 0


@pytest.mark.parametrize(
    ("wrong", "words"), [("low", "expected a list"), ([], "at least one"), (["low", "low"], "twice")]
)
def test_queues_that_make_no_sense_are_refused(looking: Looking, wrong: list[str], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        drain(wrong)
    assert looking.count("workers") == 0
