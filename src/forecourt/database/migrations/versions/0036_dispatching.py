"""SQL's dispatch loses no call that ends meanwhile, and refuses what Python's refuses."""

from forecourt.database.schema import run

revision = "0036"
down_revision = "0028"
branch_labels = None
depends_on = None

UP = """
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
                job, quote_literal(parameter.key), parameter.type,
                CASE
                    WHEN definition.policy -> 'mask' ? parameter.key THEN '"•••"'
                    ELSE left((args -> parameter.key)::text, 80)
                END
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END LOOP;
    IF queue = '' OR length(queue) > 200 OR queue ~ '[,[:cntrl:]]' THEN
        RAISE EXCEPTION 'queue: % is not a name (printable, without commas, at most 200 characters)',
            quote_literal(left(queue, 200))
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF extract(epoch FROM delay) > 3155760000 THEN
        RAISE EXCEPTION '%: a delay of % is more than a hundred years', job, delay
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF extract(epoch FROM delay) >= (definition.policy ->> 'retry_until')::double precision THEN
        RAISE EXCEPTION '%: a delay of % is not shorter than its retry_until of % s, so it would expire before it began',
            job, delay, definition.policy ->> 'retry_until'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF definition.policy -> 'unique' <> 'null' THEN
        SELECT coalesce(jsonb_object_agg(key, value -> 'default') FILTER (WHERE value ? 'default'), '{}') INTO defaults
        FROM jsonb_each(definition.parameters);
        wanted := forecourt.unique_key(job, defaults || args, definition.policy -> 'unique');
        LOOP
            call_id := forecourt.take_unique(wanted, (definition.policy ->> 'unique_for')::double precision);
            EXIT WHEN call_id IS NOT NULL;
            SELECT u.call_id INTO call_id FROM forecourt.uniques u WHERE u.key = wanted;
            IF FOUND THEN
                RETURN call_id;
            END IF;
            -- It ended between the two statements: the key is free now.
        END LOOP;
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


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
