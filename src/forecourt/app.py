"""Forecourt: what a host application builds: its timetable, its jobs, and the middleware around
them.
"""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import orjson

from forecourt.alerts import sending as sending  # whose job every worker knows, too
from forecourt.alerts.morning import mail_each_morning
from forecourt.jobs.application import NoSuchApplication
from forecourt.jobs.application import load as load_by_name
from forecourt.jobs.job import Job
from forecourt.jobs.middleware import Middleware
from forecourt.jobs.option_values import all_of, names
from forecourt.jobs.registry import Registry, WrongJobs
from forecourt.operations import bulk as bulk  # whose jobs every worker knows
from forecourt.schedule.hook_runner import TaskHooks
from forecourt.schedule.stored import merged
from forecourt.schedule.timetable import Timetable
from forecourt.settings import settings
from forecourt.slots.options import WorkOptions
from forecourt.store import stored_tasks
from forecourt.store.definitions import declare

MARKETPLACE = "forecourt.marketplace."
"""What the modules of its jobs begin with. By name: the engine stands without it."""


class Forecourt:
    """An application: jobs and tasks. FORECOURT_APP names the module attribute that holds it.

    Its jobs are all that the process has declared, or with `jobs` those of these modules (and of
    the modules in them), these jobs, those of the timetable's tasks, and the engine's. `middleware`
    stands around each call of them, the first outermost. Raises TimetableError at once, naming
    every task that cannot be followed, and WrongJobs when two of its jobs have one name or one has
    an option that nobody declares.
    """

    def __init__(
        self,
        timetable: Timetable | None = None,
        *,
        queues: tuple[str, ...] | None = None,
        middleware: Iterable[Middleware] = (),
        jobs: Iterable[ModuleType | Job[..., Any]] | None = None,
    ) -> None:
        if timetable is not None and not isinstance(timetable, Timetable):
            raise TypeError(f"Forecourt: expected a Timetable, not {timetable!r:.80}")
        self.timetable = timetable if timetable is not None else Timetable()
        self.timetable.check()
        self.queues = WorkOptions(queues=names(queues, "queue")).queues if queues else WorkOptions().queues
        """The queues that a worker serves unless told otherwise, the most urgent first."""
        mail_each_morning(self.timetable, self.queues[-1])
        around = (
            *all_of(middleware, Middleware, "middleware: expected instances of Middleware, such as Timing()"),
            TaskHooks(self.timetable),
        )
        self.jobs = Registry(around) if jobs is None else Registry(around, _ownership(self.timetable, jobs))
        """By name, with those that modules declare which are imported later."""
        self.jobs.check()

    def schedule(self, tx: Any) -> Timetable:
        """The timetable with the tasks that were added while it ran."""
        return merged(self.timetable, stored_tasks.every(tx), self.jobs)[0]

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
    """The application that FORECOURT_APP names, or `path`. Raises NoSuchApplication, also for jobs
    that do not fit together, or TimetableError.
    """
    path = path or settings().app
    try:
        app = load_by_name(path)
        assert isinstance(app, Forecourt), path
        app.jobs.check()  # with those of modules that were imported after it was built
    except WrongJobs as error:
        raise NoSuchApplication(f"FORECOURT_APP={path}: {error}") from None
    return app


def _ownership(timetable: Timetable, jobs: Iterable[ModuleType | Job[..., Any]]) -> Callable[[Job[..., Any]], bool]:
    """Whether a job is one of the given ones, of the timetable's or of the engine's."""
    given = all_of(jobs, (ModuleType, Job), "jobs: expected modules and jobs")
    modules = tuple(f"{one.__name__}." for one in given if isinstance(one, ModuleType))
    ours = {one for one in given if isinstance(one, Job)} | {task.job for task in timetable}

    def owns(job: Job[..., Any]) -> bool:
        return job in ours or f"{job.function.__module__}.".startswith(modules) or job.name.startswith("forecourt.")

    return owns
