"""The nursery: a process with one thread that has the application loaded and forks slots from it.

A supervisor has threads and connections, which no fork may inherit; and a fork starts in a millisecond and shares its parent's
memory. The nursery lives in a session of its own, so the terminal's Ctrl-C reaches only the supervisor. When the supervisor ends,
however it ends, the nursery kills its slots and goes; when the nursery ends, the kernel kills the slots.
"""

import os
import selectors
import signal
import socket
import sys
import traceback
from dataclasses import asdict
from typing import NoReturn

import orjson

from forecourt.jobs.application import load
from forecourt.logs import configure
from forecourt.workers.slot import Birth, die_with_parent, run_slot


class Nursery:
    """Serves one supervisor over a sequential-packet socket: it asks for births and deaths, and is told of both."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._slots: dict[int, int] = {}

    def serve(self) -> None:
        """Until the supervisor closes its end."""
        wakeup, rung = socket.socketpair()
        rung.setblocking(False)
        signal.set_wakeup_fd(rung.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(self._orders, selectors.EVENT_READ)
        selector.register(wakeup, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in selector.select():
                    if key.fileobj is wakeup:
                        wakeup.recv(4096)
                        self._bury()
                    elif not self._obey():
                        return
        except (ConnectionResetError, BrokenPipeError):
            return  # the supervisor went without reading what it had been told
        finally:
            signal.set_wakeup_fd(-1)
            for pid in self._slots:
                os.kill(pid, signal.SIGKILL)

    def _obey(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._orders, 4096, 2)
        if not message:
            return False
        order = orjson.loads(message)
        if order["order"] == "bear":
            self._bear(Birth(**order["birth"]), *descriptors)
        else:
            pid = order["pid"]
            # Not yet reaped, so the process id is still that slot's.
            if pid in self._slots:
                os.kill(pid, signal.SIGKILL)
        return True

    def _bear(self, birth: Birth, channel: int, reporting: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._live(birth, channel, reporting)
        os.close(channel)
        os.close(reporting)
        self._slots[pid] = birth.number
        self._tell({"event": "born", "slot": birth.number, "pid": pid})

    def _live(self, birth: Birth, channel: int, reporting: int) -> NoReturn:
        """In the child: be a slot, then end without the parent's clean-up."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._orders.close()
            run_slot(birth, socket.socket(fileno=channel), reporting)
            status = 0
        except BaseException:  # noqa: BLE001 - the last frame of this process: nothing above could print it
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _bury(self) -> None:
        while self._slots:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._slots.pop(pid, None)
            if number is not None:
                self._tell({"event": "died", "slot": number, "pid": pid, "code": os.waitstatus_to_exitcode(status)})

    def _tell(self, event: dict[str, object]) -> None:
        self._orders.sendall(orjson.dumps(event))


def order_birth(orders: socket.socket, birth: Birth, channel: socket.socket, reporting: int) -> None:
    """Ask a nursery for a slot that listens on `channel` and writes its reports to `reporting`."""
    socket.send_fds(orders, [orjson.dumps({"order": "bear", "birth": asdict(birth)})], [channel.fileno(), reporting])


def order_death(orders: socket.socket, pid: int) -> None:
    """Ask a nursery to kill one of its slots, now."""
    orders.sendall(orjson.dumps({"order": "kill", "pid": pid}))


def main() -> None:
    """`python -m forecourt.workers.nursery DESCRIPTOR APP`, started by a supervisor."""
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        # Handled by doing nothing rather than ignored: programs that a job starts then get the default back.
        signal.signal(number, lambda *_: None)
    configure()
    orders = socket.socket(fileno=int(sys.argv[1]))
    load(sys.argv[2])
    orders.sendall(orjson.dumps({"event": "ready"}))
    Nursery(orders).serve()


if __name__ == "__main__":
    main()
