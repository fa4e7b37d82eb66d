"""An application for tests: a night's tasks with every kind of end, whose hooks leave traces and
ping a monitor.
"""

import os
from collections.abc import Callable

import workshop
from forecourt import Forecourt, Timetable
from forecourt.schedule.hook_runner import Run
from workshop import leave

MONITOR = os.environ.get("NIGHTWATCH_MONITOR", "http://127.0.0.1:9")
"""Where the pings go; unless told, to a port where nobody listens."""

NOBODY = "http://127.0.0.1:9/"

ENDS = {
    "steady": workshop.leave_trace,
    "transacting": workshop.transact,
    "failing": workshop.fail,
    "hanging": workshop.hang,
    "dying": workshop.die,
    "barred": workshop.leave_trace,
    "tripping": workshop.leave_trace,
    "unheard": workshop.leave_trace,
}
"""Tasks by how they end. Those that fail have two tries."""


def note(word: str) -> Callable[[Run], None]:
    """A hook that leaves a trace of itself, of the task, and of how the run ended."""

    def hook(run: Run) -> None:
        ended = "" if word == "before" else " well" if run.succeeded else f" badly: {run.error}"
        leave(f"{word} {run.task}{ended}")

    return hook


def stumble() -> None:
    raise RuntimeError("the hook stumbles")


def told(run: Run) -> None:
    """What a hook hears of the run."""
    leave(f"{run.task} due {run.due_at:%H:%M}: {run.result}, {run.seconds < 30}")


timetable = Timetable("UTC")

with timetable.group("night") as night:
    night.every_minute().before(note("before")).after(note("after"))
    for name, function in ENDS.items():
        task = night.add(function, name=name, call=name)
        if name == "barred":
            task.before(stumble)
        if name == "tripping":
            task.after(stumble).after(note("after all"))
        if name == "unheard":
            for url in (NOBODY, f"{MONITOR}/500", f"{MONITOR}/garbage", f"{MONITOR}/كاشف"):
                task.ping_before(url).then_ping(url)
        task.on_success(note("success")).on_failure(note("failure"))
        task.ping_before(f"{MONITOR}/{name}/start").then_ping(f"{MONITOR}/{name}/end")
        task.ping_on_success(f"{MONITOR}/{name}/good").ping_on_failure(f"{MONITOR}/{name}/bad")
        task.then_ping(f"{MONITOR}/{name}/never", when=bool)
    timetable["steady"].on_success(told)

with timetable.group("books", timezone="Africa/Cairo") as books:
    books.add(workshop.leave_trace, name="close_books", call="books").daily_at("02:00").describe("Closes the day")
    books.add(workshop.collect, name="collect_dues", n=7).weekly_on(1, "09:00")

app = Forecourt(timetable, queues=("high", "default", "low"))
