"""Bad input is named and changes nothing; a job that ends in an odd way, or asks for the
impossible, harms nobody else.
"""

import math

import psycopg
import pytest

import workshop
from faults import mischief
from fleet import Looking, wait_until, worker
from forecourt import exponential, job
from forecourt.app import load
from forecourt.database import engine, in_transaction_of
from forecourt.jobs.arguments import WrongArguments
from forecourt.jobs.policy import Policy
from forecourt.slots.options import WorkOptions

ODD = {
    "released for ever": ("failed", "ValueError"),
    "released for an age": ("failed", "ValueError"),
    "released until nobody knows when": ("failed", "ValueError"),
    "released with odd words": ("scheduled", None),
    "discarded with a long story": ("discarded", None),
    "cancelled from inside": ("failed", "asyncio.exceptions.CancelledError"),
    "speechless": ("failed", "faults.mischief.Speechless"),
    "a spelled-out NUL": ("finished", None),
    "a novel of control characters": ("failed", "ValueError"),
    "as ever": ("finished", None),
}

STATES = """
SELECT args->>'how', outcome, NULL FROM forecourt.done WHERE job = 'misbehave'
UNION ALL SELECT args->>'how', 'failed', error FROM forecourt.failed
UNION ALL SELECT args->>'how', 'scheduled', NULL FROM forecourt.scheduled WHERE run_at > now() + interval '1 minute'
"""

UNWRITABLE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no, not this one'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON forecourt.done
FOR EACH ROW WHEN (NEW.args->>'call' IN ('one', 'two')) EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse BEFORE INSERT ON forecourt.failed
FOR EACH ROW WHEN (NEW.args->>'call' = 'two') EXECUTE FUNCTION refuse();
"""

DEEP = "SELECT forecourt.dispatch('take_anything', jsonb_build_object('what', (repeat('[', 1500) || repeat(']', 1500))::jsonb))"


def test_jobs_that_end_in_odd_ways_harm_nobody_else(looking: Looking) -> None:
    mischief.misbehave.dispatch_many([{"how": how} for how in ODD])
    with worker(app="faults.mischief:app", processes=1) as process:
        wait_until(lambda: {how: (end, error) for how, end, error in looking.rows(STATES)} == ODD, what="all to end")
        assert "slot died" not in process.said()
        assert "round failed" not in process.said()
    result = looking.one("SELECT result FROM forecourt.done WHERE args->>'how' = 'a spelled-out NUL'")
    assert result == ["\\u0000", "\\u0000", "\\\\u0000", {"\\u0000\\u0000": 1}]


def test_outcomes_that_cannot_be_written_hold_up_no_others(looking: Looking) -> None:
    """Whatever keeps PostgreSQL from taking them: one ends as failed with the reason, one cannot
    even do that.
    """
    looking.connection.execute(UNWRITABLE.encode())
    workshop.leave_trace.dispatch_many([{"call": call} for call in ("one", "two", "three")])
    with worker(processes=1) as process:
        wait_until(lambda: looking.count("done") and looking.count("failed"))
        workshop.leave_trace.dispatch(call="four")
        wait_until(lambda: looking.count("done") == 2)
        assert "stays in running until its end can be written" in process.said()
        assert looking.rows("SELECT args->>'call' FROM forecourt.running") == [("two",)]
    [(call, error, message)] = looking.rows("SELECT args->>'call', error, message FROM forecourt.failed")
    assert (call, error) == ("one", "OutcomeUnwritable")
    assert message.startswith("it ended, but its end cannot be written: no, not this one")
    assert looking.rows("SELECT args->>'call' FROM forecourt.ready") == [("two",)], "it goes back when the worker ends"


def test_a_call_may_fail_more_often_than_can_be_counted(looking: Looking) -> None:
    looking.connection.execute(
        """INSERT INTO forecourt.ready (job, queue, args, attempts) VALUES ('fail_for_ever', 'default', '{"n": 1}', 32767)"""
    )
    with worker(app="faults.mischief:app", processes=1) as process:
        wait_until(
            lambda: looking.one("SELECT attempts FROM forecourt.scheduled WHERE jsonb_array_length(history) >= 2")
        )
        assert "round failed" not in process.said()


def test_arguments_too_deep_to_be_read_fail_alone(looking: Looking) -> None:
    with engine().begin() as connection:
        load("faults.mischief:app").declare(in_transaction_of(connection))
    looking.one(DEEP)
    mischief.take_anything.dispatch(what="after it")
    with worker(app="faults.mischief:app", processes=1):
        wait_until(lambda: (looking.count("done"), looking.count("failed")) == (1, 1))
    assert looking.one("SELECT error FROM forecourt.failed").endswith("WrongArguments")


def test_a_hundred_megabytes_of_arguments_are_refused_from_python_and_from_sql(looking: Looking) -> None:
    with engine().begin() as connection:
        load("workshop:app").declare(in_transaction_of(connection))
    with pytest.raises(WrongArguments, match="bytes of arguments, at most 33554432 are accepted"):
        workshop.swallow.dispatch(text="x" * 100_000_000)
    with pytest.raises(psycopg.Error, match="bytes of arguments, at most 33554432 are accepted"):
        looking.one("SELECT forecourt.dispatch('swallow', jsonb_build_object('text', repeat('x', 100000000)))")
    assert looking.live() == 0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1e15, -1])
def test_durations_that_no_calendar_can_express_are_refused_where_they_are_given(wrong: float) -> None:
    for option in ("timeout", "backoff", "retry_until"):
        with pytest.raises(ValueError, match=option):
            job(**{option: wrong})(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="delay"):
        workshop.nothing.using(delay=wrong)
    with pytest.raises(ValueError, match="timeout"):
        Policy(timeout=wrong)
    with pytest.raises(ValueError, match="factor"):
        exponential(5, factor=wrong)
    for option in ("sleep", "rest", "max_time", "shutdown_timeout"):
        with pytest.raises(ValueError, match=f"--{option.replace('_', '-')}"):
            WorkOptions(**{option: wrong})  # type: ignore[arg-type]
