"""A slot's rounds: one transaction that writes the ends of the calls that it ran and claims the
next, on its one connection.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from itertools import takewhile
from typing import Any

import psycopg

from forecourt.database.connecting import connect
from forecourt.jobs.definition import Definition
from forecourt.settings import settings
from forecourt.slots.acknowledge import Acknowledger, is_of_the_outcome
from forecourt.slots.admission import limited, refuse
from forecourt.slots.completion import Completion
from forecourt.slots.markers import MOST_CALLS
from forecourt.slots.options import WorkOptions
from forecourt.store import calls, ready, running, workers
from forecourt.store.minutes import writer
from forecourt.store.ready import Claimed, LowWater

log = logging.getLogger("forecourt.slot")

HINT_LIFE = 1.0
"""Seconds until a low-water mark is forgotten: a call that entered below it (a retry, a late
commit) waits no longer than this.
"""

STUCK = 30.0
"""Seconds until an end that could not be written, not even as a failure, is tried again. When the
slot ends, its call goes back.
"""


class Rounds:
    """`ended` are the calls whose ends the next round writes; while the database is away they wait
    there, and none is dropped.

    `known` says which claims the slot knows of, by their tokens. After a lost connection nobody can
    tell whether the last round was committed: what else the database holds under the slot's name
    goes back then.
    """

    def __init__(
        self,
        options: WorkOptions,
        jobs: Mapping[str, Definition[..., Any]],
        worker: int,
        slot: int,
        ended: deque[Completion],
        known: Callable[[], set[int]],
    ) -> None:
        self.ended = ended
        self.found = 0
        """How many calls the latest claim found, those included that a limit held off."""
        self._jobs = jobs
        self._queues = options.queues
        self._worker = worker
        self._slot = slot
        self._known = known
        self._acknowledger = Acknowledger(jobs, options.defaults, writer(worker, slot))
        self._lock = threading.Lock()
        self._pooled = settings().pooled
        self._connection: psycopg.Connection[Any] | None = None
        self._in_doubt = False
        self._one_by_one = False
        self._stuck: list[tuple[float, Completion]] = []
        self._low: dict[str, LowWater] = {}
        self._hint_until = 0.0

    def round(self, limit: int, *, fill: bool = False) -> list[Claimed]:
        """Write what has ended, and claim up to `limit` calls; with `fill`, more of a batched job's
        if it is the last of them. Raises what the database raises; nothing is lost then."""
        with self._lock:
            if not limit:
                self.found = 0  # else a slot that has used up what it may claim would go round without rest
            return self._round(limit, fill)

    def flush(self) -> None:
        """Write what has ended, while a call is running. Called from another thread."""
        with self._lock:
            if self.ended:
                self._round(0, False)

    def settle(self, completions: Sequence[Completion], untouched: Sequence[Claimed], pid: int) -> None:
        """Write the ends of what a process ran that is no more, and give back what it never
        began.
        """
        with self._lock, self._connected() as connection, connection.transaction():
            self._acknowledger.write(connection, completions, pid)
            _give_back(connection, untouched)

    def take_over(self) -> list[Claimed]:
        """What the database holds under the slot's name, after every earlier session of that name
        was ended.
        """
        with self._lock, self._connected() as connection:
            with connection.transaction():
                names = [name(self._worker, self._slot) for name in (workers.slot_name, workers.jobs_name)]
                workers.end_sessions(connection, names)
            with connection.transaction():
                return ready.held_by(connection, self._worker, self._slot)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _round(self, limit: int, fill: bool) -> list[Claimed]:
        connected = self._connected()  # first: what is taken is not known of, and would go back as a stray
        done = self._take()
        # A claim alone is one statement, and so one message that is committed when it is answered.
        # Behind a pooler its settings must travel with it.
        alone = not done and not self._pooled
        stuck: Sequence[Completion] = ()
        try:
            with connected as connection, nullcontext() if alone else connection.transaction():
                if self._pooled:
                    connection.execute(ready.PLANNER_FOR_TRANSACTION.encode())
                if self._one_by_one:
                    stuck = self._acknowledger.write_one_by_one(connection, done)
                elif done:
                    self._acknowledger.write(connection, done)
                claimed = self._claim(connection, limit, fill) if limit else []
                if in_question := limited(self._jobs, claimed):
                    with connection.transaction() if alone else nullcontext():
                        refused = refuse(connection, self._jobs, in_question)
                    claimed = [call for call in claimed if call.id not in refused]
        except BaseException as error:
            self.ended.extendleft(reversed(done))
            # An end that cannot be written must not keep the others from it for ever.
            self._one_by_one = is_of_the_outcome(error)
            raise
        self._one_by_one = False
        self._put_aside(stuck)
        return claimed

    def _claim(self, connection: psycopg.Connection[Any], limit: int, fill: bool) -> list[Claimed]:
        now = time.monotonic()
        if now >= self._hint_until:
            self._low.clear()
            self._hint_until = now + HINT_LIFE
        claimed = self._take_ready(connection, self._queues, limit)
        if fill and len(claimed) == limit and (more := self._missing(claimed)):
            claimed += self._take_ready(connection, [claimed[-1].queue], more)
        self.found = len(claimed)
        return claimed

    def _take_ready(self, connection: psycopg.Connection[Any], queues: Sequence[str], limit: int) -> list[Claimed]:
        claimed = ready.claim(
            connection, queues=queues, limit=limit, worker=self._worker, slot=self._slot, low=self._low
        )
        if len(claimed) == limit:
            last = claimed[-1]
            self._low[last.queue] = LowWater(last.priority, last.id + 1)
        else:
            self._low.clear()
        return claimed

    def _missing(self, claimed: Sequence[Claimed]) -> int:
        """How many calls the last of these, if it is a batched job's, may run together with beside
        those of its job before it.
        """
        name = claimed[-1].job
        if name not in self._jobs:
            return 0
        together = sum(1 for _ in takewhile(lambda call: call.job == name, reversed(claimed)))
        return max(0, min(self._jobs[name].policy.batch or 1, MOST_CALLS) - together)

    def _take(self) -> list[Completion]:
        now = time.monotonic()
        done = [completion for due, completion in self._stuck if due <= now]
        self._stuck = [(due, completion) for due, completion in self._stuck if due > now]
        while self.ended:
            done.append(self.ended.popleft())  # one at a time, since the other thread may append meanwhile
        return done

    def _put_aside(self, stuck: Sequence[Completion]) -> None:
        due = time.monotonic() + STUCK
        self._stuck += [(due, completion) for completion in stuck]

    def _connected(self) -> "_Guarded":
        if self._connection is None:
            self._connection = connect(autocommit=True, application_name=workers.slot_name(self._worker, self._slot))
            with _Guarded(self, self._connection) as connection:
                if not self._pooled:
                    connection.execute(ready.PLANNER.encode())
                if self._in_doubt:
                    self._compare(connection)
        return _Guarded(self, self._connection)

    def _compare(self, connection: psycopg.Connection[Any]) -> None:
        """A commit whose answer was lost may have claimed calls that nobody here has seen: they
        would wait for ever.
        """
        with connection.transaction():
            # The server may not know yet that the previous session is lost.
            workers.end_sessions(connection, [workers.slot_name(self._worker, self._slot)])
        with connection.transaction():
            known = self._known() | {completion.call.token for _, completion in self._stuck}
            strays = [call for call in ready.held_by(connection, self._worker, self._slot) if call.token not in known]
            _give_back(connection, strays)
        self._in_doubt = False
        log.info("the database is back", extra={"given_back_unseen": len(strays)})

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._in_doubt = True


class _Guarded:
    """The connection, which is given up when the block raises."""

    def __init__(self, rounds: Rounds, connection: psycopg.Connection[Any]) -> None:
        self._rounds = rounds
        self._connection = connection

    def __enter__(self) -> psycopg.Connection[Any]:
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._rounds._lose()


def _give_back(tx: psycopg.Connection[Any], untouched: Sequence[Claimed]) -> None:
    if untouched:
        running.give_back(tx, [(call.id, call.token) for call in untouched])
        calls.wake(tx, sorted({call.queue for call in untouched}))
