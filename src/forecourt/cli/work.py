"""`forecourt queue work`: a worker in this terminal."""

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from forecourt.slots.options import WorkOptions

BEGIN = """
import os, pickle, sys
told = os.fdopen(int(sys.argv[1]), "rb")
sys.path[:] = pickle.load(told)
from forecourt.worker import main
main(told)
"""
"""What is imported is found where this command found it, in an archive as well."""


@click.command(context_settings={"allow_extra_args": True})  # to say where they go
@click.option("--queue", "queues", help="Queues to serve, the most urgent first: high,medium,low.")
@click.option("--processes", type=int, help="Slots: calls that run at the same time.  [4]")
@click.option("--tries", type=int, help="Attempts for jobs that say nothing of their own; 0 for no end.  [3]")
@click.option(
    "--timeout", type=float, help="Seconds an attempt may take, for jobs that say nothing; 0 for no limit.  [60]"
)
@click.option("--backoff", help="Seconds before the next attempt, for jobs that say nothing: 10,30,60.")
@click.option("--sleep", type=float, help="Seconds between two looks while idle.  [1]")
@click.option("--rest", type=float, help="Seconds that a slot rests after each call.  [0]")
@click.option("--max-jobs", type=int, help="Stop after so many calls; 0 for never.  [0]")
@click.option("--max-time", type=float, help="Stop after so many seconds; 0 for never.  [0]")
@click.option("--memory", type=int, help="Stop with exit code 12 when a slot uses more MiB; 0 for never.  [1024]")
@click.option("--shutdown-timeout", type=float, help="Seconds that running calls get after the signal to stop.  [30]")
@click.option("--stop-grace", type=float, help="Seconds that whatever runs this grants it to stop; 0 for unknown.  [0]")
@click.option("--once", is_flag=True, help="Work on one call, then stop.")
@click.option("--stop-when-empty", is_flag=True, help="Stop when no call is ready.")
def work(queues: str | None, tries: int | None, timeout: float | None, backoff: str | None, **given: Any) -> None:
    """Claim calls and execute them, until a signal or an option says stop.

    TERM, INT or QUIT: finish what runs, give the rest back, exit 0. A second signal kills now.
    """
    from forecourt.jobs.backoff import Steps
    from forecourt.jobs.policy import Defaults, Policy
    from forecourt.slots.options import WorkOptions

    if extra := click.get_current_context().args:
        raise click.UsageError(
            f"Got unexpected arguments: {' '.join(extra)}. Queues are named by --queue {','.join(extra)}"
        )
    usual = Defaults()
    defaults = Defaults(
        tries=usual.tries if tries is None else tries,
        timeout=usual.timeout if timeout is None else timeout,
        backoff=usual.backoff if backoff is None else Steps(_delays(backoff)),
    )
    Policy(tries=defaults.tries, timeout=defaults.timeout)  # refuses what is out of range
    if given["once"]:
        given["processes"] = 1
    if queues:
        given["queues"] = tuple(name.strip() for name in queues.split(","))
    given = {name: value for name, value in given.items() if value is not None} | {"defaults": defaults}
    _become_worker(WorkOptions(**given), is_queue_given=bool(queues))


def _become_worker(options: "WorkOptions", *, is_queue_given: bool) -> NoReturn:
    """Go on as another program in this process: forecourt/worker.py says why."""
    import pickle
    import subprocess

    from forecourt.slots.messages import LARGEST

    words = pickle.dumps(sys.path) + pickle.dumps((options, is_queue_given))
    if len(words) > LARGEST:  # a pipe holds no more before somebody reads
        raise click.UsageError(
            f"--queue: {len(options.queues)} names are more than one worker can be told; start several"
        )
    told, tell = os.pipe()
    os.set_inheritable(told, True)
    os.write(tell, words)
    os.close(tell)
    switches = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # -O, -W, -X and the like
    command = [sys.executable, *switches, "-P", "-c", BEGIN, str(told), *sys.argv[1:]]
    os.execv(sys.executable, command)  # noqa: S606 - our own program, and no shell


def _delays(text: str) -> tuple[float, ...]:
    from forecourt.jobs.option_values import seconds

    try:
        return tuple(seconds(float(part)) for part in text.split(","))
    except ValueError as error:
        raise click.UsageError(f"--backoff: expected seconds such as 10,30,60, not {text!r} ({error})") from None
