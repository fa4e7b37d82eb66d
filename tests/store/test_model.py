"""The store against a simple model: whatever happens in whatever order, each call is in exactly one table, tokens never repeat,
attempts never exceed the tries, a late acknowledgement changes nothing, a due time is claimed once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from forecourt.jobs.outcome import (
    Discarded,
    Finished,
    Interrupted,
    Outcome,
    Raised,
    Released,
    SlotDied,
    TimedOut,
    WorkerLost,
)
from forecourt.jobs.policy import Defaults, Policy
from forecourt.store import calls, pauses, ready, running, scheduled, ticks
from forecourt.store.calls import Placement
from forecourt.store.ready import Claimed, LowWater
from forecourt.store.running import Ended, Lost, Postponed
from forecourt.workers.ending import Ending, cancel_waiting, end
from forecourt.workers.verdict import Attempt, decide

TRIES = 3
DEFAULTS = Defaults(tries=TRIES)
TABLES = ("ready", "scheduled", "running", "done", "failed")
QUEUES = st.sampled_from(["a", "b"])
OUTCOMES: list[Outcome] = [
    Finished(),
    Discarded("no"),
    Raised("E", "m", "t"),
    TimedOut(1),
    SlotDied(9, None),
    Released(0, "later"),
    Interrupted("shutdown"),
]


class Night(RuleBasedStateMachine):
    url: str

    @initialize()
    def begin(self) -> None:
        self.tx = psycopg.connect(self.url, autocommit=True)
        self.tx.execute(
            "TRUNCATE " + ", ".join(f"forecourt.{name}" for name in (*TABLES, "pauses", "ticks", "workers"))
        )
        self.where: dict[int, str] = {}
        self.attempts: Counter[int] = Counter()
        self.tokens: set[int] = set()
        self.held: list[Claimed] = []
        self.stale: list[Claimed] = []
        self.paused: set[str] = set()
        self.due: set[datetime] = set()

    def teardown(self) -> None:
        if hasattr(self, "tx"):
            self.tx.close()

    @rule(queue=QUEUES, later=st.booleans(), count=st.integers(1, 4))
    def dispatch(self, queue: str, later: bool, count: int) -> None:
        placement = Placement("job", queue, delay=0.001 if later else None)
        for id in calls.enter_many(self.tx, placement, ["{}"] * count):
            assert id not in self.where
            self.where[id] = "scheduled" if later else "ready"

    @rule(queue=QUEUES, limit=st.integers(1, 3), worker=st.integers(1, 3))
    def claim(self, queue: str, limit: int, worker: int) -> None:
        got = ready.claim(self.tx, queue=queue, limit=limit, worker=worker, low=LowWater())
        assert not (got and queue in self.paused)
        for call in got:
            assert call.token not in self.tokens, "a run token came twice"
            assert self.where[call.id] == "ready"
            assert call.attempts == self.attempts[call.id]
            self.tokens.add(call.token)
            self.where[call.id] = "running"
            self.held.append(call)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def finish(self, data: st.DataObject, outcome: Outcome) -> None:
        call = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        assert self.acknowledge(call, outcome), "the claim was ours"

    @precondition(lambda self: self.stale)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def acknowledge_too_late(self, data: st.DataObject, outcome: Outcome) -> None:
        call = self.stale[data.draw(st.integers(0, len(self.stale) - 1))]
        before = self.snapshot()
        assert not self.apply(call, outcome)
        assert self.snapshot() == before

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back_unstarted(self, data: st.DataObject) -> None:
        call = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        assert running.give_back(self.tx, [(call.id, call.token)]) == {call.id}
        self.where[call.id] = "ready"
        self.stale.append(call)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), had_started=st.booleans())
    def lose_a_worker(self, data: st.DataObject, had_started: bool) -> None:
        """What a lifeline does; the worker itself does not know yet and may acknowledge late."""
        victim = self.held[data.draw(st.integers(0, len(self.held) - 1))]
        self.held.remove(victim)
        if had_started:
            assert self.acknowledge(victim, WorkerLost("host", 1))
        else:
            running.give_back(self.tx, [(victim.id, victim.token)])
            self.where[victim.id] = "ready"
        self.stale.append(victim)

    @rule()
    def promote(self) -> None:
        self.tx.execute("UPDATE forecourt.scheduled SET run_at = now() - interval '1 second'")
        moved = scheduled.promote(self.tx)
        assert moved == sum(where == "scheduled" for where in self.where.values())
        for id, where in self.where.items():
            if where == "scheduled":
                self.where[id] = "ready"

    @rule(queue=QUEUES)
    def pause(self, queue: str) -> None:
        pauses.pause(self.tx, "queue", queue, until=None, who="model", why="")
        self.paused.add(queue)

    @rule(queue=QUEUES)
    def resume(self, queue: str) -> None:
        assert pauses.resume(self.tx, "queue", queue) == (queue in self.paused)
        self.paused.discard(queue)

    @precondition(lambda self: self.where)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.where)))
        gone = cancel_waiting(self.tx, [id], "model")
        assert gone == ({id} if self.where[id] in ("ready", "scheduled") else set())
        if gone:
            self.where[id] = "done"

    @rule(minute=st.integers(0, 5), clocks=st.integers(1, 3))
    def tick(self, minute: int, clocks: int) -> None:
        due = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=minute)
        won = [ticks.claim(self.tx, task="task", due_at=due) is not None for _ in range(clocks)]
        assert sum(won) == (0 if due in self.due else 1)
        self.due.add(due)

    @invariant()
    def every_call_is_in_exactly_one_table(self) -> None:
        if not hasattr(self, "tx"):
            return
        found = {id: table for table, id in self.snapshot(ids_only=True)}
        assert found == self.where
        assert len(self.snapshot(ids_only=True)) == len(found), "a call is in two tables"

    def acknowledge(self, call: Claimed, outcome: Outcome) -> bool:
        verdict = self.verdict(call, outcome)
        match verdict:
            case Ended():
                self.where[call.id] = "done"
                self.attempts[call.id] += 1
            case Lost():
                self.where[call.id] = "failed"
                self.attempts[call.id] += 1
            case Postponed(counted=counted):
                self.where[call.id] = "scheduled"
                self.attempts[call.id] += counted
        assert self.attempts[call.id] <= TRIES
        self.stale.append(call)
        return self.apply(call, outcome)

    def apply(self, call: Claimed, outcome: Outcome) -> bool:
        verdict = self.verdict(call, outcome)
        if isinstance(verdict, Postponed):
            return bool(running.postpone(self.tx, [verdict]))
        assert isinstance(verdict, Ended | Lost)
        return bool(end(self.tx, [Ending(verdict, {}, 0.0)]))

    def verdict(self, call: Claimed, outcome: Outcome) -> Any:
        attempt = Attempt(call.id, call.token, call.job, call.queue, call.attempts, call.incidents)
        return decide(outcome, attempt, 0.0, Policy(), DEFAULTS)

    def snapshot(self, *, ids_only: bool = False) -> list[tuple[Any, ...]]:
        columns = "id" if ids_only else "id, attempts, history"
        query = " UNION ALL ".join(f"SELECT '{name}', {columns} FROM forecourt.{name}" for name in TABLES)
        return sorted(self.tx.execute(query).fetchall(), key=repr)


@pytest.mark.timeout(300)
def test_the_store_keeps_its_promises_in_any_order(database: str) -> None:
    class OnThisDatabase(Night):
        url = database

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
