"""What a pause is of, and until when it holds."""

from datetime import datetime, timedelta

import click


def end_of(until: datetime | None, minutes: float | None) -> datetime | None:
    """The end that --until (local time; a bare clock time means its next occurrence) or --for
    (minutes) gives.
    """
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


def require_one(name: str | None, group: str | None) -> None:
    """Raise UsageError when both a task and a group are given."""
    if name is not None and group is not None:
        raise click.UsageError("Give a task or --group, not both")
