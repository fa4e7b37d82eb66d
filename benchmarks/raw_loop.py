"""The peer of every queue on PostgreSQL: a bare loop in SQL that claims 100 rows and then deletes
them, and executes nothing.
"""

import multiprocessing
import time

import psycopg

BATCH = 100

MAKE = """
DROP TABLE IF EXISTS raw_calls;
CREATE TABLE raw_calls (id bigserial PRIMARY KEY, queue text NOT NULL, args jsonb NOT NULL, state smallint NOT NULL DEFAULT 0);
CREATE INDEX raw_ready ON raw_calls (queue, id) WHERE state = 0;
"""

FILL = (
    "INSERT INTO raw_calls (queue, args) SELECT 'default', jsonb_build_object('n', n) FROM generate_series(1, %s) AS n"
)

CLAIM = """
WITH pick AS (
    SELECT id FROM raw_calls WHERE queue = 'default' AND state = 0 ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE raw_calls SET state = 1 WHERE id = ANY (ARRAY(SELECT id FROM pick)) RETURNING id
"""


def rate(url: str, calls: int, processes: int) -> float:
    """Calls a second that so many processes get through."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MAKE.encode())
        connection.execute(FILL, (calls,))
        connection.execute("ANALYZE raw_calls")
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(_ready, range(processes))
        begun = time.perf_counter()
        done = sum(pool.map(_drain, [url] * processes, chunksize=1))
        seconds = time.perf_counter() - begun
    assert done == calls, f"{done} of {calls} rows"
    return calls / seconds


def _ready(_: int) -> None:
    time.sleep(0.05)


def _drain(url: str) -> int:
    done = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while ids := [row[0] for row in connection.execute(CLAIM, (BATCH,))]:
            connection.execute("DELETE FROM raw_calls WHERE id = ANY (%s)", (ids,))
            done += len(ids)
    return done
