"""Whether work is done: workers, clock, queues, tasks, failures."""

import shlex
from datetime import timedelta

from forecourt.app import Forecourt
from forecourt.doctor.check import House, Result, Status, grade
from forecourt.doctor.lateness import own_tasks
from forecourt.durations import duration
from forecourt.ladder import Ladder
from forecourt.language import comma, lookup, marked, some
from forecourt.language import gettext as _
from forecourt.schedule.clock import HEARTBEAT, pause_of
from forecourt.settings import settings
from forecourt.store import activity, failure_kinds, pauses, standing, tasks, tick_history, vitals
from forecourt.store.activity import Worker
from forecourt.store.standing import Standing

DEAD = 30.0
"""Seconds since a worker's last heartbeat, until it is not counted. Others give it up after 15."""

SILENT = 90.0
"""Seconds since a clock's last beat, until nothing is due any more. It beats every 30."""

FAR_BEHIND = 15.0
"""Times its limit that a queue's oldest call may have waited, until the queue has failed."""
OVERDUE = 60.0
MINUTES, FEW, SHARE = 15, 10, 5.0


def workers(house: House) -> list[Result]:
    """Whether anybody works, and waits for what runs when it is told to stop."""
    found = activity.of_workers(house.tx)
    alive = [worker for worker in found if worker.silent <= DEAD]
    silent = len(found) - len(alive)
    status: Status = "fail" if not alive else "warn" if silent else "ok"
    words = _("%(count)s alive", count=len(alive))
    if silent:
        words += comma() + _("%(count)s silent for more than %(time)s", count=silent, time=duration(DEAD))
    advice = (
        _("Start one: forecourt queue work")
        if not alive
        else _("A silent one is given up by the others; its log says what happened.")
    )
    here = Result(marked("workers"), status, words, _("1 or more"), advice, len(alive), "workers")
    return [here, *_ladder(house.app, found)]


def _ladder(app: Forecourt, workers: list[Worker]) -> list[Result]:
    """Whether each worker waits for the longest job when it is told to stop: where somebody said
    how long it is itself waited for, so that it is not one that a person started."""
    longest = Ladder.of(app).job
    with_grace = [worker for worker in workers if worker.stop_grace]
    if not with_grace:
        return []
    short = [worker for worker in with_grace if (worker.shutdown_timeout or 0) <= longest]
    words = _("longer than the longest job, %(time)s", time=duration(longest))
    if short:
        worker = short[0]
        words = _(
            "worker %(id)s on %(host)s waits %(time)s, and the longest job may take %(longest)s",
            id=worker.id,
            host=worker.host[:60],
            time=duration(worker.shutdown_timeout or 0),
            longest=duration(longest),
        )
    advice = _("What runs longer is given back at each stop and runs again. Print its file anew: forecourt deploy")
    return [Result(marked("waits at a stop"), "warn" if short else "ok", words, "", advice, len(short), "workers")]


def clock(house: House) -> list[Result]:
    """Whether the schedule goes on."""
    liveness = tasks.liveness(house.tx, timedelta(minutes=5))
    advice = _("Start it: forecourt schedule work. If it runs, its log says why its rounds fail.")
    if liveness.clock_ago is None:
        status: Status = "fail" if len(house.app.timetable) else "ok"
        found = [Result(marked("clock"), status, _("has never run"), duration(SILENT), advice)]
    else:
        ago = liveness.clock_ago.total_seconds()
        words = _("heard of %(time)s ago", time=duration(ago))
        found = [Result(marked("clock"), grade(ago, SILENT, SILENT), words, duration(SILENT), advice, ago, "seconds")]
    last = tick_history.last_success(house.tx, HEARTBEAT)
    if HEARTBEAT in house.app.timetable:
        beat = None if last is None else last.ago.total_seconds()
        words = _("never succeeded") if beat is None else _("succeeded %(time)s ago", time=duration(beat))
        advice = _("Clock and workers must both run: each minute the one enters it, the other runs it.")
        found.append(
            Result(
                marked("heartbeat"),
                "fail" if beat is None or beat > 300 else "ok",
                words,
                duration(300),
                advice,
                beat,
                "seconds",
            )
        )
    return found


def queues(house: House) -> list[Result]:
    """Whether each queue is served, and keeps up."""
    return [of_queue(queue) for queue in standing.of_queues(house.tx, house.now, house.app.queues, most=0)]


def of_queue(queue: Standing) -> Result:
    """Whether this queue is served, and its oldest call has waited no longer than it may."""
    short, limit = queue.queue[:60], settings().queue_limit(queue.queue)
    name = f"queue {short}"
    if queue.paused_by is not None:
        status: Status = "warn" if queue.ready else "ok"
        words = _("paused by %(who)s", who=queue.paused_by[:60])
        return Result(name, status, words, "", shlex.join(["forecourt", "queue", "resume", queue.queue]), tell="never")
    if queue.ready and not queue.workers:
        words, one = _("calls wait, and nobody serves it"), some(1, "worker", "workers")
        start = shlex.join(["forecourt", "queue", "work", "--queue", queue.queue])
        advice = f"{_('Start a worker for it:')} {start}"
        return Result(name, "fail", words, one, advice, queue.oldest, "seconds")
    waits = _("oldest call waits for %(time)s", time=duration(queue.oldest))
    words = waits if queue.ready else _("nothing waits")
    advice = shlex.join(["forecourt", "queue", "explain", queue.queue])
    status = grade(queue.oldest, limit, FAR_BEHIND * limit)
    return Result(name, status, words, duration(limit), advice, queue.oldest, "seconds")


def overdue(house: House) -> list[Result]:
    """Whether calls run on that should have been killed."""
    found = vitals.overdue(house.tx, OVERDUE)
    words = _("none")
    if found:
        first = found[0]
        words = _(
            "call %(id)s of %(job)s is %(time)s over its time",
            id=first.id,
            job=first.job[:60],
            time=duration(first.seconds),
        )
    advice = _("Its worker does not enforce the timeout: look at its log, and restart it.")
    return [
        Result(
            marked("calls over their time"),
            "fail" if found else "ok",
            words,
            duration(OVERDUE),
            advice,
            len(found),
            "calls",
        )
    ]


def failures(house: House) -> list[Result]:
    """Whether unusually many calls fail."""
    well, failed = vitals.ended(house.tx, MINUTES)
    share = 100 * failed / (well + failed) if well + failed else 0.0
    many = failed > FEW and share > SHARE
    words = _(
        "%(failed)s of %(all)s calls failed in %(minutes)s min, %(share)s %%",
        failed=f"{failed:,}",
        all=f"{well + failed:,}",
        minutes=MINUTES,
        share=f"{share:.0f}",
    )
    return [
        Result(
            marked("failures"),
            "warn" if many else "ok",
            words,
            _("%(share)s %%, more than %(count)s", share=f"{SHARE:.0f}", count=FEW),
            _("forecourt queue failed, or the page Failures."),
            share,
            "percent",
        )
    ]


def new_failures(house: House) -> list[Result]:
    """Whether calls fail in a way that was not seen in the week before."""
    return [
        Result(
            f"failure {kind.error[:60]} {kind.job[:60]}",
            "warn",
            _("new, %(calls)s: %(why)s", calls=some(kind.calls, "call", "calls"), why=kind.message[:200]),
            _("none in the week before"),
            shlex.join(["forecourt", "queue", "failed", "--error", kind.error]),
            kind.calls,
            "calls",
            tell="once",
        )
        for kind in failure_kinds.new(house.tx)
    ]


def duties(house: House) -> list[Result]:
    """Whether each task's last run went well."""
    timetable = own_tasks(house.tx, house.app)
    last = tick_history.latest(house.tx, [task.name for task in timetable])
    halted = pauses.in_force(house.tx)
    found = []
    for task in timetable:
        run, pause = last.get(task.name), pause_of(task, halted)
        if pause is not None:
            of = {"task": [task.name], "group": ["--group", pause.name], "schedule": []}[pause.kind]
            advice = shlex.join(["forecourt", "schedule", "resume", *of])
            found.append(Result(f"task {task.name}", "warn", str(pause)[:200], "", advice, tell="never"))
        elif run is not None and run.overdue_at is not None and run.finished_at is None:
            words = f"not over by its deadline: call {run.call_id}, due at {run.due_at.astimezone(task.zone):%Y-%m-%d %H:%M %Z}"
            advice = shlex.join(["forecourt", "schedule", "explain", task.name])
            found.append(Result(f"task {task.name}", "warn", words, "", advice))
        elif run is not None and run.status in ("failed", "missed"):
            due = f"{run.due_at.astimezone(task.zone):%Y-%m-%d %H:%M %Z}"
            state = _("%(state)s at %(time)s", state=lookup(run.status), time=due)
            words = f"{state}: {run.why or ''}"[:300]
            status: Status = "fail" if run.status == "failed" else "warn"
            again = shlex.join(["forecourt", "schedule", "trigger", task.name])
            found.append(Result(f"task {task.name}", status, words, "", _("When it is mended:") + f" {again}"))
    return found or [
        Result(
            marked("tasks"),
            "ok",
            _("the last runs of all %(count)s went well", count=len(timetable)) if timetable else _("there are none"),
        )
    ]
