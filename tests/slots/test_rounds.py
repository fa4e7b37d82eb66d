"""What a slot claims, round by round."""

import time
from collections import deque
from contextlib import closing
from dataclasses import asdict

import psycopg
import pytest

import workshop
from fleet import Looking
from forecourt.jobs.outcome import FINISHED
from forecourt.process import own
from forecourt.slots.completion import Completion
from forecourt.slots.options import WorkOptions
from forecourt.slots.rounds import HINT_LIFE, Rounds
from forecourt.store import workers


def test_a_call_that_is_committed_behind_claimed_ones_does_not_wait_for_the_backlog_to_end(
    looking: Looking, database: str
) -> None:
    number = workers.register(looking.connection, **asdict(own()), slots=1, queues=["default"], version="0", marks="")
    with (
        psycopg.connect(database) as late,
        closing(Rounds(WorkOptions(queues=("default",)), {}, number, 0, deque(), set)) as rounds,
    ):
        awaited = workshop.nothing.using(session=late).dispatch(n=0).id
        workshop.nothing.dispatch_many([{"n": n} for n in range(20)])
        claimed = rounds.round(10)
        late.commit()
        begun = time.monotonic()
        while awaited not in {call.id for call in claimed}:
            assert time.monotonic() - begun < 20 * HINT_LIFE, "it waits behind the calls that came after it"
            workshop.nothing.dispatch_many([{"n": n} for n in range(20)])
            claimed += rounds.round(10)


def test_an_end_that_waits_to_be_written_is_not_given_back_when_the_connection_is_lost(
    looking: Looking, database: str
) -> None:
    """Its row on the page may be another call's by then: it waited long, or never began."""
    number = workers.register(looking.connection, **asdict(own()), slots=1, queues=["default"], version="0", marks="")
    ended: deque[Completion] = deque()
    options = WorkOptions(queues=("default",))
    with closing(Rounds(options, {}, number, 0, ended, lambda: {done.call.token for done in ended})) as rounds:
        workshop.nothing.dispatch(n=0)
        ended.extend(Completion(call, FINISHED, 0.0) for call in rounds.round(1))
        workers.end_sessions(looking.connection, [workers.slot_name(number, 0)])
        with pytest.raises(psycopg.OperationalError):
            rounds.round(1)
        rounds.round(1)
    assert (looking.count("done"), looking.one("SELECT sum(late) FROM forecourt.minutes")) == (1, 0)
