"""Counts get coarser with age, and every sum over them stays what it was."""

from datetime import timedelta

import psycopg
import pytest

from forecourt.store import coarser_minutes, minutes, performance
from forecourt.store.minutes import Tally

SUMS = """
SELECT sum(finished), sum(failed), sum(released), sum(run_seconds)::integer, sum(run_buckets[3]), sum(wait_buckets[12])
FROM forecourt.minutes
"""
BUCKETS = "{0,0,1,0,0,0,0,0,0,0,0,2}"
ENTER = f"""
INSERT INTO forecourt.minutes (minute, worker, queue, job, finished, failed, released, run_seconds, run_buckets, wait_buckets)
SELECT date_trunc('minute', now()) - n * interval '1 minute', w, 'high', 'job ' || n % 2, 5, 1, 2, 3, '{BUCKETS}', '{BUCKETS}'
FROM generate_series(0, 600) AS n, generate_series(513, 520) AS w
"""


@pytest.fixture
def tx(database: str) -> psycopg.Connection:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def rows(tx: psycopg.Connection, older: str, than: str = "100 days") -> int:
    """How many there are of an age: the newest minute is a second old, however long folding
    took.
    """
    query = """
        SELECT count(*)
        FROM forecourt.minutes
        CROSS JOIN (SELECT max(minute) + interval '1 second' AS now FROM forecourt.minutes) AS clock
        WHERE minute < now - %s::interval
          AND minute > now - %s::interval
    """
    return tx.execute(query, (older, than)).fetchone()[0]


def test_slots_become_one_and_minutes_an_hour_and_no_count_is_lost(tx: psycopg.Connection) -> None:
    tx.execute(ENTER)
    before = tx.execute(SUMS).fetchone()
    week = performance.by_job(tx, timedelta(days=7))
    while coarser_minutes.fold(tx):
        pass
    assert tx.execute(SUMS).fetchone() == before
    assert performance.by_job(tx, timedelta(days=7)) == week
    assert rows(tx, "0 s", "4 min") == 8 * 4, "what may still be counted into is left alone"
    assert rows(tx, "10 min", "6 h") == 350, "a minute is one row for each queue and job"
    assert rows(tx, "8 h 30 min") <= 2 * 3, "an hour of long ago is one row for each queue and job"


def test_a_late_count_is_added_the_next_time_and_two_who_fold_add_nothing_twice(
    tx: psycopg.Connection, database: str
) -> None:
    tx.execute(ENTER)
    before = tx.execute(SUMS).fetchone()[0]
    with psycopg.connect(database) as other, tx.transaction():
        coarser_minutes.fold(tx)
        minutes.add(other, minutes.writer(3, 1), {("high", "job 1"): Tally(finished=7)})
        other.execute("UPDATE forecourt.minutes SET minute = minute - interval '9 hours' WHERE worker = 1537")
    while coarser_minutes.fold(tx):
        pass
    assert tx.execute(SUMS).fetchone()[0] == before + 7
