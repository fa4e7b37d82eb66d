"""Promises about silence: what did not run, and what does not end, calls somebody, once."""

from datetime import timedelta

import pytest
from rounds import MINUTE, NOON, begun, clock_of, enqueued

import workshop
from fleet import Looking
from forecourt import Forecourt, Timetable
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.events import Overdue
from forecourt.schedule.hook_runner import Run
from forecourt.schedule.rules import Ping
from forecourt.testing import drain

HOUR = timedelta(hours=1)


@pytest.fixture
def timetable() -> Timetable:
    return Timetable("UTC")


def refuse() -> bool:
    raise RuntimeError("no such flag")


def test_what_did_not_run_calls_somebody_once_for_all_of_a_kind_with_the_reason(
    timetable: Timetable, looking: Looking
) -> None:
    heard: list[Run] = []
    rule = timetable.group().hourly()
    rule.on_missed(heard.append).on_skipped(heard.append).on_failure(heard.append).on_success(heard.append)
    rule.add(workshop.nothing, name="slept through").skip_missed()
    rule.add(workshop.nothing, name="forbidden").when(bool)
    rule.add(workshop.nothing, name="broken").when(refuse)
    rule.add(workshop.nothing, name="well")
    timetable.add(workshop.nothing, name="without hooks").hourly().skip_missed()
    clocks = begun(timetable), clock_of(timetable, host="b")
    for clock in clocks:
        clock.run_once(NOON + 3 * HOUR + 10 * MINUTE)
    looking.connection.execute(
        "UPDATE forecourt.tasks SET evaluated_until = %s", [NOON]
    )  # as when its time was set back
    clock_of(timetable).run_once(NOON + 3 * HOUR + 10 * MINUTE)
    drain(app=Forecourt(timetable))
    three = NOON + 3 * HOUR
    found = {(run.task, run.status): (run.due_times, run.due_at, run.error) for run in heard}
    assert len(found) == len(heard), "once each, of two clocks"
    stands = (2, NOON + 2 * HOUR, "the due time 2026-11-23 15:00:00 UTC stands for it")
    assert found == {
        ("slept through", "missed"): (3, three, "no clock ran when it was due"),
        ("forbidden", "missed"): stands,
        ("forbidden", "skipped"): (1, three, "when(bool) was false"),
        ("broken", "missed"): stands,
        ("broken", "failed"): (1, three, "its condition raised RuntimeError: no such flag"),
        ("well", "missed"): stands,
        ("well", "succeeded"): (1, three, None),
    }


def test_a_run_past_its_deadline_calls_somebody_once_ahead_of_the_queue_that_holds_it_up(
    timetable: Timetable, looking: Looking
) -> None:
    heard: list[Run] = []
    task = timetable.add(workshop.nothing).hourly().deadline(within=600)
    task.on_overdue(heard.append).on_skipped(heard.append).on_success(heard.append)
    clock, other = begun(timetable), clock_of(timetable, host="b")
    due = NOON + HOUR
    assert enqueued(clock.run_once(due)) == [("nothing", due)]
    assert clock.run_once(due + 9 * MINUTE) == []
    others = Timetable("UTC")
    others.add(workshop.nothing, name="another's").hourly().deadline(within=600)
    assert begun(others, due).run_once(due + 10 * MINUTE) == []
    [overdue] = clock.run_once(due + 10 * MINUTE)
    assert isinstance(overdue, Overdue)
    assert overdue.why == f"call {overdue.call_id} has not ended by 2026-11-23 13:10:00 UTC"
    assert other.run_once(due + 11 * MINUTE) == clock.run_once(due + 11 * MINUTE) == []
    clock.run_once(due + HOUR)  # finds the run still going
    first = "SELECT job FROM forecourt.ready ORDER BY priority, id LIMIT 1"
    assert looking.one(first) == "forecourt.task_incident", "though the run that is late entered before it"
    drain(app=Forecourt(timetable))
    told = [(run.status, run.due_at) for run in heard]
    assert told == [("overdue", due), ("skipped", due + HOUR), ("succeeded", due)]
    assert heard[0].error == overdue.why
    assert looking.rows("SELECT status, overdue_at IS NOT NULL FROM forecourt.ticks ORDER BY due_at") == [
        ("succeeded", True),
        ("skipped", False),
    ]
    clock.run_once(due + 2 * HOUR)
    drain(app=Forecourt(timetable))
    assert clock.run_once(due + 2 * HOUR + 30 * MINUTE) == [], "one that ended in time is not overdue"


def test_what_is_overdue_needs_a_deadline_that_jitter_does_not_use_up_and_pings_are_hooks(timetable: Timetable) -> None:
    task = timetable.add(workshop.nothing).daily().ping_on_overdue("https://hc.example/late")
    with pytest.raises(TimetableError, match=r"task 'nothing' \(.*\): on_overdue without a deadline: add .deadline"):
        timetable.check()
    task.deadline(HOUR).jitter(HOUR)
    with pytest.raises(TimetableError, match=r"task 'nothing' \(.*\): jitter may start it when its deadline is over"):
        timetable.check()
    task.jitter(HOUR / 2).ping_on_missed("https://hc.example/missed").ping_on_skipped("https://hc.example/skipped")
    timetable.check()
    hooks = task.hooks
    assert (hooks.on_overdue, hooks.on_missed) == (
        (Ping("https://hc.example/late"),),
        (Ping("https://hc.example/missed"),),
    )
    assert hooks.on_skipped == (Ping("https://hc.example/skipped"),)
