"""A call's end is a function, so that it can travel with the commit of the call's effects in one
message, and somebody may wait for it."""

from forecourt.database.schema import run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UP = """
-- Calls for whose end somebody waits, who is told of it. Only to be quicker: they look by themselves as well, so nothing is lost
-- with the table in a crash.
CREATE UNLOGGED TABLE forecourt.awaited (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id bigint      NOT NULL,
    until   timestamptz NOT NULL
);
CREATE INDEX awaited_by_call ON forecourt.awaited (call_id);

CREATE FUNCTION forecourt.tell_of_ends(ids bigint[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (SELECT FROM forecourt.awaited) THEN
        PERFORM pg_notify('forecourt_ended', ended.call_id::text)
        FROM (SELECT DISTINCT call_id FROM forecourt.awaited WHERE call_id = ANY (ids)) AS ended;
    END IF;
END
$$;

-- running → done for the calls that are still held under these tokens; returns their ids. The ids come in rising order, so that
-- width_bucket, a binary search, finds a row's place in them. What there is to tell of a call beside its seconds is seldom, so it
-- travels as one JSON object by id. By clock_timestamp(), since now() is when the transaction began: for a job with a session,
-- before it ran. The plan goes by the primary key, whatever was believed of the table when it was made, and is made once.
CREATE FUNCTION forecourt.finish(ids bigint[], tokens bigint[], seconds float8[], told jsonb) RETURNS bigint[]
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
    finished bigint[];
BEGIN
    WITH gone AS (
        DELETE FROM forecourt.running AS r
        WHERE r.id = ANY (ids)
          AND r.token = tokens[width_bucket(r.id, ids)]
        RETURNING r.*
    ), freed AS (
        DELETE FROM forecourt.uniques AS u
        USING gone AS g
        WHERE u.key = g.unique_key AND u.call_id = g.id AND u.until = 'infinity'
    ), kept AS (
        INSERT INTO forecourt.done (
            id, batch_id, worker, created_at, started_at, attempts, outcome, job, queue, args, history, result, trace
        )
        SELECT g.id, g.batch_id, g.worker, g.created_at,
               clock_timestamp() - make_interval(secs => seconds[width_bucket(g.id, ids)]),
               least(g.attempts + 1, 32767), coalesce(of_call.more ->> 'outcome', 'finished'), g.job, g.queue,
               CASE WHEN pg_column_size(g.args) <= 16384 THEN g.args ELSE forecourt.short_of(g.args) END,
               CASE
                   WHEN of_call.more -> 'incident' IS NULL THEN g.history
                   ELSE forecourt.remember(g.history, of_call.more -> 'incident')
               END,
               of_call.more -> 'result', g.trace
        FROM gone AS g
        CROSS JOIN LATERAL (SELECT told -> g.id::text) AS of_call(more)
        RETURNING id
    )
    SELECT coalesce(array_agg(id), '{}')
    INTO finished
    FROM kept;
    PERFORM forecourt.tell_of_ends(finished);
    RETURN finished;
END
$$;

-- The same in the transaction of their effects, which bears this mark; or an error, so that nothing behind it in the message is
-- executed. Their codes are known to forecourt.store.running.
CREATE FUNCTION forecourt.finish_within(mark text, ids bigint[], tokens bigint[], seconds float8[], told jsonb) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF current_setting('forecourt.attempt', true) IS DISTINCT FROM mark THEN
        RAISE EXCEPTION 'the transaction is not the one that was begun for the call' USING ERRCODE = 'YF001';
    END IF;
    IF cardinality(forecourt.finish(ids, tokens, seconds, told)) < cardinality(ids) THEN
        RAISE EXCEPTION 'the call is no longer held by whoever ends it' USING ERRCODE = 'YF002';
    END IF;
END
$$;
"""

DOWN = """
DROP FUNCTION forecourt.finish_within;
DROP FUNCTION forecourt.finish;
DROP FUNCTION forecourt.tell_of_ends;
DROP TABLE forecourt.awaited;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
