"""A task: a job, when it is due, and its rules, under a stable unique name."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import takewhile
from typing import Any, NoReturn, Protocol
from zoneinfo import ZoneInfo

from forecourt.schedule.constraints import Constraints
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.fluent import Fluent
from forecourt.schedule.frequency import Frequency
from forecourt.schedule.hooks import Hooked
from forecourt.schedule.occurrences import WallTimes, aware, occurrences, wall_times
from forecourt.schedule.rules import DispatchOptions, Hooks, Misfire, Rules
from forecourt.schedule.sentence import sentence
from forecourt.schedule.task_options import TaskOptions
from forecourt.settings import settings


class Job(Protocol):
    """What the timetable asks of a job. If it also has `check(args)`, that is called when a task is
    added.
    """

    @property
    def name(self) -> str:
        """The name under which workers know it."""


class Entry(Frequency, Constraints, TaskOptions, Hooked):
    """Everything that can be said of a task, or of a group for the tasks in it."""


class ReadOnlyText(str):
    """Text to read, which somebody may try to call: other schedulers set it by a word of this
    name.
    """

    __slots__ = ()

    def __call__(self, *_: object) -> NoReturn:
        """Raises TimetableError, and says where it is set."""
        raise TimetableError(
            "a task's name is given where it is added, add(job, name='...'); what it is for, by describe('...')"
        )


class Task(Entry):
    """One entry of the timetable. Its words return it, so they chain; its properties say what they
    add up to.

    Evaluating it reads no clock and no database.
    """

    def __init__(self, job: Job, *, name: str, args: Mapping[str, Any], place: str, outer: Fluent) -> None:
        super().__init__(Rules(), outer)
        self.name: str = ReadOnlyText(name)
        self.job = job
        self.args = dict(args)
        self.place = place
        """Where it was added: file:line."""
        self.is_stored = False
        """Whether it was added while the application ran, and not by its code."""

    def occurrences(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Every due time in (after, until], in UTC, strictly ascending, lazily.

        Frequency, zone and windows decide; conditions, environments and pauses are asked when the
        task is due. Raises ValueError for naive instants and TimetableError for a task that cannot
        be followed.
        """
        aware(until)
        return takewhile(until.__ge__, occurrences(self.wall_times(), self.zone, after))

    def next_due(self, after: datetime) -> datetime:
        """The first due time later than `after`, in UTC. Raises what `occurrences` does,
        OverflowError past 9998.
        """
        for instant in occurrences(self.wall_times(), self.zone, after):
            return instant
        raise OverflowError(f"{self._title()} has no due time between {after} and the end of the calendar")

    def is_due(self, at: datetime) -> bool:
        """Whether `at` lies in the minute of a due time; in its second, for a task that repeats
        within the minute.
        """
        return self.next_due(aware(at) - self.wall_times().lasts) <= at

    def passes(self) -> str | None:
        """Ask the conditions: None if all allow a run now, otherwise why not. What a condition
        raises goes through.
        """
        return next((why for condition in self.rules.conditions if (why := condition.refusal())), None)

    def runs_in(self, environment: str) -> bool:
        """Whether it runs in an environment: any, unless `environments` names some."""
        names = self.rules.environments
        return not names or environment in names

    def wall_times(self) -> WallTimes:
        """Its due times on the wall clock. Raises TimetableError if there are none."""
        try:
            rules = self.rules
            recurrence = rules.recurrence
            return wall_times(recurrence.cron, recurrence.repeat_seconds, rules.windows, rules.shift_policy)
        except TimetableError as mistake:
            raise self._named(mistake) from None

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which it is written: its own, a group's, the timetable's, or the one of the
        settings.
        """
        return self.rules.zone or settings().zone

    @property
    def sentence(self) -> str:
        """When it is due, in words: "Mondays at 09:00", "Every hour on weekdays, between 08:00 and
        17:00".
        """
        recurrence = self.rules.recurrence
        return ", ".join([sentence(recurrence.cron, recurrence.repeat_seconds), *map(str, self.rules.windows)])

    @property
    def fingerprint(self) -> str:
        """A short stable hash of when it is due: another one means that its frequency, zone,
        windows or shift policy changed.
        """
        windows = [str(window) for window in self.rules.windows]
        policy = [self.rules.shift_policy] if self.rules.shift_policy else []
        rules = json.dumps([str(self.cron), self.repeat_seconds, self.zone.key, windows, *policy])
        return sha256(rules.encode()).hexdigest()[:16]

    @property
    def misfire(self) -> Misfire:
        """What happens to missed due times. Unsaid: the latest runs, until half the time to its
        next one has passed.
        """
        return self.rules.misfire or Misfire("once")

    @property
    def run_within(self) -> timedelta | None:
        """How long after its due time a run must have ended; None: whenever. `deadline` sets it."""
        return self.rules.deadline

    def delay_of(self, due_at: datetime, host: str) -> timedelta:
        """By how much `jitter` puts off the start of a due time's run: always the same for the same
        due time and host.
        """
        if self.rules.jitter is None:
            return timedelta()
        drawn = sha256(f"{self.name}|{due_at.timestamp()}|{host}".encode()).digest()
        return self.rules.jitter * (int.from_bytes(drawn[:8]) / 2**64)

    @property
    def one_server(self) -> bool:
        """Whether a due time runs on one host only."""
        return not self.rules.every_server

    @property
    def may_overlap(self) -> bool:
        """Whether it runs while an earlier run of it is still going."""
        return bool(self.rules.overlapping)

    @property
    def ignores_pause(self) -> bool:
        """Whether it runs while the schedule is paused."""
        return bool(self.rules.even_when_paused)

    @property
    def hooks(self) -> Hooks:
        """What runs around each of its runs."""
        return self.rules.hooks

    @property
    def options(self) -> DispatchOptions:
        """How its calls are dispatched."""
        return self.rules.options

    @property
    def description(self) -> str:
        """What it is for; empty if nobody said."""
        return ReadOnlyText(self.rules.description or "")

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Metadata given by `with_attributes`."""
        return self.rules.attributes

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups it is in, outermost first."""
        return self.rules.groups

    def _title(self) -> str:
        return f"task {self.name!r} ({self.place})"

    def __repr__(self) -> str:
        return f"<Task {self.name!r}: {self.sentence}>"
