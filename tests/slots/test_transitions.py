"""What each outcome leads to."""

import orjson
import pytest

from forecourt.jobs.backoff import Steps
from forecourt.jobs.outcome import (
    ClaimLost,
    Discarded,
    Finished,
    Interrupted,
    Outcome,
    Raised,
    Released,
    SlotDied,
    TimedOut,
    Unknown,
)
from forecourt.jobs.policy import Defaults, Policy
from forecourt.slots.transitions import PARKED, UNCOUNTED, Settled, decide, over_before
from forecourt.store.ready import Claimed, Past
from forecourt.store.running import Ended, Failed, Postponed

DEFAULTS = Defaults(tries=3, timeout=60, backoff=Steps((10, 30)))
ERRORS = [Raised("ValueError", "no", "trace"), TimedOut(5), SlotDied(9, None), SlotDied(None, 3)]


def held(attempts: int, interruptions: int) -> Claimed:
    return Claimed(5, 50, None, "job", "queue", 0, attempts, "{}", "{}", 0.0, 0.0, Past(interruptions))


def judge(outcome: Outcome, attempts: int = 0, interruptions: int = 0, policy: Policy = Policy()) -> object:  # noqa: B008
    return decide(outcome, held(attempts, interruptions), 1.5, policy, DEFAULTS)


def test_success_ends_the_call_unless_the_slot_has_ended_it_already() -> None:
    assert judge(Finished('{"n": 1}')) == Ended(5, 50, 1.5, "finished", '{"n": 1}')
    assert judge(Finished(None, committed=True)) == Settled(5, late=False)
    assert judge(ClaimLost()) == Settled(5, late=True)


@pytest.mark.parametrize("error", ERRORS)
def test_every_kind_of_failure_is_retried_until_its_tries_are_used_up(error: Outcome) -> None:
    for attempts in (0, 1):
        transition = judge(error, attempts)
        assert isinstance(transition, Postponed)
        assert transition.counted
    transition = judge(error, attempts=2)
    assert isinstance(transition, Failed)
    [incident] = orjson.loads(transition.incident)
    assert (incident["attempt"], incident["outcome"]) == (3, type(error).__name__)


def test_delays_follow_the_jobs_backoff_then_the_workers() -> None:
    assert [judge(ERRORS[0], attempts).delay for attempts in (0, 1)] == [10, 30]  # type: ignore[attr-defined]
    assert judge(ERRORS[0], policy=Policy(backoff=Steps((7,)))).delay == 7  # type: ignore[attr-defined]


def test_the_jobs_tries_win_over_the_workers_and_zero_means_without_end() -> None:
    assert isinstance(judge(ERRORS[0], policy=Policy(tries=1)), Failed)
    assert isinstance(judge(ERRORS[0], attempts=31_000, policy=Policy(tries=0)), Postponed)


def test_a_final_error_fails_with_tries_left() -> None:
    assert isinstance(judge(Raised("KeyError", "no", "", final=True)), Failed)


def test_releases_parking_and_interruptions_cost_no_try() -> None:
    assert judge(Released(12, "later")) == Postponed(5, 50, 12, False, "[]")
    parked = judge(Unknown("no job"))
    assert isinstance(parked, Postponed)
    assert (parked.delay, parked.counted) == (30.0, False)
    interrupted = judge(Interrupted("shutdown"))
    assert isinstance(interrupted, Postponed)
    assert not interrupted.counted


def test_a_call_that_is_interrupted_again_and_again_is_charged_in_the_end() -> None:
    transition = judge(Interrupted("the database connection was lost"), interruptions=UNCOUNTED)
    assert isinstance(transition, Postponed)
    assert transition.counted


def test_a_discarded_call_keeps_its_reason() -> None:
    assert judge(Discarded("not wanted")) == Ended(5, 50, 1.5, "discarded", '{"why":"not wanted"}')


def test_a_slots_death_is_told_with_its_signal_or_status() -> None:
    assert judge(SlotDied(11, None), policy=Policy(tries=1)).message == "its process was killed by signal 11 (SIGSEGV)"  # type: ignore[attr-defined]
    assert judge(SlotDied(None, 3), policy=Policy(tries=1)).message == "its process exited with status 3"  # type: ignore[attr-defined]


def test_a_call_whose_job_stays_unknown_fails_after_a_day_with_words() -> None:
    def unknown(seconds: float | None) -> object:
        call = held(attempts=0, interruptions=0)._replace(past=Past(unknown_for=seconds))
        return decide(Unknown("no job is named 'old'"), call, 0.0, Policy(), DEFAULTS)

    first, later, last = unknown(None), unknown(86_399), unknown(86_401)
    assert isinstance(first, Postponed)
    assert orjson.loads(first.incident)[0]["at"], "since when, for those who ask later"
    assert later == Postponed(5, 50, PARKED, False, "[]"), "said once"
    assert isinstance(last, Failed)
    assert (last.error, last.counted) == ("UnknownJob", False)
    assert "no job is named 'old', for 24 hours: deploy it under this name again" in last.message


@pytest.mark.parametrize(("tries", "over"), [(2, True), (3, False), (0, False)])
def test_a_call_whose_last_try_ended_with_its_worker_fails_when_it_is_claimed(tries: int, over: bool) -> None:
    rescued = "the worker 7 on host ended or stopped beating"
    call = held(attempts=2, interruptions=0)._replace(past=Past(rescued=rescued))
    outcome = over_before(call, Policy(tries=tries), DEFAULTS)
    assert (outcome is not None) is over
    if outcome is not None:
        failed = decide(outcome, call, 0.0, Policy(tries=tries), DEFAULTS)
        assert isinstance(failed, Failed)
        assert (failed.error, failed.message, failed.counted) == ("WorkerLost", rescued, False)


def test_a_call_that_its_job_has_given_fewer_tries_meanwhile_runs_once_more() -> None:
    assert over_before(held(attempts=5, interruptions=0), Policy(tries=3), DEFAULTS) is None
