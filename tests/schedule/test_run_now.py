"""A task that is tried out in the foreground has the hooks that a slot would run."""

import pytest

import workshop
from fleet import Looking
from forecourt import Discard, Release, Timetable
from forecourt.jobs.job import Job
from forecourt.schedule.run_now import run_now


@pytest.mark.parametrize(
    ("job", "args", "error", "hooks"),
    [
        (workshop.leave_by_exit, {"call": "x"}, SystemExit, ["after failed", "failure failed"]),
        (workshop.drop, {"call": "x"}, Discard, ["after cancelled"]),
        (workshop.come_back, {"call": "x", "times": 9}, Release, []),
    ],
)
def test_a_run_without_success_has_the_hooks_of_how_it_ended(
    looking: Looking, job: Job[..., object], args: dict[str, object], error: type[BaseException], hooks: list[str]
) -> None:
    heard: list[str] = []
    task = Timetable("UTC").add(job, **args).after(lambda run: heard.append(f"after {run.status}"))
    task.on_failure(lambda run: heard.append(f"failure {run.status}"))
    with pytest.raises(error):
        run_now(task, ())
    assert heard == hooks
