"""Watching beside something else: in a thread of a clock or a web server, where somebody wants to
be told.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from forecourt.alerts.sending import channels
from forecourt.app import Forecourt
from forecourt.watch.watcher import Watcher
from forecourt.workers.agent import Loop

log = logging.getLogger("forecourt.watch")


def watch_once(application: Callable[[], Forecourt]) -> None:
    """Look once, for a clock that cron starts. Whatever goes wrong is logged: the clock's own round
    is done.
    """
    if not channels():
        return
    try:
        Watcher(application).run_once()
    except Exception as error:  # noqa: BLE001 - a check, the database, a channel
        log.warning("nobody has watched: %s", error)


@contextmanager
def watching(application: Callable[[], Forecourt]) -> Iterator[None]:
    """Watch while the block runs."""
    if not channels():
        yield
        return
    loop = Loop(Watcher(application))
    loop.start()
    try:
        yield
    finally:
        loop.stop()
        loop.await_end(5)
