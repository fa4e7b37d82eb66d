"""The sentence that a page begins with, by rules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forecourt import Timetable, job
from forecourt.store.activity import Worker
from forecourt.store.pauses import Pause
from forecourt.store.standing import Standing
from forecourt.store.tasks import Liveness
from forecourt.store.tick_history import Tick
from forecourt.web.nights import Duty
from forecourt.web.verdict import Facts, verdict

NIGHT = datetime(2030, 1, 2, 3, 14, tzinfo=UTC)


@job(name="verdict.duty")
def duty_job() -> None:
    """What the duties below are said to do."""


TASK = Timetable().add(duty_job, name="sweep").daily_at("02:00")


def run(status: str = "succeeded", seconds: float = 4, days: int = 0) -> Tick:
    due = NIGHT.replace(hour=2, minute=0) - timedelta(days=days)
    ended = None if status == "enqueued" else due + timedelta(seconds=seconds)
    return Tick(1, "sweep", due, "", status, None, 7, due, due, ended, {"swept": 12})


def duty(*runs: Tick, **more: Any) -> Duty:
    facts = {"to_come": [], "usual": 4.0, "pause": None, "holder": None, "often": False}
    return Duty(TASK, runs, **facts | more)


def queue(**more: Any) -> Standing:
    facts = dict.fromkeys(("paused_by", "paused_since", "paused_until", "paused_why"))
    return Standing(
        **{
            "queue": "high",
            "ready": 0,
            "failed": 0,
            "running": 0,
            "scheduled": 0,
            "oldest": 0.0,
            "workers": 1,
            "slots": 4,
            "busy": 0,
        }
        | facts
        | more
    )


WORKER = Worker(
    1, "night-1", 1, 4, 0, ["high"], "0", NIGHT, NIGHT, False, 75.0, 80.0, False, None, None, None, None, silent=1.0
)  # fmt: skip
GOOD = Facts(NIGHT, [queue()], [WORKER], [duty(run())], Liveness(NIGHT, timedelta(seconds=5), None, True), None, 0)


def said(**changed: Any) -> str:
    return verdict(replace(GOOD, **changed)).sentence


def test_nothing_late_is_said_in_one_sentence() -> None:
    found = verdict(GOOD)
    assert found.sentence == "The night is on time."
    assert found.under == "1 of 1 duty done, none failed. No call failed since midnight. 1 worker, 4 slots."


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"workers": []}, "The night needs you: no worker is running."),
        ({"workers": [replace(WORKER, silent=31.0)]}, "The night needs you: no worker is running."),
        (
            {"liveness": Liveness(NIGHT, timedelta(minutes=10), None, True)},
            "The night needs you: the clock is stopped since 10 min, so nothing comes due.",
        ),
        ({"liveness": Liveness(None, None, None, False)}, "The night needs you: the clock is stopped, so nothing comes due."),
        ({"duties": [duty(run("failed"))]}, "The night needs you: sweep failed."),
        ({"duties": [duty(run("missed"))]}, "The night is late: sweep was missed."),
        ({"duties": [duty(run("enqueued"))]}, "The night is late: sweep waits for a worker."),
        ({"duties": [duty(run(seconds=60))]}, "The night is on time, but sweep took 1 min instead of 4.0 s."),
        ({"queues": [queue(ready=5, oldest=250.0)]}, "The night is on time, but high is 4 min behind."),
        ({"queues": [queue(ready=5, oldest=59.0)]}, "The night is on time."),
        ({"queues": [queue(ready=100_001, workers=0)]}, "The night needs you: nobody serves high, where 100,000+ calls wait."),
        ({"queues": [queue(ready=5, paused_by="anna")]}, "The night is on time, but high is paused while 5 calls wait."),
        ({"queues": [queue(paused_by="anna")]}, "The night is on time."),
        ({"halted": Pause("schedule", "", NIGHT, None, "anna", "")}, "The night is on time, but the schedule is paused by anna."),
        ({"now": NIGHT.replace(hour=15)}, "The day is on time."),
    ],
)  # fmt: skip
def test_each_trouble_has_its_sentence(changed: dict[str, Any], sentence: str) -> None:
    assert said(**changed) == sentence


def test_what_is_worse_comes_first_and_the_rest_is_told_below() -> None:
    found = verdict(replace(GOOD, queues=[queue(ready=5, oldest=250.0)], duties=[duty(run("failed"))]))
    assert found.sentence == "The night needs you: sweep failed."
    assert [trouble.words for trouble in found.others] == ["high is 4 min behind"]


def test_a_duty_is_slow_only_beside_its_own_history() -> None:
    assert duty(run(seconds=60)).standing(NIGHT) == "slow"
    assert duty(run(seconds=60), usual=55.0).standing(NIGHT) == "done"
    assert duty(run(seconds=60), usual=None).standing(NIGHT) == "done"
