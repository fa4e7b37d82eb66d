"""Promises about the timetable in tests: what is scheduled, what is due, and a clock that stands
still.
"""

from datetime import UTC, datetime, timedelta

import pytest
from counter import index, salute

import workshop
from fleet import Looking
from forecourt import Timetable
from forecourt.database import engine, in_transaction_of
from forecourt.jobs.arguments import WrongArguments
from forecourt.marketplace.archive import archive_old_analytics
from forecourt.schedule.clock import Clock
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.events import Enqueued
from forecourt.store import tasks
from forecourt.testing import Drained, assert_due, assert_scheduled, drain, freeze

AT = datetime(2030, 1, 1, 8, 30, tzinfo=UTC)


@pytest.fixture
def timetable() -> Timetable:
    timetable = Timetable("UTC")
    timetable.add(salute, who="Ada").daily_at("08:30")
    timetable.add(index, name="reindex", listing_id=7).every_ten_seconds()
    return timetable


# -- assert_scheduled ------------------------------------------------------------------------------


@pytest.mark.usefixtures("nowhere")
def test_a_scheduled_job_is_found_by_its_cron_and_its_arguments(timetable: Timetable) -> None:
    assert_scheduled(salute, "30 8 * * *", timetable=timetable)
    assert_scheduled(salute, " 30  8 * * *", timetable=timetable, who="Ada", times=1)
    assert_scheduled(index, "* * * * *", timetable=timetable, repeat_seconds=10)


@pytest.mark.usefixtures("nowhere")
def test_without_a_timetable_the_applications_is_asked() -> None:
    assert_scheduled(archive_old_analytics, "0 3 1 * *")
    with pytest.raises(AssertionError, match="heartbeat"):
        assert_scheduled(salute, "@daily")


TOLD = """ The timetable has:
  salute: salute(who='Ada') at '30 8 * * *', UTC: Daily at 08:30
  reindex: index(listing_id=7) at '* * * * *', UTC: Every 10 seconds"""


@pytest.mark.usefixtures("nowhere")
def test_a_failure_lists_the_timetable(timetable: Timetable) -> None:
    with pytest.raises(AssertionError) as other_time:
        assert_scheduled(salute, "31 8 * * *", timetable=timetable)
    assert str(other_time.value) == "no task runs salute at '31 8 * * *'." + TOLD
    with pytest.raises(AssertionError) as other_argument:
        assert_scheduled(salute, "30 8 * * *", timetable=timetable, who="Bob")
    assert str(other_argument.value) == "no task runs salute(who='Bob') at '30 8 * * *'." + TOLD
    with pytest.raises(AssertionError) as every_minute:
        assert_scheduled(index, "* * * * *", timetable=timetable)
    assert str(every_minute.value) == "no task runs index at '* * * * *'." + TOLD
    with pytest.raises(AssertionError, match=r"every 5 s\. The timetable has:\n  nothing"):
        assert_scheduled(index, "* * * * *", timetable=Timetable(), repeat_seconds=5)


@pytest.mark.usefixtures("nowhere")
def test_a_wrong_expression_or_argument_is_a_mistake(timetable: Timetable) -> None:
    with pytest.raises(TimetableError, match="minute '61'"):
        assert_scheduled(salute, "61 8 * * *", timetable=timetable)
    with pytest.raises(WrongArguments, match="no such argument: 'whom'"):
        assert_scheduled(salute, "30 8 * * *", timetable=timetable, whom="Ada")


# -- assert_due and freeze -------------------------------------------------------------------------


@pytest.mark.usefixtures("nowhere")
def test_a_task_is_due_at_an_instant_or_at_the_frozen_one(timetable: Timetable) -> None:
    assert_due(timetable["salute"], AT)
    with freeze(AT):
        assert_due(timetable["salute"])
        with freeze(AT + timedelta(minutes=1)), pytest.raises(AssertionError):
            assert_due(timetable["salute"])
        assert_due(timetable["salute"])
    with pytest.raises(ValueError, match="give at=, or freeze the clock"):
        assert_due(timetable["salute"])


@pytest.mark.usefixtures("nowhere")
def test_a_task_that_is_not_due_says_when_it_is_next_in_its_zone() -> None:
    timetable = Timetable("Asia/Damascus")
    timetable.add(salute, who="Ada").daily_at("08:30")
    with pytest.raises(AssertionError) as failure:
        assert_due(timetable["salute"], AT)
    assert str(failure.value) == (
        "not due at 2030-01-01 11:30:00+03:00 (Asia/Damascus), next at 2030-01-02 08:30:00+03:00: "
        "salute: salute(who='Ada') at '30 8 * * *', Asia/Damascus: Daily at 08:30"
    )


@pytest.mark.usefixtures("nowhere")
def test_a_naive_instant_is_refused_and_freezes_nothing(timetable: Timetable) -> None:
    with pytest.raises(ValueError, match="has no time zone"), freeze(datetime(2030, 1, 1)):  # noqa: DTZ001
        pass
    with pytest.raises(ValueError, match="has no time zone"):
        assert_due(timetable["salute"], datetime(2030, 1, 1))  # noqa: DTZ001
    assert tasks.frozen is None


def test_the_clock_goes_by_the_frozen_instant_and_its_calls_can_be_drained(looking: Looking) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.leave_trace, call="one").daily_at("08:30")
    clock = Clock(timetable, engine(), environment="local")
    with freeze(AT - timedelta(hours=1)):
        assert clock.run_once() == []
    with freeze(AT):
        [event] = clock.run_once()
    assert isinstance(event, Enqueued)
    assert event.due_at == AT
    assert drain() == Drained(finished=1)
    assert looking.traces("one") == 1
    assert looking.rows("SELECT status FROM forecourt.ticks") == [("succeeded",)]
    with engine().connect() as connection:
        assert abs(tasks.now(in_transaction_of(connection)) - datetime.now(UTC)) < timedelta(minutes=1), (
            "the block is over, and so is the frost"
        )
