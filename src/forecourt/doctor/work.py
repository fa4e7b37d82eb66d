"""Whether work is done: workers, clock, queues, tasks, failures."""

from datetime import timedelta

from forecourt.doctor.check import House, Result, Status, grade
from forecourt.doctor.lateness import own_tasks
from forecourt.durations import duration
from forecourt.schedule.clock import HEARTBEAT, pause_of
from forecourt.settings import settings
from forecourt.store import activity, failure_kinds, pauses, standing, tasks, tick_history, vitals
from forecourt.store.standing import Standing

DEAD = 30.0
SILENT = 90.0
FAR_BEHIND = 15.0
"""Times its limit that a queue's oldest call may have waited, until the queue has failed."""
OVERDUE = 60.0
MINUTES, FEW, SHARE = 15, 10, 5.0


def workers(house: House) -> list[Result]:
    """Whether anybody works."""
    found = activity.of_workers(house.tx)
    alive = [worker for worker in found if worker.silent <= DEAD]
    silent = len(found) - len(alive)
    status: Status = "fail" if not alive else "warn" if silent else "ok"
    words = f"{len(alive)} alive" + (f", {silent} silent for more than {duration(DEAD)}" if silent else "")
    advice = (
        "Start one: forecourt queue work"
        if not alive
        else "A silent one is given up by the others; its log says what happened."
    )
    return [Result("workers", status, words, "1 or more", advice, len(alive), "workers")]


def clock(house: House) -> list[Result]:
    """Whether the schedule goes on."""
    liveness = tasks.liveness(house.tx, timedelta(minutes=5))
    advice = "Start it: forecourt schedule work"
    if liveness.clock_ago is None:
        status: Status = "fail" if len(house.app.timetable) else "ok"
        found = [Result("clock", status, "has never run", duration(SILENT), advice)]
    else:
        ago = liveness.clock_ago.total_seconds()
        words = f"heard of {duration(ago)} ago"
        found = [Result("clock", grade(ago, SILENT, SILENT), words, duration(SILENT), advice, ago, "seconds")]
    last = tick_history.last_success(house.tx, HEARTBEAT)
    if HEARTBEAT in house.app.timetable:
        beat = None if last is None else last.ago.total_seconds()
        words = "never succeeded" if beat is None else f"succeeded {duration(beat)} ago"
        advice = "Clock and workers must both run: each minute the one enters it, the other runs it."
        found.append(
            Result("heartbeat", "fail" if beat is None or beat > 300 else "ok", words, "5 min", advice, beat, "seconds")
        )
    return found


def queues(house: House) -> list[Result]:
    """Whether each queue is served, and keeps up."""
    return [of_queue(queue) for queue in standing.of_queues(house.tx, house.now, house.app.queues)]


def of_queue(queue: Standing) -> Result:
    """Whether this queue is served, and its oldest call has waited no longer than it may."""
    short, limit = queue.queue[:60], settings().queue_limit(queue.queue)
    name = f"queue {short}"
    if queue.paused_by is not None:
        status: Status = "warn" if queue.ready else "ok"
        words, advice = f"paused by {queue.paused_by[:60]}", f"forecourt queue resume {short}"
        return Result(name, status, words, "", advice, tell="never")
    if queue.ready and not queue.workers:
        advice = f"Start a worker for it: forecourt queue work --queue {short}"
        return Result(name, "fail", "calls wait, and nobody serves it", "1 worker", advice, queue.oldest, "seconds")
    words = f"oldest call waits for {duration(queue.oldest)}" if queue.ready else "nothing waits"
    advice = "More slots (--processes) or workers; or pause what is less urgent."
    status = grade(queue.oldest, limit, FAR_BEHIND * limit)
    return Result(name, status, words, duration(limit), advice, queue.oldest, "seconds")


def overdue(house: House) -> list[Result]:
    """Whether calls run on that should have been killed."""
    found = vitals.overdue(house.tx, OVERDUE)
    words = (
        f"call {found[0].id} of {found[0].job[:60]} is {duration(found[0].seconds)} over its time" if found else "none"
    )
    advice = "Its worker does not enforce the timeout: look at its log, and restart it."
    return [
        Result(
            "calls over their time", "fail" if found else "ok", words, duration(OVERDUE), advice, len(found), "calls"
        )
    ]


def failures(house: House) -> list[Result]:
    """Whether unusually many calls fail."""
    well, failed = vitals.ended(house.tx, MINUTES)
    share = 100 * failed / (well + failed) if well + failed else 0.0
    many = failed > FEW and share > SHARE
    words = f"{failed:,} of {well + failed:,} calls failed in {MINUTES} min, {share:.0f} %"
    return [
        Result(
            "failures",
            "warn" if many else "ok",
            words,
            f"{SHARE:.0f} %, more than {FEW}",
            "forecourt queue failed, or the page Failures.",
            share,
            "percent",
        )
    ]


def new_failures(house: House) -> list[Result]:
    """Whether calls fail in a way that was not seen in the week before."""
    return [
        Result(
            f"failure {kind.error[:60]} of {kind.job[:60]}", "warn", f"new, {kind.calls:,} of its calls: {kind.message[:200]}",
            "none in the week before", f"forecourt queue failed --error {kind.error[:60]}", kind.calls, "calls", tell="once",
        )
        for kind in failure_kinds.new(house.tx)
    ]  # fmt: skip


def duties(house: House) -> list[Result]:
    """Whether each task's last run went well."""
    timetable = own_tasks(house.tx, house.app)
    last = tick_history.latest(house.tx, [task.name for task in timetable])
    halted = pauses.in_force(house.tx)
    found = []
    for task in timetable:
        run, pause = last.get(task.name), pause_of(task, halted)
        if pause is not None:
            advice = f"forecourt schedule resume {task.name}"
            found.append(Result(f"task {task.name}", "warn", str(pause)[:200], "", advice, tell="never"))
        elif run is not None and run.status in ("failed", "missed"):
            words = f"{run.status} at {run.due_at.astimezone(task.zone):%Y-%m-%d %H:%M %Z}: {run.why or ''}"[:300]
            status: Status = "fail" if run.status == "failed" else "warn"
            found.append(
                Result(
                    f"task {task.name}", status, words, "", f"When it is mended: forecourt schedule trigger {task.name}"
                )
            )
    return found or [
        Result("tasks", "ok", f"the last runs of all {len(timetable)} went well" if timetable else "there are none")
    ]
