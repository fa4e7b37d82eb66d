"""One call's end, without what a statement for many costs to begin."""

from forecourt.database.schema import run

revision = "0028"
down_revision = "0025"
branch_labels = None
depends_on = None

UP = """
-- running → done for the calls that are still held under these tokens; returns their ids. The ids come in rising order, so that
-- width_bucket, a binary search, finds a row's place in them. A call with a session ends by itself, with its effects: for one row a
-- statement with three tables in it costs more to begin than all that it does, so that one goes step by step. The plans go by the
-- primary key, whatever was believed of the table when they were made, and are made once.
CREATE OR REPLACE FUNCTION forecourt.finish(ids bigint[], tokens bigint[], seconds float8[], told jsonb) RETURNS bigint[]
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
    finished bigint[];
    one      forecourt.running;
    more     jsonb;
BEGIN
    IF cardinality(ids) = 1 THEN
        DELETE FROM forecourt.running AS r
        WHERE r.id = ids[1]
          AND r.token = tokens[1]
        RETURNING r.* INTO one;
        IF NOT FOUND THEN
            RETURN '{}';
        END IF;
        more := told -> one.id::text;
        IF one.unique_key IS NOT NULL THEN
            DELETE FROM forecourt.uniques AS u
            WHERE u.key = one.unique_key
              AND u.call_id = one.id
              AND u.until = 'infinity';
        END IF;
        INSERT INTO forecourt.done (
            id, batch_id, worker, created_at, started_at, attempts, outcome, job, queue, args, history, result, trace
        )
        VALUES (
            one.id, one.batch_id, one.worker, one.created_at, clock_timestamp() - make_interval(secs => seconds[1]),
            least(one.attempts + 1, 32767), coalesce(more ->> 'outcome', 'finished'), one.job, one.queue,
            CASE WHEN pg_column_size(one.args) <= 16384 THEN one.args ELSE forecourt.short_of(one.args) END,
            CASE
                WHEN more -> 'incident' IS NULL THEN one.history
                ELSE forecourt.remember(one.history, more -> 'incident')
            END,
            more -> 'result', one.trace
        );
        PERFORM forecourt.tell_of_ends(ids);
        RETURN ids;
    END IF;
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
"""

DOWN = """
CREATE OR REPLACE FUNCTION forecourt.finish(ids bigint[], tokens bigint[], seconds float8[], told jsonb) RETURNS bigint[]
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
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
