"""The least that a job with one UPDATE and an exactly-once end must commit: the UPDATE, and a
claimed row that moves to done.

Nothing is claimed, nothing is executed by name, nobody watches: each process works through rows
that are its own.
"""

import multiprocessing
import time

import psycopg

MAKE = """
DROP TABLE IF EXISTS bare_running, bare_done;
CREATE TABLE bare_running (id bigint PRIMARY KEY, job text NOT NULL, args jsonb NOT NULL);
CREATE TABLE bare_done (
    id          bigint      NOT NULL,
    job         text        NOT NULL,
    args        jsonb       NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

FILL = """
INSERT INTO bare_running
SELECT n, 'update', jsonb_build_object('listing_id', n)
FROM generate_series(1, %s) AS n
"""

# A process takes its time to end: the last row says when the work was done.
ENDED = "SELECT count(*), extract(epoch FROM max(finished_at))::float8 FROM bare_done"

UPDATE = "UPDATE car_listings SET views_count = views_count + 1 WHERE id = %s"

FINISH = """
WITH gone AS (
    DELETE FROM bare_running
    WHERE id = %s
    RETURNING id, job, args
)
INSERT INTO bare_done (id, job, args)
SELECT id, job, args
FROM gone
"""


def rate(url: str, calls: int, processes: int, listings: int) -> float:
    """Transactions a second of so many processes, all at once, on the listings of this database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MAKE.encode())
        connection.execute(FILL, (calls,))
        connection.execute("VACUUM ANALYZE bare_running")
        connection.execute("CHECKPOINT")
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes + 1)
    workers = [
        context.Process(target=_work, args=(url, range(1 + n, calls + 1, processes), listings, start))
        for n in range(processes)
    ]
    for worker in workers:
        worker.start()
    start.wait(60)
    begun = time.time()
    for worker in workers:
        worker.join()
    with psycopg.connect(url) as connection:
        done, ended = connection.execute(ENDED).fetchall()[0]
    assert done == calls, f"{done} of {calls} rows"
    return float(calls / max(ended - begun, 1e-3))


def _work(url: str, ids: range, listings: int, start: "multiprocessing.synchronize.Barrier") -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1")
        connection.commit()
        start.wait(60)
        for id in ids:
            connection.execute(UPDATE, (1 + id % listings,))
            connection.execute(FINISH, (id,))
            connection.commit()
