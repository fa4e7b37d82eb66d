"""Whoever claims a thousand calls with long arguments holds none of them."""

import os
import resource

import psycopg

from fleet import Looking, claim
from forecourt.store import ready

# A megabyte of one letter is stored in a hundredth of that, and thirty are not.
MANY = """
INSERT INTO forecourt.ready (id, job, queue, priority, args)
SELECT nextval('forecourt.call_ids'), 'nothing', 'default', 0, jsonb_build_object('text', repeat('x', size))
FROM (SELECT 1200000 FROM generate_series(1, 200) UNION ALL SELECT 30000000 FROM generate_series(1, 3)) AS given(size)
"""


def test_a_claim_of_long_arguments_takes_no_room(looking: Looking, database: str) -> None:
    """In a process of its own, whose greatest size is nobody else's."""
    looking.connection.execute(MANY)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        with psycopg.connect(database) as tx:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            claimed = claim(tx, limit=203)
            held = ready.held_by(tx, 1, 0)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(writing, f"{len(claimed)} {len(held)} {grown}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    claimed_, held_, kilobytes = map(int, os.read(reading, 100).split())
    assert (claimed_, held_) == (203, 203)
    assert kilobytes < 20_000
    [(text, _, _)] = ready.whole(looking.connection, [looking.one("SELECT max(id) FROM forecourt.running")]).values()
    assert len(text) > 30_000_000, "whoever needs it reads it"
