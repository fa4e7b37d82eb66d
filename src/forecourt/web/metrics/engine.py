"""The engine's families: calls, queues, workers, the schedule, the database, the disk.

The label of a job is `job_name`: `job` is Prometheus's own, and says which scrape it was.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection

from forecourt.app import Forecourt
from forecourt.database.revision import needed
from forecourt.doctor import lateness, place, work
from forecourt.schedule.clock import pause_of
from forecourt.settings import settings
from forecourt.store import activity, outcomes, pauses, standing, tasks, totals, vitals
from forecourt.store.activity import Worker
from forecourt.store.minutes import BOUNDS
from forecourt.version import __version__
from forecourt.web.metrics.exposition import Distribution, Family

EVER = datetime(1, 1, 1, tzinfo=UTC)


def families(tx: Connection[Any], app: Forecourt, now: datetime) -> Iterator[Family]:
    """All of them, as the database is now."""
    yield Family(
        "forecourt_build_info", "gauge", "The release that answers, and the schema that it needs.",
        [({"version": __version__, "schema": needed()}, 1)],
    )  # fmt: skip
    yield from _calls(tx)
    workers = activity.of_workers(tx)
    yield from _queues(tx, app)
    yield from _workers(workers)
    yield from _running(workers, now)
    yield from _schedule(tx, app, now)
    yield from _database(tx)
    yield from _disk()


def _calls(tx: Connection[Any]) -> Iterator[Family]:
    found = [({"queue": total.queue, "job_name": total.job}, total) for total in totals.totals(tx)]
    yield Family(
        "forecourt_calls_total", "counter",
        "Attempts by how they ended: finished, discarded, retried, failed for good, or released uncounted.",
        [
            ({**labels, "outcome": outcome}, getattr(total, outcome))
            for labels, total in found
            for outcome in ("finished", "discarded", "retried", "failed", "released")
        ],
    )  # fmt: skip
    yield Family(
        "forecourt_late_acknowledgements_total", "counter",
        "Ends that changed nothing, because their worker had lost its claim.",
        [(labels, total.late) for labels, total in found],
    )  # fmt: skip
    yield Family(
        "forecourt_call_run_seconds", "histogram", "How long attempts ran.",
        [(labels, _distribution(total.ran, total.run_seconds)) for labels, total in found],
    )  # fmt: skip
    yield Family(
        "forecourt_call_wait_seconds", "histogram", "How long calls had been ready when they were claimed.",
        [(labels, _distribution(total.waited, total.wait_seconds)) for labels, total in found],
    )  # fmt: skip


def _distribution(counts: Any, total: float) -> Distribution:
    return Distribution(BOUNDS, [count or 0 for count in counts], total)


def _queues(tx: Connection[Any], app: Forecourt) -> Iterator[Family]:
    found = [({"queue": queue.queue}, queue) for queue in standing.of_queues(tx, EVER, app.queues)]
    yield Family(
        "forecourt_queue_calls", "gauge", f"Calls by state; each count stops at {standing.CAP + 1}.",
        [
            ({**labels, "state": state}, getattr(queue, state))
            for labels, queue in found
            for state in ("ready", "scheduled", "running", "failed")
        ],
    )  # fmt: skip
    yield Family(
        "forecourt_queue_oldest_ready_seconds", "gauge", "How long the oldest ready call has waited; 0 when none waits.",
        [(labels, queue.oldest) for labels, queue in found],
    )  # fmt: skip
    yield Family(
        "forecourt_queue_limit_seconds", "gauge", "How long it may wait: FORECOURT_QUEUE_LIMITS.",
        [(labels, settings().queue_limit(queue.queue)) for labels, queue in found],
    )  # fmt: skip
    yield Family(
        "forecourt_queue_paused", "gauge", "1 while an operator has paused it.",
        [(labels, queue.paused_by is not None) for labels, queue in found],
    )  # fmt: skip
    yield Family(
        "forecourt_queue_workers", "gauge", "Live workers that serve it.",
        [(labels, queue.workers) for labels, queue in found],
    )  # fmt: skip


def _workers(workers: list[Worker]) -> Iterator[Family]:
    alive = [worker for worker in workers if worker.silent <= work.DEAD]
    yield Family(
        "forecourt_workers", "gauge", "Workers, alive or silent.",
        [({"state": "alive"}, len(alive)), ({"state": "silent"}, len(workers) - len(alive))],
    )  # fmt: skip
    yield Family(
        "forecourt_slots", "gauge", "Slots of live workers: calls that can run at once.",
        [({}, sum(worker.slots for worker in alive))],
    )  # fmt: skip
    yield Family(
        "forecourt_slots_busy", "gauge", "Slots of live workers that run a call.",
        [({}, sum(worker.busy for worker in alive))],
    )  # fmt: skip


def _running(workers: list[Worker], now: datetime) -> Iterator[Family]:
    longest: dict[tuple[str, str], float] = {}
    over = 0
    for call in (call for worker in workers for call in worker.runs):
        key = (call.queue, call.job)
        longest[key] = max(longest.get(key, 0.0), (now - call.since).total_seconds())
        over += call.deadline is not None and (now - call.deadline).total_seconds() > work.OVERDUE
    yield Family(
        "forecourt_call_longest_running_seconds", "gauge", "Since when the longest running call of each job runs.",
        [({"queue": queue, "job_name": job}, seconds) for (queue, job), seconds in sorted(longest.items())],
    )  # fmt: skip
    yield Family(
        "forecourt_calls_over_time", "gauge", "Running calls that should have been killed a minute ago or more.",
        [({}, over)],
    )  # fmt: skip


def _schedule(tx: Connection[Any], app: Forecourt, now: datetime) -> Iterator[Family]:
    liveness = tasks.liveness(tx, timedelta(minutes=5))
    yield Family(
        "forecourt_clock_last_beat_timestamp_seconds", "gauge", "When a clock last said that it lives.",
        [] if liveness.clock is None else [({}, liveness.clock)],
    )  # fmt: skip
    own = lateness.own_tasks(tx, app)
    ended = outcomes.outcomes(tx, [task.name for task in own])
    for name, attribute, words in (
        ("success", "succeeded", "When a run last succeeded, among the latest due times."),
        ("failure", "failed", "When a run last failed for good, among the latest due times."),
        ("missed", "missed", "When a due time was last missed, among the latest due times."),
        ("skipped", "skipped", "When a due time was last skipped, among the latest due times."),
    ):
        yield Family(
            f"forecourt_task_last_{name}_timestamp_seconds", "gauge", words,
            [({"task": task}, at) for task, found in ended.items() if (at := getattr(found, attribute)) is not None],
        )  # fmt: skip
    yield Family(
        "forecourt_task_last_duration_seconds", "gauge", "How long the last run took that succeeded.",
        [({"task": task}, found.took) for task, found in ended.items() if found.took is not None],
    )  # fmt: skip
    open_for, overdue, halted = outcomes.open_for(tx), lateness.overdue(tx, app), pauses.in_force(tx)
    yield Family(
        "forecourt_task_next_due_timestamp_seconds", "gauge", "When it is due next.",
        [({"task": task.name}, task.next_due(now)) for task in own],
    )  # fmt: skip
    yield Family(
        "forecourt_task_open_seconds", "gauge", "How long ago its oldest run was due that has not ended; 0 when all have.",
        [({"task": task.name}, open_for.get(task.name, 0.0)) for task in own],
    )  # fmt: skip
    yield Family(
        "forecourt_task_overdue_seconds", "gauge", "How long ago it was due without a clock having looked; 0 on time.",
        [({"task": task}, seconds) for task, seconds in sorted(overdue.items())],
    )  # fmt: skip
    yield Family(
        "forecourt_task_paused", "gauge", "1 while it, its group or the whole schedule is paused.",
        [({"task": task.name}, pause_of(task, halted) is not None) for task in own],
    )  # fmt: skip


def _database(tx: Connection[Any]) -> Iterator[Family]:
    seen = vitals.vitals(tx)
    for name, words, value in (
        ("connections", "Connections to the server.", seen.connections),
        ("connections_limit", "Connections that it accepts.", seen.most_connections),
        ("oldest_transaction_seconds", "How long the oldest other transaction has been open.", seen.oldest_transaction),
        ("dead_rows", "Dead rows in the tables through which each call passes.", seen.dead_rows),
        ("size_bytes", "The database on disk.", seen.size),
    ):
        yield Family(f"forecourt_database_{name}", "gauge", words, [({}, value)])


def _disk() -> Iterator[Family]:
    usage = shutil.disk_usage(place.nearest(settings().var))
    yield Family(
        "forecourt_disk_free_bytes", "gauge", "Room for local files, where the web server runs.", [({}, usage.free)]
    )
    yield Family("forecourt_disk_size_bytes", "gauge", "The disk that they lie on.", [({}, usage.total)])
