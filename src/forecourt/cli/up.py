"""`forecourt up`: everything in one terminal."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from forecourt.cli.web import address, listening

if TYPE_CHECKING:
    from forecourt.cli.merged_output import MergedOutput
    from forecourt.slots.options import WorkOptions


@click.command()
@click.option("--processes", type=int, help="Slots of the worker: calls that run at the same time.  [4]")
@click.option("--queue", "queues", help="Queues to serve, the most urgent first: high,medium,low.")
@click.option("--web-port", type=click.IntRange(1, 65535), help="Instead of FORECOURT_WEB_PORT.")
def up(processes: int | None, queues: str | None, web_port: int | None) -> None:
    """Run database, clock, worker and web here, until Ctrl-C.

    Without FORECOURT_DATABASE_URL the private PostgreSQL is started. The schema is brought up to
    date, and what dies is started again. Ctrl-C, TERM or QUIT end everything in order; a second one
    hurries, a third kills.
    """
    from forecourt.cli.child import ChildProcess
    from forecourt.cli.merged_output import MergedOutput
    from forecourt.cli.process_manager import NAME, STOP_SIGNALS, ProcessManager
    from forecourt.database.address import libpq_url
    from forecourt.ladder import ROOM
    from forecourt.settings import settings

    for number in STOP_SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:  # until everything runs they are a Ctrl-C, so that we clean up
            signal.signal(number, signal.default_int_handler)
    options = _options(processes, queues)
    host, port = settings().web_host, web_port or settings().web_port
    listening(host, port).close()

    as_json = settings().log_format == "json" or (settings().log_format == "auto" and not sys.stdout.isatty())
    libpq_url()  # starts the private server; the children own it too, and start it again should it die
    environment = os.environ | {
        "FORECOURT_LOG_FORMAT": "json" if as_json else "text",
        "FORECOURT_WEB_PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }
    worker = ["--processes", str(options.processes), *(["--queue", ",".join(options.queues)] if queues else [])]
    commands = {"clock": ["schedule", "work"], "worker": ["queue", "work", *worker], "web": ["web"]}
    output = MergedOutput([NAME, *commands, "migrate"], sys.stdout.buffer, as_json=as_json)
    _migrate(environment, output)
    lines = [
        f"database: {_database()}",
        f"running: clock, worker (slots: {options.processes}), web",
        f"health: {address(host, port)}health/scheduler",
        f"pages: {address(host, port)}",
        "Ctrl-C ends everything in order",
    ]
    output.add(NAME, [line.encode() for line in lines])
    children = [ChildProcess(name, _command(*words), environment) for name, words in commands.items()]
    sys.exit(ProcessManager(children, output, shutdown_timeout=options.shutdown_timeout + ROOM).run())


def _options(processes: int | None, queues: str | None) -> "WorkOptions":
    """What the worker will be told, so that a mistake shows before anything is started."""
    from forecourt.slots.options import WorkOptions

    given: dict[str, Any] = {}
    if processes is not None:
        given["processes"] = processes
    if queues is not None:
        given["queues"] = tuple(name.strip() for name in queues.split(","))
    return WorkOptions(**given)


def _migrate(environment: Mapping[str, str], output: "MergedOutput") -> None:
    """In a process of its own: the application that it loads may start threads, and this one has to
    fork later.
    """
    done = subprocess.run(_command("db", "migrate"), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    output.add("migrate", done.stdout.splitlines())
    if done.returncode:
        sys.exit(max(done.returncode, 1))


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "forecourt", *words]


def _database() -> str:
    from forecourt.cli.console import database_address
    from forecourt.settings import settings

    if settings().database_url is None:
        return f"private PostgreSQL in {settings().var / 'postgres'}; FORECOURT_DATABASE_URL names another"
    return database_address()
