"""Keys of any length, charges that can be given back, batches that grow without a lock, histories
that lose no count.
"""

from forecourt.database.schema import run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UP = """
-- An index row holds 2,700 bytes. A longer key keeps its beginning, for people, and is told apart by its hash.
CREATE FUNCTION forecourt.short_key(key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN octet_length(key) <= 500 THEN key
    ELSE left(key, 80) || '… sha256:' || encode(sha256(convert_to(key, 'UTF8')), 'hex')
END
$$;

CREATE OR REPLACE FUNCTION forecourt.unique_key(job text, args jsonb, names jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT forecourt.short_key(job || ' ' || CASE
    WHEN names = '[]' THEN args
    ELSE (SELECT jsonb_object_agg(name, args -> name) FROM jsonb_array_elements_text(names) AS n(name))
END::text)
$$;

UPDATE forecourt.uniques SET key = forecourt.short_key(key) WHERE octet_length(key) > 500;
UPDATE forecourt.ready SET unique_key = forecourt.short_key(unique_key) WHERE octet_length(unique_key) > 500;
UPDATE forecourt.scheduled SET unique_key = forecourt.short_key(unique_key) WHERE octet_length(unique_key) > 500;
UPDATE forecourt.running SET unique_key = forecourt.short_key(unique_key) WHERE octet_length(unique_key) > 500;
UPDATE forecourt.failed SET unique_key = forecourt.short_key(unique_key) WHERE octet_length(unique_key) > 500;
UPDATE forecourt.scheduled SET limit_key = forecourt.short_key(limit_key) WHERE octet_length(limit_key) > 500;
UPDATE forecourt.holds SET key = forecourt.short_key(key) WHERE octet_length(key) > 500;
UPDATE forecourt.rates SET key = forecourt.short_key(key) WHERE octet_length(key) > 500;

-- Take a unique key for a new call. NULL when a live call, or one entered not long ago, has it; its row is then not locked, so
-- that a duplicate in a long transaction keeps nobody from ending that call.
CREATE OR REPLACE FUNCTION forecourt.take_unique(wanted text, seconds double precision) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    new_id bigint      := nextval('forecourt.call_ids');
    ending timestamptz := coalesce(now() + make_interval(secs => seconds), 'infinity');
BEGIN
    INSERT INTO forecourt.uniques (key, call_id, until)
    VALUES (wanted, new_id, ending)
    ON CONFLICT (key) DO NOTHING;
    IF NOT FOUND THEN
        UPDATE forecourt.uniques
        SET call_id = new_id, until = ending
        WHERE key = wanted AND until <= now();
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN new_id;
END
$$;
-- For the pruner: the keys that end by themselves.
CREATE INDEX uniques_ending ON forecourt.uniques (until) WHERE until < 'infinity';

-- A claim that counts against a limit, or (with the end of its window) one that was charged to a rate. The token is part of the
-- key: what is left of an earlier claim of the same call is another row.
ALTER TABLE forecourt.holds
    ADD COLUMN ends_at timestamptz,
    DROP CONSTRAINT holds_pkey,
    ADD PRIMARY KEY (call_id, token, key);

-- Calls that were added to a batch and are not counted in yet. Adding must not lock the batch's row: the transaction that adds
-- may be a long job's, and every other call of the batch would wait for it with its end.
CREATE TABLE forecourt.batch_growths (
    id       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id bigint  NOT NULL,
    more     integer NOT NULL
);
CREATE INDEX batch_growths_by_batch ON forecourt.batch_growths (batch_id);

-- How many exceptions an entry of a history stands for.
CREATE FUNCTION forecourt.errors_of(entry jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE entry ->> 'outcome'
    WHEN 'Raised' THEN 1
    WHEN 'Earlier' THEN (entry ->> 'errors')::integer
    ELSE 0
END
$$;

-- A call's history with one more entry, unless it says the same already. The oldest of more than 100 become one that counts them;
-- `errors` are those since the call was last retried by hand.
CREATE OR REPLACE FUNCTION forecourt.remember(history jsonb, incident jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN history @> incident THEN history
    WHEN jsonb_array_length(history) < 100 THEN history || incident
    ELSE jsonb_build_object(
             'outcome', 'Earlier',
             'entries', coalesce((history -> 0 ->> 'entries')::integer, 1) + 1,
             'errors', forecourt.errors_of(history -> 1)
                       + CASE WHEN history -> 1 ->> 'outcome' = 'Retried' THEN 0 ELSE forecourt.errors_of(history -> 0) END
         ) || (history - 0 - 0) || incident
END
$$;

-- How many of a call's attempts ended by an exception since it was last retried by hand.
CREATE OR REPLACE FUNCTION forecourt.count_errors(history jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT coalesce(sum(forecourt.errors_of(entry)) FILTER (WHERE n > begun), 0)::integer
FROM (
    SELECT entry, n, coalesce(max(n) FILTER (WHERE entry ->> 'outcome' = 'Retried') OVER (), 0) AS begun
    FROM jsonb_array_elements(history) WITH ORDINALITY AS h(entry, n)
) AS entries
$$;

-- How many interruptions in a row are the last that happened to a call.
CREATE FUNCTION forecourt.interruptions(history jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT jsonb_array_length(history) - coalesce(max(n) FILTER (WHERE entry ->> 'outcome' <> 'Interrupted'), 0)::integer
FROM jsonb_array_elements(history) WITH ORDINALITY AS h(entry, n)
$$;

-- For how many seconds no worker that claimed a call has known its job; NULL when it was always known.
CREATE FUNCTION forecourt.unknown_for(history jsonb) RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT date_part('epoch', now() - min((entry ->> 'at')::timestamptz) FILTER (WHERE entry ->> 'outcome' = 'Unknown' AND n > begun))
FROM (
    SELECT entry, n, coalesce(max(n) FILTER (WHERE entry ->> 'outcome' = 'Retried') OVER (), 0) AS begun
    FROM jsonb_array_elements(history) WITH ORDINALITY AS h(entry, n)
) AS entries
$$;

-- Dispatch from any language: select forecourt.dispatch('increment_views_count', '{"listing_id": 42}');
-- The call becomes visible when the caller's transaction commits. Returns the call's id; of a unique job that has such a call
-- already, that one's.
CREATE OR REPLACE FUNCTION forecourt.dispatch(
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
    defaults   jsonb;
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
    IF extract(epoch FROM delay) >= (definition.policy ->> 'retry_until')::double precision THEN
        RAISE EXCEPTION '%: a delay of % is not shorter than its retry_until of % s, so it would expire before it began',
            job, delay, definition.policy ->> 'retry_until'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF definition.policy -> 'unique' <> 'null' THEN
        SELECT coalesce(jsonb_object_agg(key, value -> 'default') FILTER (WHERE value ? 'default'), '{}') INTO defaults
        FROM jsonb_each(definition.parameters);
        wanted := forecourt.unique_key(job, defaults || args, definition.policy -> 'unique');
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

# `dispatch` stays as it is: it asks the functions below, whichever they are.
DOWN = """
DROP TABLE forecourt.batch_growths;
DELETE FROM forecourt.holds WHERE ends_at IS NOT NULL;
DELETE FROM forecourt.holds AS h
WHERE NOT EXISTS (SELECT FROM forecourt.running AS r WHERE r.id = h.call_id AND r.token = h.token);
ALTER TABLE forecourt.holds
    DROP COLUMN ends_at,
    DROP CONSTRAINT holds_pkey,
    ADD PRIMARY KEY (call_id);
DROP INDEX forecourt.uniques_ending;
CREATE OR REPLACE FUNCTION forecourt.unique_key(job text, args jsonb, names jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT job || ' ' || CASE
    WHEN names = '[]' THEN args
    ELSE (SELECT jsonb_object_agg(name, args -> name) FROM jsonb_array_elements_text(names) AS n(name))
END::text
$$;
CREATE OR REPLACE FUNCTION forecourt.take_unique(wanted text, seconds double precision) RETURNS bigint
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
CREATE OR REPLACE FUNCTION forecourt.remember(history jsonb, incident jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN history @> incident THEN history
    WHEN jsonb_array_length(history) >= 100 THEN (history - 0) || incident
    ELSE history || incident
END
$$;
CREATE OR REPLACE FUNCTION forecourt.count_errors(history jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT count(*)::integer FROM jsonb_array_elements(history) AS h(entry) WHERE entry ->> 'outcome' = 'Raised' $$;

-- Tells idle workers of new calls. An idle worker holds the queue's advisory lock in shared mode: whoever can take it
-- exclusively knows that nobody waits, and saves the notification (each costs a lock on the whole cluster at commit).
CREATE OR REPLACE FUNCTION forecourt.wake(queue text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(1718579829, hashtext(queue)) THEN
        PERFORM pg_notify('forecourt_ready', queue);
    END IF;
END
$$;
DROP FUNCTION forecourt.unknown_for, forecourt.interruptions, forecourt.errors_of, forecourt.short_key;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
