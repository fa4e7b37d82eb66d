"""Forecourt: what a host application builds: its timetable, and through the modules it imports, its
jobs.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from forecourt.alerts import sending as sending  # whose job every worker knows, too
from forecourt.alerts.morning import mail_each_morning
from forecourt.jobs.application import load as load_by_name
from forecourt.jobs.job import Job, registry
from forecourt.operations import bulk as bulk  # whose jobs every worker knows
from forecourt.schedule import hook_runner
from forecourt.schedule.stored import merged
from forecourt.schedule.timetable import Timetable
from forecourt.settings import settings
from forecourt.store import stored_tasks
from forecourt.store.definitions import declare
from forecourt.workers.options import WorkOptions

MARKETPLACE = "forecourt.marketplace."
"""What the modules of its jobs begin with. By name: the engine stands without it."""


class Forecourt:
    """An application: jobs and tasks. FORECOURT_APP names the module attribute that holds it.

    Raises TimetableError at once, naming every task that cannot be followed.
    """

    def __init__(self, timetable: Timetable | None = None, *, queues: tuple[str, ...] | None = None) -> None:
        self.timetable = timetable if timetable is not None else Timetable()
        self.timetable.check()
        self.queues = queues or WorkOptions().queues
        """The queues that a worker serves unless told otherwise, the most urgent first."""
        mail_each_morning(self.timetable, self.queues[-1])
        hook_runner.serve(self.timetable)

    @property
    def jobs(self) -> Mapping[str, Job[..., Any]]:
        """Every job that this process has imported, by name."""
        return registry

    def schedule(self, tx: Any) -> Timetable:
        """The timetable with the tasks that were added while it ran."""
        return merged(self.timetable, stored_tasks.every(tx), self.jobs)

    @property
    def has_marketplace(self) -> bool:
        """Whether it has jobs of the marketplace's, and so needs its tables."""
        return any(job.function.__module__.startswith(MARKETPLACE) for job in self.jobs.values())

    def declare(self, tx: Any) -> int:
        """Tell the database of the jobs, so that they can be dispatched from SQL. Returns how many
        were new or changed.
        """
        return declare(
            tx,
            [
                (
                    job.name,
                    job.policy.queue,
                    job.policy.priority,
                    orjson.dumps(job.arguments.described()).decode(),
                    orjson.dumps(
                        {
                            "tries": job.policy.tries,
                            "timeout": job.policy.timeout,
                            "batch": job.policy.batch,
                            "unique": job.policy.unique,
                            "unique_for": job.policy.unique_for,
                            "retry_until": job.policy.retry_until,
                        }
                        | ({"mask": job.policy.mask} if job.policy.mask else {})
                    ).decode(),
                )
                for _, job in sorted(self.jobs.items())
            ],
        )


def load(path: str | None = None) -> Forecourt:
    """The application that FORECOURT_APP names, or `path`. Raises NoSuchApplication or
    TimetableError.
    """
    path = path or settings().app
    app = load_by_name(path)
    assert isinstance(app, Forecourt), path
    return app
