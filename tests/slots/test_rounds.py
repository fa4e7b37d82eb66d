"""What a slot claims, round by round."""

import time
from collections import deque
from contextlib import closing
from dataclasses import asdict

import psycopg

import workshop
from fleet import Looking
from forecourt.process import own
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
