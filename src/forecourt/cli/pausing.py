"""What a pause is of, and until when it holds."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from forecourt.cli.console import transaction

if TYPE_CHECKING:
    from forecourt.store.pauses import Kind


def end_of(until: datetime | None, minutes: float | None) -> datetime | None:
    """The end that --until (local time; a bare clock time means its next occurrence) or --for (minutes) gives."""
    if until is not None and minutes is not None:
        raise click.UsageError("Give --until or --for, not both")
    now = datetime.now().astimezone()
    if minutes is not None:
        return now + timedelta(minutes=minutes)
    if until is None:
        return None
    if until.year == 1900:  # only a clock time was given
        end = datetime.combine(now.date(), until.time()).astimezone()
        return end if end > now else datetime.combine(now.date() + timedelta(days=1), until.time()).astimezone()
    end = until.astimezone()
    if end <= now:
        raise click.UsageError(f"--until {end:%Y-%m-%d %H:%M} is in the past")
    return end


def target(name: str | None, group: str | None) -> "tuple[Kind, str]":
    """What is paused or resumed: a task, a group, or without either the whole schedule. Raises NotFound or UnknownTaskError."""
    from forecourt.app import load
    from forecourt.cli.errors import NotFound

    if name is not None and group is not None:
        raise click.UsageError("Give a task or --group, not both")
    app = load()
    with transaction() as tx:
        timetable = app.schedule(tx)
    if group is not None:
        groups = sorted({known for task in timetable for known in task.groups})
        if group not in groups:
            raise NotFound(f"no group is named {group!r}; there is {', '.join(groups) or 'none'}")
        return "group", group
    if name is not None:
        timetable[name]
        return "task", name
    return "schedule", ""


def words(kind: str, name: str) -> str:
    """What is paused, at the beginning of a sentence."""
    return "The whole schedule" if kind == "schedule" else f"{kind.capitalize()} {name}"
