"""The fork server: a process with one thread that has the application loaded and forks slots from
it.

A supervisor has threads and connections, which no fork may inherit, and loads no application; and a
fork starts in a millisecond and shares its parent's memory. The fork server lives in a session of
its own, so the terminal's Ctrl-C reaches only the supervisor. When the supervisor ends, however it
ends, the fork server kills its slots and goes; when the fork server ends, the kernel kills the
slots.
"""

import gc
import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

from sqlalchemy import text

from forecourt.database.engine import connect, engine, make_engine, use_engine
from forecourt.database.revision import require_current
from forecourt.jobs.application import load
from forecourt.jobs.definition import Definition
from forecourt.jobs.registry import Registry
from forecourt.jobs.transaction import JobSession
from forecourt.logs import configure
from forecourt.process import die_with_parent
from forecourt.waiting import Waiter
from forecourt.workers.channels import Channels
from forecourt.workers.messages import Birth, Event, Loaded
from forecourt.workers.permits import Permits
from forecourt.workers.slot import run_slot

LARGEST = 64 * 1024
"""Bytes of an order or an event."""


class ForkServer:
    """Serves one supervisor over a sequential-packet socket: it asks for births and deaths, and is
    told of both.
    """

    def __init__(self, orders: socket.socket, jobs: Registry) -> None:
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
        message, descriptors, _, _ = socket.recv_fds(self._orders, LARGEST, 5)
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
        pid = os.fork()
        if pid == 0:
            self._live(birth, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self._slots[pid] = birth
        self._tell(Event(birth.worker, birth.number, pid, None))

    def _live(self, birth: Birth, descriptors: list[int]) -> NoReturn:
        """In the child: be a slot, then end without the parent's clean-up."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._orders.close()
            self._waiter.close()
            wake, flush, notify, reading, writing = descriptors
            channels = Channels(
                socket.socket(fileno=wake),
                socket.socket(fileno=flush),
                socket.socket(fileno=notify),
                Permits(reading, writing),
            )
            run_slot(birth, channels, self._jobs)
            status = 0
        except BaseException:  # noqa: BLE001 - the last frame of this process: nothing above could print it
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

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


def main() -> None:
    """`python -m forecourt.workers.fork_server DESCRIPTOR APP`, started by a supervisor."""
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        # Handled by doing nothing rather than ignored: programs that a job starts then get the
        # default back.
        signal.signal(number, lambda *_: None)
    configure()
    orders = socket.socket(fileno=int(sys.argv[1]))
    try:
        app = load(sys.argv[2])
        with connect() as connection:
            require_current(connection, marketplace=app.has_marketplace)
            app.declare(connection)  # closed before anything is forked
        _make_engine(app.jobs)
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor says it
        orders.sendall(_told(error))
        raise SystemExit(1) from None
    gc.collect()
    gc.freeze()  # what is loaded stays where it is, so that the slots share it
    orders.sendall(pickle.dumps(Loaded(tuple(app.queues))))
    ForkServer(orders, app.jobs.fixed()).serve()


def _make_engine(jobs: Mapping[str, Definition[..., Any]]) -> None:
    """Make the engine of the jobs' sessions here, and use it once: what that loads and fills, 4 MB,
    the slots share."""
    most = max((job.policy.at_once for job in jobs.values()), default=1)
    use_engine(make_engine(pool_size=most, spotless=True))
    with JobSession(engine()) as session:
        session.execute(text("SELECT 1"))
    engine().dispose()  # no connection is inherited


def _told(error: Exception) -> bytes:
    """An error for the supervisor; one that cannot travel is printed here."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        return pickle.dumps(error)
    except Exception:  # noqa: BLE001 - whatever it holds
        traceback.print_exception(error)
        return pickle.dumps(RuntimeError("the application could not be loaded; see the error above"))


if __name__ == "__main__":
    main()
