"""The fork server: a process with one thread that has the application loaded and forks slots from
it.

A supervisor has threads and connections, which no fork may inherit, and loads no application; and a
fork starts in a millisecond and shares its parent's memory. So does the fork server itself, which
its supervisor forks before it has any of that. It lives in a session of its own, so the terminal's
Ctrl-C reaches only the supervisor. When the supervisor ends, however it ends, the fork server kills
its slots and goes; when the fork server ends, the kernel kills the slots.
"""

import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import text

from forecourt.database.connecting import connect
from forecourt.database.engine import engine, make_engine, use_engine
from forecourt.database.revision import require_current
from forecourt.jobs.application import load
from forecourt.jobs.definition import Definition
from forecourt.jobs.registry import Jobs
from forecourt.jobs.transaction import JobSession
from forecourt.logs import configure
from forecourt.process import die_with_parent, entitle, fork, share
from forecourt.settings import settings
from forecourt.slots.channels import Channels
from forecourt.slots.markers import page_of
from forecourt.slots.messages import LARGEST, Birth, Event
from forecourt.slots.permits import Permits
from forecourt.slots.slot import run_slot
from forecourt.waiting import Waiter


class ForkServer:
    """Serves one supervisor over a sequential-packet socket: it asks for births and deaths, and is
    told of both.
    """

    def __init__(self, orders: socket.socket, jobs: Jobs) -> None:
        self._orders = orders
        self._jobs = jobs
        self._slots: dict[int, Birth] = {}
        self._waiter = Waiter()

    def serve(self) -> None:
        """Until the supervisor closes its end."""
        self._waiter.wake_at_signals()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._waiter.watch(self._orders.fileno())
        try:
            while True:
                ready = self._waiter.wait()
                self._reap()
                if self._orders.fileno() in ready and not self._obey():
                    return
        except (ConnectionResetError, BrokenPipeError):
            return  # the supervisor went without reading what it had been told
        finally:
            signal.set_wakeup_fd(-1)
            for pid in self._slots:
                os.kill(pid, signal.SIGKILL)

    def _obey(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._orders, LARGEST, 6)
        if not message:
            return False
        order = pickle.loads(message)  # noqa: S301 - from our own supervisor
        if isinstance(order, Birth):
            self._spawn(order, descriptors)
        # Not yet reaped, so the process id is still that slot's.
        elif order in self._slots:
            os.kill(order, signal.SIGKILL)
        return True

    def _spawn(self, birth: Birth, descriptors: list[int]) -> None:
        pid = fork(partial(self._live, birth, descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        self._slots[pid] = birth
        self._tell(Event(birth.worker, birth.number, pid, None))

    def _live(self, birth: Birth, descriptors: list[int]) -> None:
        """In the child: be a slot."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._orders.close()
        self._waiter.close()
        reading, writing, *ends, pages = descriptors
        wake, flush, notify = (socket.socket(fileno=end) for end in ends)
        page = page_of(pages, birth.number)
        run_slot(birth, Channels(wake, flush, notify, Permits(reading, writing)), page, self._jobs)

    def _reap(self) -> None:
        while self._slots:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            birth = self._slots.pop(pid, None)
            if birth is not None:
                self._tell(Event(birth.worker, birth.number, pid, os.waitstatus_to_exitcode(status)))

    def _tell(self, event: Event) -> None:
        self._orders.sendall(pickle.dumps(event))


def serve(orders: socket.socket, app: str) -> None:
    """Be the fork server of the supervisor at the other end, until that goes."""
    die_with_parent()
    entitle(f"forecourt fork server of {os.getppid()}")
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        # Handled by doing nothing rather than ignored: programs that a job starts then get the
        # default back.
        signal.signal(number, lambda *_: None)
    _keep_only(orders.fileno())
    address = orders.recv(LARGEST)
    if not address:
        return  # the supervisor found no database
    os.environ["FORECOURT_DATABASE_URL"] = address.decode()
    settings.cache_clear()
    configure()
    try:
        loaded = load(app)
        with connect() as connection:
            require_current(connection, marketplace=loaded.has_marketplace)
            loaded.declare(connection)  # closed before anything is forked
        _make_engine(loaded.jobs)
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor says it
        orders.sendall(_packed(error))
        return
    server = ForkServer(orders, loaded.jobs.fixed())
    share()
    orders.sendall(pickle.dumps(tuple(loaded.queues)))
    server.serve()


def _keep_only(kept: int) -> None:
    """Let go of everything that is open and the supervisor's, but for what is to be written to."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor in map(int, os.listdir("/dev/fd")):  # noqa: PTH208 - names, not paths
        if descriptor not in (0, 1, 2, kept):
            with suppress(OSError):  # that of the listing itself
                os.close(descriptor)


def _make_engine(jobs: Mapping[str, Definition[..., Any]]) -> None:
    """Make the engine of the jobs' sessions here, and use it once: what that loads and fills, 4 MB,
    the slots share."""
    most = max((job.policy.at_once for job in jobs.values()), default=1)
    use_engine(make_engine(pool_size=most, spotless=True))
    with JobSession(engine()) as session:
        session.execute(text("SELECT 1"))
    engine().dispose()  # no connection is inherited


def _packed(error: Exception) -> bytes:
    """An error for the supervisor; one that cannot travel is printed here."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        return pickle.dumps(error)
    except Exception:  # noqa: BLE001 - whatever it holds
        traceback.print_exception(error)
        return pickle.dumps(RuntimeError("the application could not be loaded; see the error above"))


if __name__ == "__main__":  # python -m forecourt.slots.fork_server DESCRIPTOR APP, started by a supervisor
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
