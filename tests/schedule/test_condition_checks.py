"""Promises of asking conditions: an answer belongs to the due time that it was asked for, and
silence is no yes.
"""

import threading

import pytest
from timetables import NamedJob, new_task

from forecourt.schedule import condition_checks
from forecourt.schedule.condition_checks import ConditionChecks, Refusal
from forecourt.schedule.timetable import Timetable


def test_an_answer_that_came_too_late_is_not_the_next_due_time_s(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = condition_checks.ROUND_WAITS, condition_checks.TIMEOUT, condition_checks.MOST
    assert figures == (0.2, 30.0, 50), "as the guarantees say"
    monkeypatch.setattr(condition_checks, "TIMEOUT", 0.0)
    monkeypatch.setattr(condition_checks, "ROUND_WAITS", 0.0)
    asked: list[threading.Thread] = []
    go = threading.Event()

    def open_at_first() -> bool:
        asked.append(threading.current_thread())
        first = len(asked) == 1
        return go.wait(30) and first

    task, checks = new_task().hourly().when(open_at_first), ConditionChecks()
    given_up = checks.answers([task])
    assert [answer.status for answer in given_up.values() if answer] == ["failed"]
    checks.use_up(given_up)
    assert asked[0].daemon, "one that hangs keeps no process from its end"
    go.set()
    asked[0].join(30)
    monkeypatch.setattr(condition_checks, "ROUND_WAITS", 30.0)
    [answer] = checks.answers([task]).values()
    assert answer is not None
    assert answer.status == "skipped"
    assert len(asked) == 2


def test_whatever_a_condition_raises_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition_checks, "ROUND_WAITS", 30.0)

    def interrupted() -> bool:
        raise KeyboardInterrupt

    task = new_task().hourly().when(interrupted)
    assert ConditionChecks().answers([task]) == {
        task.name: Refusal("failed", "its condition raised KeyboardInterrupt: ")
    }


def test_many_conditions_are_asked_a_few_at_a_time_and_those_that_hang_keep_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container that may have no more threads would stop the clock for all."""
    monkeypatch.setattr(condition_checks, "ROUND_WAITS", 0.05)
    monkeypatch.setattr(condition_checks, "MOST", 3)
    go, most = threading.Event(), []

    def slow() -> bool:
        most.append(sum(thread.name.startswith("condition of wait") for thread in threading.enumerate()))
        return go.wait(30)

    timetable, checks = Timetable("UTC"), ConditionChecks()
    tasks = [timetable.add(NamedJob(), name=f"waits {number}").hourly().when(slow) for number in range(10)]
    assert (checks.answers(tasks), checks.waits()) == ({}, True)
    go.set()
    found: dict[str, Refusal | None] = {}
    while left := [task for task in tasks if task.name not in found]:
        answers = checks.answers(left)
        checks.use_up(answers)
        found |= answers
    assert (found, checks.waits()) == (dict.fromkeys([task.name for task in tasks]), False)
    assert max(most) == 3

    never = threading.Event()
    monkeypatch.setattr(condition_checks, "TIMEOUT", 0.0)
    hang = [timetable.add(NamedJob(), name=f"hangs {number}").hourly().when(never.wait) for number in range(3)]
    given_up = checks.answers(hang)
    assert [answer.status for answer in given_up.values() if answer] == ["failed"] * 3
    checks.use_up(given_up)
    monkeypatch.setattr(condition_checks, "TIMEOUT", 30.0)
    monkeypatch.setattr(condition_checks, "ROUND_WAITS", 30.0)
    assert set(checks.answers(tasks)) == {task.name for task in tasks}
    never.set()


def test_an_answer_that_came_as_the_round_ended_is_still_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition_checks, "ROUND_WAITS", 0.0)
    go = threading.Event()

    def slow() -> bool:
        return go.wait(30)

    task, checks = new_task().hourly().when(slow), ConditionChecks()
    assert checks.answers([task]) == {}
    go.set()
    for thread in threading.enumerate():
        if thread.name == f"condition of {task.name}":
            thread.join(30)
    assert checks.waits()
    answers = checks.answers([task])
    checks.use_up(answers)
    assert answers == {task.name: None}
    assert not checks.waits()
