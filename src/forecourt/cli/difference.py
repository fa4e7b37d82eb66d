"""`forecourt schedule diff`: what a deploy would change in the timetable."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecourt.cli.asking import ask, asked
from forecourt.cli.console import json_option, print_json, say

if TYPE_CHECKING:
    from forecourt.schedule.difference import Change

# In a process of its own: two versions of one application cannot be imported side by side.
TELL = """
import json
from forecourt.app import load
from forecourt.schedule.definition import definitions
told = json.dumps(definitions(load().timetable))
print()
print(told)
"""

SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


@click.command()
@click.argument("other", required=False)
@json_option
def diff(other: str | None, as_json: bool) -> None:
    """What this application would change: tasks added, removed and changed, with the next due times
    of each.

    Compared with what its clock last ran on this database, or on that of the server that --url
    names; with OTHER, a folder that holds another version, or MODULE:NAME of another application,
    with that.
    """
    from forecourt.app import load
    from forecourt.schedule.definition import definitions
    from forecourt.schedule.difference import difference

    here = definitions(load().timetable)
    before, now = _last_run() if other is None else _version(other)
    found = difference(before, here, now)
    if as_json:
        print_json([_plain(change) for change in found])
        return
    if not found:
        say(f"No difference: the same {len(here)} tasks, due at the same times.")
    for change in found:
        _print(change)


def _last_run() -> tuple[dict[str, Any], datetime]:
    from forecourt.web.api import schedule as api
    from forecourt.web.api.errors import NotFound

    try:
        found = ask(api.declared)
    except NotFound as error:
        if asked() is not None:
            raise
        raise NotFound(f"{error}; name a folder or MODULE:NAME to compare with") from None
    return found.tasks, found.now


def _version(other: str) -> tuple[dict[str, Any], datetime]:
    from forecourt.cli.console import transaction
    from forecourt.store import tasks

    if asked() is not None:
        raise click.UsageError(
            "--url compares with what the server's clock last ran, OTHER with another version: give one"
        )
    defined = _defined_by(other)
    with transaction() as tx:
        return defined, tasks.now(tx)


def _defined_by(other: str) -> dict[str, Any]:
    from forecourt.cli.errors import Failed

    folder = Path(other)
    python, environment, where = sys.executable, dict(os.environ), Path()
    if folder.is_dir():
        where = folder
        own = folder / ".venv" / "bin" / "python"
        python = str(own.absolute()) if own.exists() else python
    elif ":" in other:
        environment["FORECOURT_APP"] = other
    else:
        raise click.UsageError(f"{other!r} is neither a folder nor MODULE:NAME of an application")
    done = subprocess.run([python, "-c", TELL], cwd=where, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise Failed(f"{other} does not tell its timetable: {reason[0]}")
    defined: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return defined


def _print(change: "Change") -> None:
    from forecourt.schedule.definition import described

    sign, colour = SIGNS[change.kind]
    latest = change.after or change.before
    assert latest is not None
    say(f"{sign} {change.task}: {described(latest)}", fg=colour)
    for name, (before, after) in change.fields.items():
        say(f"    {name}: {_short(before)} → {_short(after)}")
    if change.due_before == change.due_after:
        say("    due at the same times")
        return
    for word, due, of in (("was due", change.due_before, change.before), ("is due", change.due_after, change.after)):
        if of is not None:
            say(f"    {word}: {', '.join(_local(instant, of['zone']) for instant in due)}")


def _short(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _local(instant: datetime, zone: str) -> str:
    from zoneinfo import ZoneInfo

    return f"{instant.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M:%S %Z}"


def _plain(change: "Change") -> dict[str, Any]:
    return {
        "task": change.task,
        "kind": change.kind,
        "fields": {name: {"before": before, "after": after} for name, (before, after) in change.fields.items()},
        "due_before": list(change.due_before),
        "due_after": list(change.due_after),
    }
