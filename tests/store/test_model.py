"""The store against a simple model: whatever happens in whatever order, each call is in exactly one
table, tokens never repeat, attempts never exceed the tries, a late acknowledgement changes nothing,
a due time is claimed once."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

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

from fleet import claim
from forecourt.jobs.outcome import (
    Discarded,
    Finished,
    Interrupted,
    Outcome,
    Raised,
    Released,
    SlotDied,
    TimedOut,
)
from forecourt.jobs.policy import Defaults, Policy
from forecourt.slots.history import lost_with_its_worker
from forecourt.slots.transitions import Transition, decide, over_before
from forecourt.store import many_calls, pauses, rescue, running, scheduled, ticks
from forecourt.store.ending import cancel_waiting, end
from forecourt.store.placement import Placement
from forecourt.store.ready import Claimed
from forecourt.store.rescue import Rescued
from forecourt.store.running import Ended, Failed, Postponed

TRIES = 3
DEFAULTS = Defaults(tries=TRIES)
TABLES = ("ready", "scheduled", "running", "done", "failed")
WHERE = " UNION ALL ".join(f"SELECT '{name}', id, attempts FROM forecourt.{name}" for name in TABLES)
ROWS = " UNION ALL ".join(f"SELECT '{name}', to_jsonb(t)::text FROM forecourt.{name} AS t" for name in TABLES)
QUEUES = st.sampled_from(["a", "b"])
OUTCOMES: list[Outcome] = [
    Finished(),
    Discarded("no"),
    Raised("E", "m", "t"),
    Raised("E", "m", "t", final=True),
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
        for queue in ("a", "b"):
            self.dispatch(queue=queue, later=False, count=4)

    def teardown(self) -> None:
        if hasattr(self, "tx"):
            self.tx.close()

    @rule(queue=QUEUES, later=st.booleans(), count=st.integers(1, 4))
    def dispatch(self, queue: str, later: bool, count: int) -> None:
        placement = Placement("job", queue, delay=0.001 if later else None)
        for id, _ in many_calls.enter_many(self.tx, placement, ["{}"] * count):
            assert id not in self.where
            self.where[id] = "scheduled" if later else "ready"

    @precondition(lambda self: "ready" in self.where.values())
    @rule(queue=QUEUES, limit=st.integers(1, 3), worker=st.integers(1, 3))
    def claim(self, queue: str, limit: int, worker: int) -> None:
        got = claim(self.tx, queue=queue, limit=limit, worker=worker)
        assert not (got and queue in self.paused)
        for call in got:
            assert call.token not in self.tokens, "a run token came twice"
            assert self.where[call.id] == "ready"
            assert call.attempts == self.attempts[call.id]
            self.tokens.add(call.token)
            self.where[call.id] = "running"
            over = over_before(call, Policy(), DEFAULTS)
            if over is None:
                self.held.append(call)
                continue
            # Its last try ended with its worker, which is decided by whoever claims it.
            failed = transition(call, over)
            assert self.write([failed]) == {call.id}
            self.where[call.id] = "failed"
            self.stale.append(call)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """A round of a slot: outcomes of calls that are still its own, and of some that are no
        longer.
        """
        ours = data.draw(some_of(self.held, at_least=1))
        late = data.draw(some_of(self.stale))
        # Few kinds, so that a statement often gets several calls at once.
        kinds = data.draw(st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=2))
        transitions = {call.token: transition(call, data.draw(st.sampled_from(kinds))) for call in (*ours, *late)}
        for call in ours:
            self.held.remove(call)
            self.expect(transitions[call.token])
        self.stale += ours
        assert self.write(list(transitions.values())) == {call.id for call in ours}

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def acknowledge_too_late(self, data: st.DataObject) -> None:
        self.say_too_late(data.draw(st.sampled_from(self.stale)))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back_unstarted(self, data: st.DataObject) -> None:
        ours = data.draw(some_of(self.held, at_least=1))
        self.hand_back(ours, data.draw(some_of(self.stale)))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), had_started=st.booleans(), another=st.integers(1, 3))
    def lose_a_worker(self, data: st.DataObject, had_started: bool, another: int) -> None:
        """What a rescuer does; the worker itself does not know yet, and acknowledges late. Unless
        its queue is paused, the call runs under a newer claim by then, and nothing but the token
        tells the two apart."""
        victim = data.draw(st.sampled_from(self.held))
        if had_started:
            self.held.remove(victim)
            self.stale.append(victim)
            rescued = Rescued(victim.id, victim.token, lost_with_its_worker(victim.attempts, "host", 1))
            assert rescue.rescue(self.tx, [rescued]) == {victim.id}
            self.where[victim.id] = "ready"
            self.attempts[victim.id] += 1
        else:
            self.hand_back([victim], [])
        self.claim(queue=victim.queue, limit=len(self.where), worker=another)
        self.say_too_late(victim)

    @precondition(lambda self: "scheduled" in self.where.values())
    @rule()
    def promote(self) -> None:
        self.tx.execute("UPDATE forecourt.scheduled SET run_at = now() - interval '1 second'")
        moved = scheduled.promote(self.tx)
        assert moved == sum(where == "scheduled" for where in self.where.values())
        for id, where in self.where.items():
            if where == "scheduled":
                self.where[id] = "ready"

    @rule(queue=QUEUES, paused=st.sampled_from([True, False, False]))
    def pause_or_resume(self, queue: str, paused: bool) -> None:
        if paused:
            pauses.pause(self.tx, "queue", queue, until=None, who="model", why="")
            self.paused.add(queue)
        else:
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
        rows = self.tx.execute(WHERE).fetchall()
        found = {id: (table, attempts) for table, id, attempts in rows}
        assert found == {id: (table, self.attempts[id]) for id, table in self.where.items()}
        assert len(rows) == len(found), "a call is in two tables"

    def expect(self, transition: Transition) -> None:
        """What this transition on a call that is still held must lead to."""
        match transition:
            case Ended(id=id):
                self.where[id] = "done"
                self.attempts[id] += 1
            case Failed(id=id, counted=counted):
                self.where[id] = "failed"
                self.attempts[id] += counted
            case Postponed(id=id, counted=counted):
                self.where[id] = "scheduled"
                self.attempts[id] += counted
        assert self.attempts[transition.id] <= TRIES

    def write(self, transitions: Sequence[Transition]) -> set[int]:
        """As a slot writes them. Returns the ids of the calls that were still held."""
        ends = [transition for transition in transitions if isinstance(transition, Ended | Failed)]
        return end(self.tx, ends) | running.postpone(self.tx, [v for v in transitions if isinstance(v, Postponed)])

    def say_too_late(self, call: Claimed) -> None:
        """In every way there is."""
        before = self.rows()
        for outcome in OUTCOMES:
            assert not self.write([transition(call, outcome)])
        assert not running.give_back(self.tx, [(call.id, call.token)])
        running.mark_started(self.tx, [(call.id, call.token, 1.0, 2.0)])
        assert self.rows() == before

    def hand_back(self, ours: list[Claimed], late: list[Claimed]) -> None:
        claims = [(call.id, call.token) for call in (*ours, *late)]
        assert running.give_back(self.tx, claims) == {call.id for call in ours}
        for call in ours:
            self.held.remove(call)
            self.where[call.id] = "ready"
        self.stale += ours

    def rows(self) -> list[tuple[str, str]]:
        return sorted(self.tx.execute(ROWS).fetchall())


def transition(call: Claimed, outcome: Outcome) -> Transition:
    return decide(outcome, call, 0.0, Policy(), DEFAULTS)


def some_of(claims: list[Claimed], *, at_least: int = 0) -> st.SearchStrategy[list[Claimed]]:
    if not claims:
        return st.just([])
    return st.lists(st.sampled_from(claims), min_size=at_least, max_size=3, unique_by=lambda call: call.token)


@pytest.mark.timeout(300)
def test_the_store_keeps_its_promises_in_any_order(database: str) -> None:
    class OnThisDatabase(Night):
        url = database

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
