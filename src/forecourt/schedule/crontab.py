"""Reads a crontab as cron does, and writes it as a timetable in Python."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

from forecourt.schedule.errors import TimetableError
from forecourt.schedule.sentence import sentence
from forecourt.schedule.zones import zone_named

SETTING = re.compile(r"""([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?))\s*""")
ZONE = "CRON_TZ"
"""The setting that says in which zone the lines below it are meant; TZ is for their commands."""

MAILS = ("MAILTO", "MAILFROM")

LONGEST_NAME = 100
"""Characters of a program's name that a task is called by; a number behind it must have room."""

HEAD = '''"""What {name} said, as a timetable: read it, and give the commands jobs of their own, one after the other.

As with cron a run may begin while the one before goes on; leave out allow_overlapping() where it must not. Other than with cron a
run that no clock met is made up for; say skip_missed() where it must not. Nobody gets a mail: on_failure(...) calls somebody.
"""

import logging
import os
import subprocess
import tempfile

from forecourt import Forecourt, Timetable, job


@job(tries=1, timeout=0)
def run_command(command: str, stdin: str = "", environment: dict[str, str] | None = None) -> None:
    """Run a line of a crontab as cron does: by a shell, in the home folder. The end of what it prints is logged, and so kept with
    its call."""
    given = {{"HOME": os.path.expanduser("~"), "SHELL": "/bin/sh"}} | (environment or {{}})
    # A file and not a pipe: a pipe ends only with the last process that the command left in the background.
    with tempfile.TemporaryFile() as printed:
        done = subprocess.run(
            [given["SHELL"], "-c", command],
            cwd=given["HOME"],
            env=os.environ | given,
            input=stdin.encode(),
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        printed.seek(max(0, os.fstat(printed.fileno()).st_size - 8000))
        if said := printed.read(8000).decode(errors="replace").strip():
            logging.getLogger(__name__).info("it printed:\\n%s", said)
    done.check_returncode()


timetable = Timetable({zone})
'''

FOOT = """
app = Forecourt(timetable)
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that runs a command."""

    number: int
    cron: str
    command: str
    stdin: str = ""
    zone: str | None = None
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that no task can stand for, and why."""

    number: int
    text: str
    why: str


Read: TypeAlias = Line | Unread


def read(text: str, *, with_user: bool = False) -> Iterator[Read]:
    """The lines of a crontab that run something, in their order. `with_user`: whether a user stands
    before each command, as in /etc/crontab and /etc/cron.d."""
    environment: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\N{BYTE ORDER MARK}").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if setting := SETTING.fullmatch(line):
            if setting[1] not in MAILS:
                environment[setting[1]] = next(value for value in setting.groups()[1:] if value is not None)
            continue
        yield _read(number, line, dict(environment), with_user)


def _read(number: int, line: str, environment: dict[str, str], with_user: bool) -> Read:
    fields = 1 if line.startswith("@") else 5
    parts = line.split(None, fields + with_user)
    if len(parts) <= fields + with_user:
        return Unread(number, line, "there is no command behind the time")
    cron, command = " ".join(parts[:fields]), parts[-1]
    if cron.lower() == "@reboot":
        return Unread(number, line, "@reboot is no time: let what starts the machine start it")
    zone = environment.pop(ZONE, None)
    try:
        sentence(cron)
        if zone is not None:
            zone_named(zone)
    except TimetableError as mistake:
        return Unread(number, line, str(mistake))
    # A percent sign ends the command, and begins what it reads; each further one is a line's end.
    first, *rest = (part.replace("\\%", "%") for part in re.split(r"(?<!\\)%", command))
    stdin = "".join(f"{part}\n" for part in rest)
    return Line(number, cron, first.strip(), stdin, zone, environment)


def timetable(lines: Sequence[Read], *, name: str, zone: str | None) -> str:
    """A module with a timetable that does the same. What could not be read is in it as comments."""
    taken: set[str] = set()
    environment: dict[str, str] = {}
    parts = [HEAD.format(name=name, zone="" if zone is None else _quoted(zone))]
    for line in lines:
        match line:
            case Unread(number, text, why):
                parts.append(f"\n# Line {number} is left out: {' '.join(why.split())}\n#   {text}\n")
            case Line():
                if line.environment != environment:
                    environment = line.environment
                    parts.append(_environment(environment))
                given = "    environment=environment,\n" if environment else ""
                parts.append(_task(line, _named(line.command, taken), given))
    return "".join([*parts, FOOT])


def _task(line: Line, name: str, environment: str) -> str:
    given = {"name": name, "command": line.command, "stdin": line.stdin}
    arguments = [f"    {word}={_quoted(value)},\n" for word, value in given.items() if value]
    zone = f".timezone({_quoted(line.zone)})" if line.zone else ""
    return (
        f"\n# {sentence(line.cron)}\n"
        "timetable.add(\n"
        "    run_command,\n"
        f"{''.join(arguments)}{environment}"
        f").cron({_quoted(line.cron)}){zone}.allow_overlapping()\n"
    )


def _environment(environment: dict[str, str]) -> str:
    pairs = "".join(f"    {_quoted(name)}: {_quoted(value)},\n" for name, value in environment.items())
    return f"\nenvironment = {{\n{pairs}}}\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _named(command: str, taken: set[str]) -> str:
    """A name after the program, with a number where there are several: `backup.sh`,
    `backup.sh 2`.
    """
    parts = [part.split() for part in re.split(r"&&|;", command)]
    words = next((words for words in parts if words and words[0] != "cd"), [])
    words = [word for word in words if "=" not in word.partition("/")[0]]
    program = PurePath(words[0].strip("\"'()|")).name if words else ""
    name = program[:LONGEST_NAME] if program.isprintable() and program else "command"
    number = 1
    while (found := name if number == 1 else f"{name} {number}") in taken:
        number += 1
    taken.add(found)
    return found
