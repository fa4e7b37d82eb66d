"""Promises of asking conditions: an answer belongs to the due time that it was asked for, and
silence is no yes.
"""

import threading

import pytest
from timetables import new_task

from forecourt.schedule import condition_checks
from forecourt.schedule.condition_checks import ConditionChecks, Refusal


def test_an_answer_that_came_too_late_is_not_the_next_due_time_s(monkeypatch: pytest.MonkeyPatch) -> None:
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
