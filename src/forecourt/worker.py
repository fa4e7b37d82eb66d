"""What `forecourt queue work` becomes once its command line is read: a program that knows none.

A worker's fork server is forked from it and loads the application on top. So both carry what the
worker has loaded, and hold twice what one of them writes: without what reads commands, an idle
worker with four slots takes 2.6 MB less.
"""

import logging
import pickle
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from forecourt import logs
from forecourt.database.connecting import connect
from forecourt.process import entitle, own, own_queue
from forecourt.settings import settings
from forecourt.slots.options import WorkOptions
from forecourt.store import definitions
from forecourt.workers.fork_client import ForkClient
from forecourt.workers.supervisor import Supervisor

log = logging.getLogger("forecourt.worker")


def main(told: BinaryIO) -> None:
    """Work, as the command that this was has `told`, and ends with the exit code. Behind the
    descriptor's number stand the words that were typed, for `ps`."""
    entitle(" ".join(["forecourt", *sys.argv[2:]]))
    with told:
        options, is_queue_given = pickle.load(told)  # noqa: S301 - by ourselves
    try:
        sys.exit(_work(options, is_queue_given))
    except KeyboardInterrupt:
        print("Aborted.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        from forecourt.cli.errors import told_of

        if (code := told_of(error)) is None:
            raise
        sys.exit(code)


def _work(options: WorkOptions, is_queue_given: bool) -> int:
    """A worker's whole life. Returns the exit code."""
    logs.configure()
    forks = ForkClient(settings().app)
    usual = forks.start()
    if not is_queue_given:
        options = replace(options, queues=usual)
        _warn_of_unserved(usual)
    elif unusual := [queue for queue in options.queues if queue not in usual]:
        from forecourt.cli.console import transaction, warn_of_unknown

        with transaction() as tx:
            warn_of_unknown(tx, unusual)
    options = replace(options, queues=(*options.queues, own_queue(own().host)))
    return Supervisor(options, forks).run()


def _warn_of_unserved(usual: Sequence[str]) -> None:
    with closing(connect()) as connection, connection:
        for queue, jobs in definitions.unserved(connection, usual):
            log.warning(
                "no worker serves queue %s (%s): give it to one, such as --queue %s",
                queue,
                ", ".join(jobs[:3]),
                ",".join((*usual, queue)),
            )
