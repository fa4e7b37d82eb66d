"""The tasks of an application, and the groups they stand in."""

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, Self, overload

from forecourt.jobs.option_values import typable
from forecourt.schedule.elsewhere import ELSEWHERE
from forecourt.schedule.errors import TimetableError, UnknownTaskError
from forecourt.schedule.fluent import Fluent
from forecourt.schedule.rules import Rules
from forecourt.schedule.task import Entry, Job, Task
from forecourt.schedule.zones import zone_named

if TYPE_CHECKING:
    from forecourt.jobs.definition import Given

Q = ParamSpec("Q")
"""What a task's job is given."""


class Adding(ABC):
    """Whatever tasks are added to. Checkers see the arguments of a task that has its job's name: a
    name of its own leaves no room for those that a function names.
    """

    @overload  # not of protocols: pyright remembers of one that a job did not fit, and takes the next for the same
    def add(self, job: "Callable[Concatenate[Given, Q], Any]", /, *args: Q.args, **kwargs: Q.kwargs) -> Task: ...
    @overload
    def add(self, job: Callable[Q, Any], /, *args: Q.args, **kwargs: Q.kwargs) -> Task: ...
    @overload
    def add(self, job: Job, /, *, name: str, **args: Any) -> Task: ...
    def add(self, job: Any, /, *unnamed: Any, **args: Any) -> Task:
        """Add a task that runs `job` with `args`, under the job's name unless another is given,
        `name=`.

        Raises TimetableError if the name is taken, or if the job refuses the arguments.
        """
        place = _caller()
        if unnamed:
            raise TimetableError(f"task ({place}): name the arguments of its job, as in add(job, days=180)")
        return self._add(job, args.pop("name", None), args, place)

    @abstractmethod
    def _add(self, job: Job, name: str | None, args: Mapping[str, Any], place: str) -> Task: ...


class Timetable(Adding):
    """Tasks under unique names, in the order in which they were added.

    `timezone` is the IANA zone they are written in; without it, the settings' zone, read when a
    task is evaluated.
    """

    def __init__(self, timezone: str | None = None) -> None:
        self._tasks: dict[str, Task] = {}
        self._defaults = Fluent(Rules(zone=zone_named(timezone) if timezone is not None else None))

    def group(self, name: str | None = None, *, timezone: str | None = None) -> "Group":
        """A group: what is said of it holds for its tasks, as far as they don't say otherwise.

        with timetable.group("night", timezone="Africa/Cairo") as night:
            night.daily().on_every_server()
            night.add(rotate_logs).at("03:00")
        """
        return Group(self, self._defaults, name, timezone)

    def copy(self) -> "Timetable":
        """Another timetable with the same tasks, to which some can be added that this one does not
        get.
        """
        other = Timetable()
        other._defaults = self._defaults
        other._tasks = dict(self._tasks)
        return other

    def enter(self, job: Job, name: str, args: Mapping[str, Any], place: str) -> Task:
        """Add a task as `add` does, for those who have read it somewhere: `place` says where."""
        return self._add(job, name, args, place)

    def check(self) -> None:
        """Raise TimetableError, listing every task that cannot be followed."""
        _check(self)

    def __getattr__(self, name: str) -> NoReturn:
        """Names of other schedulers are answered with ours."""
        ours = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        of_a_task = f"say it of a task, add(job).{ours}(...), or of a group" if ours in dir(Entry) else None
        words = None if name.startswith("_") else ELSEWHERE.get(ours) or of_a_task
        raise AttributeError(f"a timetable has no {name!r}" + (f": {words}" if words else ""))

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, name: object) -> bool:
        return name in self._tasks

    def __getitem__(self, name: str) -> Task:
        """The task of this name. Raises UnknownTaskError, a KeyError, with the nearest names."""
        if name in self._tasks:
            return self._tasks[name]
        near = get_close_matches(name, self._tasks, n=3) or list(self._tasks)[:5]
        raise UnknownTaskError(f"no task is named {name!r}" + (f"; there is {', '.join(near)}" if near else ""))

    def _add(
        self, job: Job, name: str | None, args: Mapping[str, Any], place: str, outer: Fluent | None = None
    ) -> Task:
        label = getattr(job, "name", None) if name is None else name
        if not isinstance(label, str):
            raise TimetableError(
                f"{job!r} ({place}) is not a job: decorate the function with @job, and pass it without calling it"
            )
        _typable(label, f"task ({place})")
        if label in self._tasks:
            raise TimetableError(
                f"task {label!r} is added twice, at {self._tasks[label].place} and at {place}: "
                "give one of them another name, as in add(job, name=...)"
            )
        task = Task(job, name=label, args=args, place=place, outer=outer or self._defaults)
        if check_args := getattr(job, "check", None):
            try:
                check_args(task.args)
            except (TypeError, ValueError) as mistake:
                raise TimetableError(f"task {label!r} ({place}): {mistake}") from mistake
        self._tasks[label] = task
        return task


class Group(Entry, Adding):
    """Tasks that share rules. Any word said of it, before or after they were added, holds for all
    of them.

    A task takes from its group what it does not say itself; windows, conditions, hooks and
    attributes add up, the group's first. Groups nest, the inner one's word wins. Operators pause a
    group by its name.
    """

    def __init__(self, timetable: Timetable, outer: Fluent, name: str | None, timezone: str | None) -> None:
        zone = zone_named(timezone) if timezone is not None else None
        if name is not None:
            _typable(name, "group")
        super().__init__(Rules(zone=zone, groups=() if name is None else (name,)), outer)
        self._timetable = timetable
        self._tasks: list[Task] = []

    def _add(self, job: Job, name: str | None, args: Mapping[str, Any], place: str) -> Task:
        task = self._timetable._add(job, name, args, place, self)
        self._tasks.append(task)
        return task

    def group(self, name: str | None = None, *, timezone: str | None = None) -> "Group":
        """A group within this one."""
        return Group(self._timetable, self, name, timezone)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Check the group's tasks. Raises TimetableError as `Timetable.check` does."""
        if kind is None:
            _check(self._tasks)

    def _title(self) -> str:
        return f"group {' / '.join(self.rules.groups)!r}" if self.rules.groups else "a group without a name"


def _check(tasks: Iterable[Task]) -> None:
    mistakes: list[str] = []
    for task in tasks:
        try:
            task.wall_times()
            if task.hooks.on_overdue and task.run_within is None:
                mistakes.append(
                    f"task {task.name!r} ({task.place}): on_overdue without a deadline: add .deadline(within=...)"
                )
            if task.rules.jitter is not None and task.run_within is not None and task.rules.jitter >= task.run_within:
                mistakes.append(
                    f"task {task.name!r} ({task.place}): jitter may start it when its deadline is over: a deadline counts from "
                    "the due time, so give it more time than jitter takes"
                )
        except TimetableError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise TimetableError(*mistakes)


def _typable(name: str, what: str) -> None:
    try:
        typable(name, what)
    except ValueError as mistake:
        raise TimetableError(str(mistake)) from None


def _caller() -> str:
    frame = sys._getframe(2)  # the caller of add
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
