"""Everything that a task, or a group for its tasks, can say about itself, and the values that it is
made of.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from inspect import iscoroutine
from typing import Any, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from forecourt.schedule.errors import TimetableError
from forecourt.schedule.occurrences import ShiftPolicy
from forecourt.schedule.recurrence import Recurrence
from forecourt.schedule.time_window import TimeWindow
from forecourt.store.storable import storable

T = TypeVar("T")

ON_TIME = timedelta(seconds=90)
"""How late a due time still counts as met: a crontab's minute, and half of one for a machine under
load.
"""


@dataclass(frozen=True, slots=True)
class Misfire:
    """What happens to due times that passed while no clock ran."""

    kind: Literal["once", "every", "skip"]
    """once: the latest missed one runs; every: each of them; skip: none."""

    within: timedelta | None = None
    """How late a due time may still run; None: until half the time to its next one has passed, and
    with `every` however late.
    """


def not_awaited(given: object) -> object:
    """What a function of the timetable returned. Raises TypeError for a coroutine: it has done
    nothing, and would be taken for yes.
    """
    if iscoroutine(given):
        given.close()
        raise TypeError(f"{given.__qualname__} is a coroutine, which nobody awaits here: make it a plain function")
    return given


@dataclass(frozen=True, slots=True)
class Condition:
    """A function that decides, each time a task is due, whether it runs."""

    word: Literal["when", "skip"]
    test: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.word} {self._name}"

    def refusal(self) -> str | None:
        """Why the task may not run now, or None. What the function raises goes through."""
        answer = bool(not_awaited(self.test()))
        if answer is (self.word == "when"):
            return None
        return f"{self.word}({self._name}) was {str(answer).lower()}"

    @property
    def _name(self) -> str:
        return storable(getattr(self.test, "__qualname__", None) or repr(self.test))


@dataclass(frozen=True, slots=True)
class Ping:
    """A GET request to a monitor, made only when `when` is absent or returns true."""

    url: str
    when: Callable[[], object] | None = None

    @property
    def address(self) -> str:
        """Where it goes, without path, question and password, which are often secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url if isinstance(self.url, str) else "")
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or not self.url.isprintable() or " " in self.url:
            raise TimetableError(f"{self.url!r} cannot be pinged: expected http:// or https://, a host and a path")


Hook = Callable[..., object] | Ping


@dataclass(frozen=True, slots=True)
class Hooks:
    """What runs around a task's call, and instead of one, in this order; a group's hooks come
    before its tasks' own.
    """

    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()
    on_success: tuple[Hook, ...] = ()
    on_failure: tuple[Hook, ...] = ()
    on_missed: tuple[Hook, ...] = ()
    on_skipped: tuple[Hook, ...] = ()
    on_overdue: tuple[Hook, ...] = ()

    def __add__(self, other: "Hooks") -> "Hooks":
        return Hooks(
            self.before + other.before,
            self.after + other.after,
            self.on_success + other.on_success,
            self.on_failure + other.on_failure,
            self.on_missed + other.on_missed,
            self.on_skipped + other.on_skipped,
            self.on_overdue + other.on_overdue,
        )


class DispatchOptions(TypedDict, total=False):
    """How a task's calls are dispatched; what is absent is the job's own."""

    queue: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What was said, None or empty where nothing was."""

    recurrence: Recurrence = field(default_factory=Recurrence)
    zone: ZoneInfo | None = None
    windows: tuple[TimeWindow, ...] = ()
    conditions: tuple[Condition, ...] = ()
    environments: tuple[str, ...] = ()
    even_when_paused: bool | None = None
    every_server: bool | None = None
    overlapping: bool | None = None
    misfire: Misfire | None = None
    deadline: timedelta | None = None
    jitter: timedelta | None = None
    shift_policy: ShiftPolicy | None = None
    hooks: Hooks = Hooks()
    options: DispatchOptions = field(default_factory=DispatchOptions)
    description: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()

    def within(self, outer: "Rules") -> "Rules":
        """These rules inside a group's: each one's own word wins; windows, conditions, hooks and
        attributes add up.
        """
        return Rules(
            recurrence=self.recurrence.within(outer.recurrence),
            zone=self.zone or outer.zone,
            windows=outer.windows + self.windows,
            conditions=outer.conditions + self.conditions,
            environments=self.environments or outer.environments,
            even_when_paused=_first(self.even_when_paused, outer.even_when_paused),
            every_server=_first(self.every_server, outer.every_server),
            overlapping=_first(self.overlapping, outer.overlapping),
            misfire=self.misfire or outer.misfire,
            deadline=self.deadline or outer.deadline,
            jitter=self.jitter or outer.jitter,
            shift_policy=self.shift_policy or outer.shift_policy,
            hooks=outer.hooks + self.hooks,
            options={**outer.options, **self.options},
            description=_first(self.description, outer.description),
            attributes=merged(outer.attributes, self.attributes),
            groups=outer.groups + self.groups,
        )


def _first(own: T | None, outer: T | None) -> T | None:
    return outer if own is None else own


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings as one, key by key to any depth; `over` wins."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
