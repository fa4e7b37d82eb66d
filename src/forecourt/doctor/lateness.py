"""Due times that nobody looked at, though a clock works, and runs that nobody begins."""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from forecourt.app import Forecourt
from forecourt.doctor.check import House, Result
from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import marked
from forecourt.schedule.stored import merged
from forecourt.schedule.task import Task
from forecourt.settings import settings
from forecourt.store import stored_tasks, tasks, tick_history, ticks
from forecourt.store.tasks import Version

LATE = 90.0
"""Seconds after which a due time is late: a clock looks each second, one in a crontab each
minute.
"""


def late(house: House) -> list[Result]:
    """Whether what was due has been entered and begun. While no clock works at all, another check
    says so.
    """
    working = tasks.liveness(house.tx, timedelta(minutes=5)).clock_ago
    unseen = overdue(house.tx, house.app) if working is not None and working.total_seconds() < LATE else {}
    found = [
        Result(
            f"late {name}",
            "fail",
            _("was due %(time)s ago, and no clock has looked", time=duration(seconds)),
            duration(LATE),
            _(
                "A clock works, but not on this task: has it the same FORECOURT_APP and FORECOURT_ENVIRONMENT? See its log."
            ),
            seconds,
            "seconds",
        )
        for name, seconds in unseen.items()
        if seconds > LATE
    ]
    _timetable, unfit = merged(house.app.timetable, stored_tasks.every(house.tx), house.app.jobs)
    for name, why in unfit.items():
        advice = _("Until it fits the code it is not followed: forecourt schedule edit %(name)s", name=name)
        found.append(Result(f"late {name}", "warn", why, "", advice))
    own = {task.name: task for task in own_tasks(house.tx, house.app)}
    latest = tick_history.latest(house.tx, list(own))
    holders = ticks.holders(house.tx, [(tick.task, tick.host) for tick in latest.values() if tick.status == "enqueued"])
    for name, tick in latest.items():
        age = (house.now - tick.due_at).total_seconds()
        begun = name in holders and holders[name].worker is not None
        put_off = own[name].delay_of(tick.due_at, tick.host).total_seconds()
        if tick.status == "enqueued" and not begun and age - put_off > LATE:
            words = _("was due %(time)s ago, and waits for a worker", time=duration(age))
            why = _("Is its queue paused, does nobody serve it, or is much before it?")
            advice = f"{why} forecourt queue show {tick.call_id}"
            found.append(Result(f"late {name}", "warn", words, duration(LATE), advice, age, "seconds"))
    return found or [Result(marked("due times"), "ok", _("everything that was due has begun"), duration(LATE))]


def own_tasks(tx: Connection[Any], app: Forecourt) -> list[Task]:
    """The tasks that are due in this environment."""
    return [task for task in app.schedule(tx) if task.runs_in(settings().environment)]


def overdue(tx: Connection[Any], app: Forecourt) -> dict[str, float]:
    """How many seconds ago each task was due without a clock having looked; 0 for those that are on
    time. A task that no clock knows yet is left out, and so is one for every server: each host's
    clock looks for itself."""
    own = {task.name: task for task in own_tasks(tx, app) if task.one_server}
    versions = {name: Version(name, task.fingerprint) for name, task in own.items()}
    evaluated = tasks.evaluated(tx, list(versions.values()))
    now = tasks.now(tx)
    return {name: max(0.0, (now - own[name].next_due(until)).total_seconds()) for name, until in evaluated.items()}
