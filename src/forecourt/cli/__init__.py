"""The command line: one module a noun, imported only when it is used, so that help and completion
answer at once.

Data goes to standard output, everything else to standard error. Exit codes: 0 ok, 1 failed, 2
usage, 3 degraded, 4 refused, 5 not found, 12 memory limit, 69 database unreachable, 75 held, try
again.
"""

import os
import sys
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from typing import TextIO

import click

from forecourt.cli.asking import Remote, require_near
from forecourt.cli.console import Commands, lead_nowhere, perhaps, say
from forecourt.extras import INSTALL, lacking

COMMANDS = {
    "up": ("forecourt.cli.up:up", "Run everything in this terminal: database, clock, worker, web."),
    "schedule": (
        "forecourt.cli.schedule:schedule",
        "The timetable: list, explain, add, edit, diff, run, work, trigger, pause, …",
    ),
    "queue": ("forecourt.cli.queue:queue", "Jobs: work, dispatch, size, show, failed, retry, forget, flush, pause, …"),
    "placements": ("forecourt.cli.placements:placements", "Sponsored and featured listings: list, extend."),
    "trash": ("forecourt.cli.trash:trash", "Listings in the trash: list, restore, purge."),
    "notices": (
        "forecourt.cli.notices:notices",
        "Notices and their mails: list, log, preview, resend, prefer, webhook, mailboxes.",
    ),
    "settings": ("forecourt.cli.settings:settings", "What the business decides, without a deploy: list, set, unset."),
    "analytics": (
        "forecourt.cli.analytics:analytics",
        "The marketplace's events: report, events, trending, archive, …",
    ),
    "sitemap": ("forecourt.cli.sitemap:sitemap", "The marketplace's sitemap: generate, validate, diff, robots."),
    "privacy": ("forecourt.cli.privacy:privacy", "What is held on one person: export, erase."),
    "photos": ("forecourt.cli.photos:photos", "Photos that are on two listings: twins, settle."),
    "import": (
        "forecourt.cli.imports:import_",
        "Users, providers, listings, events: from CSV, Parquet or a MySQL dump.",
    ),
    "db": ("forecourt.cli.db:db", "The database: migrate, status, stop."),
    "web": ("forecourt.cli.web:web", "The pages and the health endpoints: serve, user, token."),
    "doctor": ("forecourt.cli.doctor:doctor", "Is the house well: database, workers, clock, queues, tasks, disk."),
    "healthcheck": (
        "forecourt.cli.healthcheck:healthcheck",
        "The same for probes: one line a check, exit code 0 or 1.",
    ),
    "top": ("forecourt.cli.top:top", "Queues, slots, next due times and last failures, live in the terminal."),
    "alerts": ("forecourt.cli.alerts:alerts", "Troubles and who was told of them: list, test."),
    "report": ("forecourt.cli.report:report", "The night: what each duty did, what was late, slow or failed."),
    "migrate-from": (
        "forecourt.cli.migrating:migrate_from",
        "What waits in another system's queue is dispatched here: laravel, celery.",
    ),
    "deploy": (
        "forecourt.cli.deploy:deploy",
        "Files for what runs and watches it: systemd, docker, alerts, grafana, …",
    ),
    "completion": (
        "forecourt.cli.completion:completion",
        "Completion by the shell: prints its script, or installs it.",
    ),
    "demo": ("forecourt.cli.demo:demo", "A whole night of a car marketplace, in two minutes."),
}


OF_THE_MARKETPLACE = frozenset(
    ("placements", "trash", "notices", "settings", "analytics", "sitemap", "privacy", "photos", "import", "demo")
)
"""The commands that need what `forecourt[marketplace]` installs."""


class LazyGroup(Commands):
    """A group whose commands are imported when they are called. Those of the marketplace are there
    where its packages are.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if name not in OF_THE_MARKETPLACE or lacking() is None]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        if name in OF_THE_MARKETPLACE and (words := lacking()):
            from forecourt.cli.errors import Failed

            raise Failed(f"`forecourt {name}` is the marketplace's: {words}")
        module, _, attribute = COMMANDS[name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def guess(self, ctx: click.Context, typed: str) -> str:
        """A command's own command that was typed without it, or with a colon as in Laravel, too."""
        known: dict[str, list[str]] = {"help": ["--help"], "version": ["--version"]}
        for name in self.list_commands(ctx):
            known.setdefault(name, []).append(name)
            command = self.get_command(ctx, name)
            for below in command.list_commands(ctx) if isinstance(command, click.Group) else ():
                known.setdefault(below, []).append(f"{name} {below}")
                known[f"{name}:{below}"] = [f"{name} {below}"]
        close = [typed] if typed in known else get_close_matches(typed, known, n=2, cutoff=0.6)
        meant = [f"`forecourt {words}`" for word in close for words in known[word]]
        return f" Did you mean {' or '.join(meant)}?" if meant else perhaps(typed, self.list_commands(ctx))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])
        if lacking():
            formatter.write_paragraph()
            formatter.write_text(f"Those of the marketplace come with {INSTALL}")


def _version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from forecourt.version import __version__, commit

        built_from = commit()
        click.echo(f"forecourt {__version__}" + (f" ({built_from})" if built_from else ""))
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show it.")
@click.option("--url", help="Ask the server at this address instead of the database: https://ops.example")
@click.option(
    "--token-file",
    type=click.File(),
    help="Where the token for --url stands; made by `forecourt web token add`. - for standard input.",
)
@click.pass_context
def forecourt(context: click.Context, url: str | None, token_file: TextIO | None) -> None:
    """The night shift of a car marketplace: schedule, queue and workers on PostgreSQL."""
    if url is None:
        if token_file is not None:
            raise click.UsageError("--token-file is for --url, which is missing")
        return
    token = None if token_file is None else token_file.read().strip()
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise click.UsageError("the token's file must have the token and nothing else: one line, forecourt_…")
    context.obj = Remote(_address(url), token)
    name = context.invoked_subcommand or ""
    command = forecourt.get_command(context, name)
    if command is not None:
        require_near(context, name, command)


def _address(url: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        fits = False
    if not fits:
        raise click.UsageError(f"--url {url!r} is not an address such as https://ops.example")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        say("Warning: over http:// whoever is on the way can read the token", err=True, fg="yellow")
    return url.rstrip("/")


def main() -> None:
    """The console script. Turns what users can cause into a sentence and an exit code; the rest is
    a traceback.
    """
    _have_streams()
    _look_here()
    try:
        forecourt(prog_name="forecourt", standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.NoSuchOption) and error.option_name in ("--url", "--token-file"):
            say(f"{error.option_name} stands before the command: forecourt {error.option_name} …", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Aborted.", err=True)
        sys.exit(130)
    except Exception as error:
        from forecourt.cli.errors import told_of

        if (code := told_of(error)) is None:
            raise
        _drop_unwritten()
        sys.exit(code)


def _drop_unwritten() -> None:
    """What standard output does not take, on a full disk, is not tried once more at the end: that
    failure would have an exit code of its own.
    """
    try:
        sys.stdout.flush()
    except OSError:
        lead_nowhere(sys.stdout)


def _have_streams() -> None:
    """What whoever called has closed leads nowhere: a connection to the database would get its
    number, and what a child says there would be said to the database.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115, PTH123 - for as long as this process lives
            os.set_inheritable(stream.fileno(), True)  # also where it goes on as a worker
            setattr(sys, name, stream)


def _look_here() -> None:
    """Find the application in the current folder, as `python -m forecourt` does, and the
    ecosystem's servers and task tools do. Python's own switch against that, PYTHONSAFEPATH, is
    obeyed."""
    with suppress(FileNotFoundError):  # the folder may be gone
        here = os.getcwd()  # noqa: PTH109
        if not sys.flags.safe_path and here not in sys.path:
            sys.path.insert(0, here)
