"""What waits elsewhere, and what it would be here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from forecourt.jobs.arguments import WrongArguments
from forecourt.jobs.dispatch import Dispatch
from forecourt.jobs.job import Job


class CannotBeTaken(ValueError):
    """The message says why."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message of another system. `reference` finds it there again."""

    reference: Any
    name: str
    """What its job is called there: App\\Jobs\\CountView, shop.tasks.count_view."""
    named: Mapping[str, Any] = field(default_factory=dict)
    positional: Sequence[Any] = ()
    due: datetime | None = None
    problem: str | None = None
    """Why its message cannot be read or followed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message with the dispatch that it becomes, or the reason why it stays where it is."""

    waiting: Waiting
    dispatch: Dispatch[...] | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


def taken(waiting: Waiting, jobs: Mapping[str, Job[..., Any]], renamed: Mapping[str, str]) -> Taken:
    """What a message becomes. `renamed` says which job stands for a name of theirs; the others are
    looked for under the last part of their name, in snake_case. The arguments are checked as at any
    dispatch."""
    try:
        if waiting.problem is not None:
            raise CannotBeTaken(waiting.problem)
        name = renamed.get(waiting.name) or snake_case(re.split(r"[\\.]", waiting.name)[-1])
        if (job := jobs.get(name)) is None:
            raise CannotBeTaken(f"no job is named {name!r}; say which one it is with --map '{waiting.name}=JOB'")
        args = _arguments(job, waiting)
        dispatch = job.using(at=waiting.due)
        dispatch.text(args)
    except (CannotBeTaken, WrongArguments) as error:
        return Taken(waiting, problem=str(error))
    return Taken(waiting, dispatch, args)


def snake_case(name: str) -> str:
    """CountView and countView are count_view."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _arguments(job: Job[..., Any], waiting: Waiting) -> dict[str, Any]:
    parameters = list(job.arguments.described())
    if len(waiting.positional) > len(parameters):
        raise CannotBeTaken(f"{len(waiting.positional)} arguments, and {job.name} takes {len(parameters)}")
    args = dict(zip(parameters, waiting.positional, strict=False))
    for name, value in waiting.named.items():
        if name in args:
            raise CannotBeTaken(f"argument {name!r} is given twice")
        args[name] = value
    return args
