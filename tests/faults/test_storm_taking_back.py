"""Calls that turn slow at random: what waits behind them is taken back, and none is begun twice."""

import os
import random
import signal
import threading
import time
from pathlib import Path

from faults import rally
from faults.hosts import Host
from faults.storm import Storm, raging
from fleet import Looking, wait_until

CALLS = 1_200


def test_what_waits_behind_a_slow_call_is_taken_back_and_never_begun_twice(
    looking: Looking, database: str, tmp_path: Path
) -> None:
    """Slots are frozen at random all the while, so that taking back meets them at every point of
    their rounds; nothing dies, so a second run of a call could only come from a call that was taken
    back and begun as well."""
    hosts = [Host(name, tmp_path / name, database) for name in ("north", "south")]
    stop = threading.Event()
    chance = random.Random(7)

    def freeze() -> None:
        while not stop.wait(0.05):
            slots = [pid for host in hosts for pid in host.slots()]
            if slots:
                frozen = chance.choice(slots)
                os.kill(frozen, signal.SIGSTOP)
                time.sleep(chance.uniform(0.01, 0.2))
                os.kill(frozen, signal.SIGCONT)

    with raging(Storm(database, hosts)):
        freezing = threading.Thread(target=freeze)
        freezing.start()
        try:
            for first in range(0, CALLS, 100):
                rally.stall.dispatch_many([{"call": f"call {n}"} for n in range(first, first + 100)])
            done = "SELECT count(*) = %s FROM forecourt.done WHERE job = 'stall'"
            wait_until(lambda: looking.one(done, CALLS), 100)
        finally:
            stop.set()
            freezing.join()
        assert looking.rows("SELECT count(*), count(DISTINCT call) FROM runs WHERE over") == [(CALLS, CALLS)]
        assert looking.one("SELECT max(attempts) FROM forecourt.done WHERE job = 'stall'") == 1
        assert looking.one("SELECT sum(late)::int FROM forecourt.minutes WHERE job = 'stall'") == 0
