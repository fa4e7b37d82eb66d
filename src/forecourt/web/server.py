"""Serves the web application until a signal says stop."""

import errno
import gc
import logging
import signal
import socket
import threading
from contextlib import suppress

import uvicorn

from forecourt.watch.beside import watching
from forecourt.web.app import create_app
from forecourt.web.application import CannotLoad, application
from forecourt.web.guard import require_loopback
from forecourt.web.reading import BoundedReading, most_connections
from forecourt.web.templating import assets, environment

log = logging.getLogger("forecourt.web")

SHUTDOWN_SECONDS = 5


class CannotListen(RuntimeError):
    """The port is taken, or not to be had; the message names it, and why."""


def listen(host: str, port: int, *, guarded: bool = False) -> socket.socket:
    """Take the port. `guarded`: people are known, and whoever asks has to sign in. Raises
    OpenToOthers or CannotListen.
    """
    if not guarded:
        require_loopback(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = "another program does" if error.errno == errno.EADDRINUSE else error.strerror
        raise CannotListen(f"cannot listen on port {port} of {host}: {reason}") from None
    # Its connections inherit this. Without it each answer waits 40 ms for the acknowledgement of
    # its own head.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def serve(listening: socket.socket) -> None:
    """Answer requests until SIGTERM, SIGINT or SIGQUIT, then finish those that run, within 5 s."""
    # The first page would otherwise wait for a second of imports; the probes need none of them.
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
    config = uvicorn.Config(
        create_app(),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who is a proxy is ours to say, by the address that really asks
        lifespan="off",
        http=BoundedReading,
        backlog=most_connections(),
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # The server takes over the first two while it runs, and raises them again when it is done: that
    # must not kill us.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, stop)
    host, port = listening.getsockname()[:2]
    log.info("web started", extra={"host": host, "port": port})
    with watching(application):
        server.run(sockets=[listening])
    log.info("web stopped")


def _warm_up() -> None:
    environment()
    assets()
    with suppress(CannotLoad):  # a page says so, to whoever asks for it
        application()
    # A page makes and drops a hundred thousand objects, none of them in a cycle. Looking for cycles
    # among all that is loaded took a tenth of its time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
