"""kill -9 of everything that can be killed, and frozen processes that wake up late."""

import os
import signal
import time
from contextlib import suppress

from faults.hosts import Host
from faults.storm import Fault, Storm


def kill_9_of_a_slot(storm: Storm, host: Host) -> None:
    """Its supervisor replaces it."""
    slots = host.slots()
    if slots:
        os.kill(storm.chance.choice(slots), signal.SIGKILL)


def kill_9_of_a_fork_server(storm: Storm, host: Host) -> None:
    """All slots of a worker die with it; the supervisor starts another."""
    fork_server = host.fork_server()
    if fork_server is not None:
        os.kill(fork_server, signal.SIGKILL)


def kill_9_of_a_supervisor(storm: Storm, host: Host) -> None:
    """The worker is gone; another one gives its calls back."""
    host.worker.kill()


def kill_9_of_a_clock(storm: Storm, host: Host) -> None:
    """Another one goes on."""
    host.clock.kill()


def kill_9_of_all_at_once(storm: Storm, _: Host) -> None:
    """Nobody is left; all are started again."""
    for host in storm.hosts:
        for program in host.programs:
            os.kill(program.pid, signal.SIGKILL)
    for host in storm.hosts:
        for program in host.programs:
            program.kill()
    for host in storm.hosts:
        host.start()


def sigstop_past_the_grace(storm: Storm, host: Host) -> None:
    """A worker is frozen until the others have taken its calls, and wakes up: all its processes, or
    its supervisor alone.
    """
    frozen = host.processes()[: storm.chance.choice([1, None])]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        storm.await_given_up(host)
    finally:
        for pid in reversed(frozen):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def sigstop_of_a_slot(storm: Storm, host: Host) -> None:
    """It stands still for a moment, whatever it was doing; its supervisor goes on."""
    slots = host.slots()
    if slots:
        frozen = storm.chance.choice(slots)
        with suppress(ProcessLookupError):
            os.kill(frozen, signal.SIGSTOP)
            time.sleep(storm.chance.uniform(0.05, 0.5))
            os.kill(frozen, signal.SIGCONT)


KILLS: tuple[Fault, ...] = (
    kill_9_of_a_slot,
    kill_9_of_a_fork_server,
    kill_9_of_a_supervisor,
    kill_9_of_a_clock,
    kill_9_of_all_at_once,
    sigstop_of_a_slot,
)
