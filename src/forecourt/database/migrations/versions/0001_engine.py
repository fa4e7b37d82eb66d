"""The engine: calls, workers, the schedule, and what an operator reads.

A call is a row in exactly one of ready, scheduled, running, done and failed; a transition moves the
row. Column order packs the fixed widths first. Only what a query needs is indexed: every further
index is paid for at each transition.
"""

from forecourt.database.schema import run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = """
CREATE SEQUENCE forecourt.call_ids;
CREATE SEQUENCE forecourt.run_tokens;

CREATE TABLE forecourt.ready (
    id          bigint      PRIMARY KEY DEFAULT nextval('forecourt.call_ids'),
    batch_id    bigint,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ready_at    timestamptz NOT NULL DEFAULT now(),
    priority    smallint    NOT NULL DEFAULT 0,
    attempts    smallint    NOT NULL DEFAULT 0,
    uuid        uuid        NOT NULL DEFAULT gen_random_uuid(),
    job         text        NOT NULL,
    queue       text        NOT NULL,
    args        jsonb       NOT NULL DEFAULT '{}',
    options     jsonb       NOT NULL DEFAULT '{}',
    history     jsonb       NOT NULL DEFAULT '[]',
    unique_key  text,
    trace       text
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05, vacuum_truncate = off
);
-- The claim's one index: exactly its ORDER BY, and nothing outside it to filter on.
CREATE INDEX ready_claim ON forecourt.ready (queue, priority, id);

CREATE TABLE forecourt.scheduled (
    LIKE forecourt.ready INCLUDING DEFAULTS,
    run_at      timestamptz NOT NULL,
    limit_key   text,
    PRIMARY KEY (id)
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05, vacuum_truncate = off
);
CREATE INDEX scheduled_due ON forecourt.scheduled (run_at, id);
-- Calls that wait for a place in a concurrency limit.
CREATE INDEX scheduled_limited ON forecourt.scheduled (limit_key, id) WHERE limit_key IS NOT NULL;

-- Primary key only: any other index here would tempt the planner into walking entries that are long dead.
CREATE TABLE forecourt.running (
    LIKE forecourt.ready INCLUDING DEFAULTS,
    token       bigint      NOT NULL,
    worker      bigint      NOT NULL,
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    deadline    timestamptz,
    PRIMARY KEY (id)
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05, vacuum_truncate = off
);

CREATE TABLE forecourt.done (
    id          bigint      NOT NULL,
    batch_id    bigint,
    worker      bigint,
    created_at  timestamptz NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts    smallint    NOT NULL,
    uuid        uuid        NOT NULL,
    outcome     text        NOT NULL,
    job         text        NOT NULL,
    queue       text        NOT NULL,
    args        jsonb       NOT NULL,
    history     jsonb       NOT NULL,
    result      jsonb,
    trace       text,
    PRIMARY KEY (id, finished_at)
) PARTITION BY RANGE (finished_at);
CREATE TABLE forecourt.done_rest PARTITION OF forecourt.done DEFAULT;

CREATE TABLE forecourt.failed (
    LIKE forecourt.ready INCLUDING DEFAULTS,
    failed_at   timestamptz NOT NULL DEFAULT now(),
    worker      bigint,
    error       text        NOT NULL,
    message     text        NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX failed_by_time ON forecourt.failed (failed_at, id);
CREATE INDEX failed_by_queue ON forecourt.failed (queue, failed_at, id);

CREATE TABLE forecourt.workers (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host        text        NOT NULL,
    boot        text        NOT NULL,
    pid         integer     NOT NULL,
    pid_started text        NOT NULL,
    slots       integer     NOT NULL,
    busy        integer     NOT NULL DEFAULT 0,
    queues      text[]      NOT NULL,
    version     text        NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    beat_at     timestamptz NOT NULL DEFAULT now(),
    marks       text        NOT NULL,
    stopping    boolean     NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- What an operator has halted: a queue, a task, a group of tasks, or the whole schedule (its name is empty).
CREATE TABLE forecourt.pauses (
    kind  text        NOT NULL CHECK (kind IN ('queue', 'task', 'group', 'schedule')),
    name  text        NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    until timestamptz,
    who   text        NOT NULL,
    why   text        NOT NULL DEFAULT '',
    PRIMARY KEY (kind, name)
);

CREATE TABLE forecourt.job_definitions (
    name        text        PRIMARY KEY,
    queue       text        NOT NULL,
    priority    smallint    NOT NULL,
    parameters  jsonb       NOT NULL,
    policy      jsonb       NOT NULL,
    declared_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE forecourt.tasks (
    name            text        PRIMARY KEY,
    fingerprint     text        NOT NULL,
    evaluated_until timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE forecourt.ticks (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id     bigint,
    due_at      timestamptz NOT NULL,
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    finished_at timestamptz,
    task        text        NOT NULL,
    host        text        NOT NULL DEFAULT '',
    status      text        NOT NULL CHECK (status IN ('enqueued', 'succeeded', 'failed', 'skipped', 'missed', 'cancelled')),
    why         text,
    output      jsonb,
    UNIQUE (task, due_at, host)
);
CREATE INDEX ticks_open ON forecourt.ticks (call_id) WHERE finished_at IS NULL;

CREATE TABLE forecourt.batches (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at     timestamptz NOT NULL DEFAULT now(),
    cancelled_at   timestamptz,
    finished_at    timestamptz,
    total          integer     NOT NULL,
    pending        integer     NOT NULL,
    failed         integer     NOT NULL DEFAULT 0,
    cancelled      integer     NOT NULL DEFAULT 0,
    allow_failures boolean     NOT NULL,
    name           text        NOT NULL,
    on_success     jsonb,
    on_failure     jsonb,
    at_last        jsonb
) WITH (fillfactor = 50);

-- Claims that count against a concurrency limit, each for as long as its call runs under the same token.
CREATE TABLE forecourt.holds (
    call_id bigint      PRIMARY KEY,
    token   bigint      NOT NULL,
    key     text        NOT NULL
);
CREATE INDEX holds_by_key ON forecourt.holds (key);

-- How many calls began in the current window of a rate.
CREATE TABLE forecourt.rates (
    key     text        PRIMARY KEY,
    used    integer     NOT NULL,
    ends_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The keys of unique calls: while the call lives (until infinity), or for a time. Whoever cannot insert has a duplicate.
CREATE TABLE forecourt.uniques (
    key     text        PRIMARY KEY,
    call_id bigint      NOT NULL,
    until   timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Calls that an operator wants ended; the worker that runs one kills its slot.
CREATE TABLE forecourt.cancellations (
    call_id bigint      PRIMARY KEY,
    who     text        NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);

-- How far running calls say that they are. Worth nothing after a crash, so it is not logged.
CREATE UNLOGGED TABLE forecourt.progress (
    call_id bigint      PRIMARY KEY,
    done    double precision NOT NULL,
    total   double precision,
    words   text        NOT NULL DEFAULT '',
    at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Wishes to the whole fleet: workers that started before `restart` end in order.
CREATE TABLE forecourt.wishes (
    name text        PRIMARY KEY,
    at   timestamptz NOT NULL DEFAULT now()
);

-- Counts a minute, queue and job, a row a worker so that no two workers wait for each other. Bounds of the histograms:
-- 10 ms, 50 ms, 100 ms, 500 ms, 1 s, 5 s, 15 s, 60 s, 300 s, 900 s, 3600 s, and above.
CREATE TABLE forecourt.minutes (
    minute       timestamptz NOT NULL,
    worker       bigint      NOT NULL,
    queue        text        NOT NULL,
    job          text        NOT NULL,
    finished     bigint      NOT NULL DEFAULT 0,
    discarded    bigint      NOT NULL DEFAULT 0,
    retried      bigint      NOT NULL DEFAULT 0,
    failed       bigint      NOT NULL DEFAULT 0,
    released     bigint      NOT NULL DEFAULT 0,
    late         bigint      NOT NULL DEFAULT 0,
    run_seconds  double precision NOT NULL DEFAULT 0,
    wait_seconds double precision NOT NULL DEFAULT 0,
    run_buckets  bigint[]    NOT NULL,
    wait_buckets bigint[]    NOT NULL,
    PRIMARY KEY (minute, queue, job, worker)
) WITH (fillfactor = 50);

CREATE TABLE forecourt.audit (
    id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    who    text        NOT NULL,
    action text        NOT NULL,
    target jsonb       NOT NULL,
    count  bigint
);

CREATE FUNCTION forecourt.add_buckets(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT array_agg(x + y ORDER BY n) FROM unnest(a, b) WITH ORDINALITY AS pair(x, y, n) $$;

-- A call's history with one more entry, unless it says the same already; the oldest of more than 100 entries goes.
CREATE FUNCTION forecourt.remember(history jsonb, incident jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN history @> incident THEN history
    WHEN jsonb_array_length(history) >= 100 THEN (history - 0) || incident
    ELSE history || incident
END
$$;

-- How many of a call's attempts ended by an exception.
CREATE FUNCTION forecourt.count_errors(history jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT count(*)::integer FROM jsonb_array_elements(history) AS h(entry) WHERE entry ->> 'outcome' = 'Raised' $$;

-- Tells idle workers of new calls. An idle worker holds the queue's advisory lock in shared mode: whoever can take it
-- exclusively knows that nobody waits, and saves the notification (each costs a lock on the whole cluster at commit).
CREATE FUNCTION forecourt.wake(queue text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(1718579829, hashtext(queue)) THEN
        PERFORM pg_notify('forecourt_ready', queue);
    END IF;
END
$$;

-- What makes a call unique: its job and these arguments, or all of them when no names are given.
CREATE FUNCTION forecourt.unique_key(job text, args jsonb, names jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT job || ' ' || CASE
    WHEN names = '[]' THEN args
    ELSE (SELECT jsonb_object_agg(name, args -> name) FROM jsonb_array_elements_text(names) AS n(name))
END::text
$$;

-- Take a unique key for a new call. NULL when a live call, or one entered not long ago, has it.
CREATE FUNCTION forecourt.take_unique(wanted text, seconds double precision) RETURNS bigint
LANGUAGE sql
AS $$
INSERT INTO forecourt.uniques AS u (key, call_id, until)
VALUES (wanted, nextval('forecourt.call_ids'), coalesce(now() + make_interval(secs => seconds), 'infinity'))
ON CONFLICT (key) DO UPDATE
SET call_id = excluded.call_id,
    until = excluded.until
WHERE u.until <= now()
RETURNING call_id
$$;

-- Whether a JSON value fits a declared JSON type; an unknown type name accepts anything and leaves the check to the worker.
CREATE FUNCTION forecourt.fits(value jsonb, type text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE type
    WHEN 'integer' THEN jsonb_typeof(value) = 'number' AND value::text !~ '[.eE]'
    WHEN 'number'  THEN jsonb_typeof(value) = 'number'
    WHEN 'string'  THEN jsonb_typeof(value) = 'string'
    WHEN 'boolean' THEN jsonb_typeof(value) = 'boolean'
    WHEN 'array'   THEN jsonb_typeof(value) = 'array'
    WHEN 'object'  THEN jsonb_typeof(value) = 'object'
    ELSE true
END
$$;

-- Dispatch from any language: select forecourt.dispatch('increment_views_count', '{"listing_id": 42}');
-- The call becomes visible when the caller's transaction commits. Returns the call's id; of a unique job that has such a call
-- already, that one's.
CREATE FUNCTION forecourt.dispatch(
    job text, args jsonb DEFAULT '{}', delay interval DEFAULT NULL, queue text DEFAULT NULL, priority smallint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    definition forecourt.job_definitions;
    parameter  record;
    wrong      text;
    call_id    bigint;
    wanted     text;
BEGIN
    SELECT * INTO definition FROM forecourt.job_definitions d WHERE d.name = dispatch.job;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no job is named %', quote_literal(dispatch.job)
            USING ERRCODE = 'undefined_object',
                  HINT = 'A worker declares its jobs when it starts. Declared: ' || coalesce(
                      (SELECT string_agg(d.name, ', ' ORDER BY d.name) FROM forecourt.job_definitions d), 'none');
    END IF;
    IF jsonb_typeof(args) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION '%: arguments must be a JSON object, such as {"listing_id": 42}', job
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF octet_length(args::text) > 33554432 THEN
        RAISE EXCEPTION '%: % bytes of arguments, at most 33554432 are accepted', job, octet_length(args::text)
            USING ERRCODE = 'program_limit_exceeded';
    END IF;
    SELECT string_agg(quote_literal(given.name), ', ') INTO wrong
    FROM jsonb_object_keys(args) AS given(name)
    WHERE NOT definition.parameters ? given.name;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%: no such argument: %', job, wrong
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It takes ' || definition.parameters::text;
    END IF;
    FOR parameter IN SELECT key, value ->> 'type' AS type, (value ->> 'required')::boolean AS required
                     FROM jsonb_each(definition.parameters)
    LOOP
        IF NOT args ? parameter.key THEN
            IF parameter.required THEN
                RAISE EXCEPTION '%: argument % is missing', job, quote_literal(parameter.key)
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
        ELSIF NOT forecourt.fits(args -> parameter.key, parameter.type) THEN
            RAISE EXCEPTION '%: argument % must be of type %, not %',
                job, quote_literal(parameter.key), parameter.type, args -> parameter.key
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END LOOP;
    IF definition.policy -> 'unique' <> 'null' THEN
        wanted := forecourt.unique_key(job, args, definition.policy -> 'unique');
        call_id := forecourt.take_unique(wanted, (definition.policy ->> 'unique_for')::double precision);
        IF call_id IS NULL THEN
            RETURN (SELECT u.call_id FROM forecourt.uniques u WHERE u.key = wanted);
        END IF;
    ELSE
        call_id := nextval('forecourt.call_ids');
    END IF;
    IF delay > interval '0' THEN
        INSERT INTO forecourt.scheduled (id, job, queue, priority, args, unique_key, run_at)
        VALUES (call_id, job, coalesce(queue, definition.queue), coalesce(priority, definition.priority), args, wanted,
                now() + delay);
    ELSE
        INSERT INTO forecourt.ready (id, job, queue, priority, args, unique_key)
        VALUES (call_id, job, coalesce(queue, definition.queue), coalesce(priority, definition.priority), args, wanted);
        PERFORM forecourt.wake(coalesce(queue, definition.queue));
    END IF;
    RETURN call_id;
END
$$;
"""

DOWN = """
DROP FUNCTION forecourt.dispatch, forecourt.take_unique, forecourt.unique_key, forecourt.count_errors, forecourt.remember,
    forecourt.fits, forecourt.wake, forecourt.add_buckets;
DROP TABLE forecourt.holds, forecourt.rates, forecourt.batches, forecourt.wishes, forecourt.progress, forecourt.cancellations,
    forecourt.uniques, forecourt.audit, forecourt.minutes, forecourt.ticks, forecourt.tasks, forecourt.job_definitions,
    forecourt.pauses, forecourt.workers, forecourt.failed, forecourt.done, forecourt.running, forecourt.scheduled,
    forecourt.ready;
DROP SEQUENCE forecourt.run_tokens, forecourt.call_ids;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
