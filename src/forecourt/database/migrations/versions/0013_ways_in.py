"""Ways in: events by a function, photos with a preview and a hash, imports that go on where they
were broken off.
"""

from forecourt.database.schema import run_marketplace, undo_marketplace

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
MARKETPLACE = True

UP = r"""
-- As before, and twenty times as fast: a regular expression of so many words that looks behind itself costs 0.1 ms an event.
CREATE OR REPLACE FUNCTION public.seen_by(user_agent text, purpose text DEFAULT NULL) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN lower(purpose) LIKE ANY (ARRAY['%prefetch%', '%prerender%', '%preview%']) THEN 'bot'
    WHEN btrim(user_agent) = '' THEN 'bot'
    WHEN replace(lower(user_agent), 'cubot', ' ') LIKE ANY (ARRAY[
        '%bot%', '%crawl%', '%spider%', '%slurp%', '%facebookexternalhit%', '%facebookcatalog%', '%meta-externalagent%',
        '%whatsapp/%', '%skypeuripreview%', '%linkpreview%', '%embedly%', '%vkshare%', '%headless%', '%lighthouse%', '%pagespeed%',
        '%inspectiontool%', '%google-read-aloud%', '%mediapartners%', '%feedfetcher%', '%favicon%', '%scrapy%', '%phantomjs%',
        '%python-requests%', '%aiohttp%', '%httpx%', '%pingdom%', '%statuscake%', '%uptime%', '%ia\_archiver%', '%chatgpt-user%',
        '%perplexity%',
        'python%', 'curl%', 'wget%', 'go-http-client%', 'java/%', 'ruby%', 'perl%', 'libwww%', 'axios%', 'node%', 'undici%',
        'guzzle%', 'postman%', 'apache-httpclient%', 'dart%'
    ]) THEN 'bot'
    ELSE 'view'
END
$$;

-- What a program is that asks for a page, NULL for a person: `ahead` (a browser that fetches in case the page is wanted), `preview`
-- (a messenger or network that shows a link), `bot` (all others). `seen_by` says which are programs.
CREATE FUNCTION public.program_kind(user_agent text, purpose text DEFAULT NULL) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN public.seen_by(user_agent, purpose) = 'view' THEN NULL
    WHEN lower(purpose) LIKE ANY (ARRAY['%prefetch%', '%prerender%', '%preview%']) THEN 'ahead'
    WHEN lower(user_agent) LIKE ANY (ARRAY[
        '%whatsapp/%', '%telegrambot%', '%facebookexternalhit%', '%facebookcatalog%', '%twitterbot%', '%slackbot-link%',
        '%discordbot%', '%linkedinbot%', '%skypeuripreview%', '%linkpreview%', '%embedly%', '%vkshare%', '%pinterest%'
    ]) THEN 'preview'
    ELSE 'bot'
END
$$;

-- The salts of visitors' keys: today's, and tomorrow's in good time. One that is over is deleted, and then nobody, not we either,
-- can find out whose a key was.
CREATE TABLE public.visitor_salts (
    begins_at timestamptz PRIMARY KEY,
    salt      bytea       NOT NULL
);
INSERT INTO public.visitor_salts (begins_at, salt)
VALUES (date_trunc('day', now(), 'UTC'), uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE FUNCTION public.visitor_salt() RETURNS bytea
LANGUAGE plpgsql
AS $$
DECLARE
    found public.visitor_salts;
BEGIN
    SELECT * INTO found FROM public.visitor_salts WHERE begins_at <= now() ORDER BY begins_at DESC LIMIT 1;
    IF found.begins_at > now() - interval '26 hours' THEN
        RETURN found.salt;
    END IF;
    -- The job that makes them ahead, by the days of the business zone, has not run for a day.
    INSERT INTO public.visitor_salts (begins_at, salt)
    VALUES (date_trunc('day', now(), 'UTC'), uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    ON CONFLICT (begins_at) DO NOTHING;
    DELETE FROM public.visitor_salts WHERE begins_at < date_trunc('day', now(), 'UTC');
    RETURN (SELECT salt FROM public.visitor_salts WHERE begins_at <= now() ORDER BY begins_at DESC LIMIT 1);
END
$$;

-- A visitor's key: an address of fd00::/8, which nobody on the Internet has, so that it stands where an address stood and visitors
-- are counted alike. An IPv6 visitor is a /64, as providers give them out.
CREATE FUNCTION public.visitor_key(salt bytea, user_ip inet, user_agent text) RETURNS inet
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE WHEN num_nonnulls(user_ip, user_agent) > 0 THEN
    ('fd' || regexp_replace(
        substr(
            encode(sha256(salt || convert_to(coalesce(
                CASE family(user_ip) WHEN 4 THEN host(user_ip) ELSE host(network(set_masklen(user_ip, 64))) END, ''
            ) || ' ' || coalesce(user_agent, ''), 'UTF8')), 'hex'),
            1, 30
        ),
        '(..)(....)(....)(....)(....)(....)(....)(....)', '\1:\2:\3:\4:\5:\6:\7:\8'
    ))::inet
END
$$;

-- Views that are not in views_count yet; a job adds them up. Appended only, so that nobody waits for a listing's row.
CREATE TABLE public.views_to_count (
    car_listing_id bigint  NOT NULL,
    views          integer NOT NULL
);

-- When a visitor's view of a listing last counted. Worth little after a crash, so it is not logged.
CREATE UNLOGGED TABLE public.views_counted (
    car_listing_id bigint      NOT NULL,
    visitor        inet        NOT NULL,
    counted_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (car_listing_id, visitor)
);
CREATE INDEX views_counted_by_time ON public.views_counted (counted_at);

-- What programs asked for, by UTC day. A slot each for sixteen connections, so that they seldom wait for each other.
CREATE TABLE public.program_visits (
    day    date     NOT NULL,
    kind   text     NOT NULL,
    slot   smallint NOT NULL,
    visits bigint   NOT NULL,
    PRIMARY KEY (day, kind, slot)
);

-- Requests for events that named an idempotency key, and what they were answered.
CREATE TABLE public.event_requests (
    key      text        PRIMARY KEY,
    asked_at timestamptz NOT NULL DEFAULT now(),
    answer   jsonb
);
CREATE INDEX event_requests_by_time ON public.event_requests (asked_at);

-- Record events, in the caller's transaction. Returns what became of each, in their order: its type, `bot` for a program's, or
-- `unknown` for a listing that there is not. `address`: what is kept of the visitor's, `kept`, `truncated` (/24, /48) or `hashed`
-- (see visitor_key), NULL as the business setting has it. The settings view_minutes, programs and previews_count hold as well.
CREATE FUNCTION public.record_events(
    listing_ids bigint[],
    event_types text[],
    user_ips    inet[]        DEFAULT NULL,
    user_agents text[]        DEFAULT NULL,
    purposes    text[]        DEFAULT NULL,
    happened_at timestamptz[] DEFAULT NULL,
    address     text          DEFAULT NULL
) RETURNS text[]
LANGUAGE plpgsql
AS $$
DECLARE
    kept        text     := coalesce(address, public.business_setting('visitor_address', 'truncated'));
    again_after interval := make_interval(mins => public.business_setting('view_minutes', '30')::integer);
    previews    boolean  := public.business_setting('previews_count', 'no') = 'yes';
    programs    text[]   := ARRAY(
        SELECT '%' || regexp_replace(part, '([%_\\])', '\\\1', 'g') || '%'
        FROM string_to_table(nullif(public.business_setting('programs', 'none'), 'none'), ',') AS part
    );
    today       bytea    := public.visitor_salt();
    wrong       text;
    outcomes    text[];
BEGIN
    SELECT coalesce(quote_literal(t), 'NULL') INTO wrong
    FROM unnest(event_types) AS t
    WHERE t IS NULL OR t NOT IN ('view', 'contact_phone', 'contact_whatsapp', 'favorite', 'share')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% is not a type of event', wrong
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'There are view, contact_phone, contact_whatsapp, favorite and share.';
    END IF;
    IF kept NOT IN ('kept', 'truncated', 'hashed') THEN
        RAISE EXCEPTION 'address: % is not one of kept, truncated, hashed', quote_literal(kept)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT t::text INTO wrong
    FROM unnest(happened_at) AS t
    WHERE t NOT BETWEEN now() - interval '7 days' AND now() + interval '5 minutes'
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'an event of % cannot be recorded', wrong
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It may be seven days old; older ones are imported.';
    END IF;
    WITH given AS MATERIALIZED (
        SELECT n, listing_id, type, user_ip, left(user_agent, 500) AS user_agent, left(purpose, 100) AS purpose,
               coalesce(at, now()) AS at,
               coalesce('+' || left(user_agent, 500), '') || chr(31) || coalesce(left(purpose, 100), '') AS agent
        FROM ROWS FROM (
            unnest(listing_ids), unnest(event_types), unnest(user_ips), unnest(user_agents), unnest(purposes), unnest(happened_at)
        ) WITH ORDINALITY AS e(listing_id, type, user_ip, user_agent, purpose, at, n)
    ),
    agents AS MATERIALIZED (
        -- The patterns are dear, and many visitors have one of few browsers.
        SELECT agent,
               CASE
                   WHEN kind IS NULL AND lower(user_agent) LIKE ANY (programs) THEN 'bot'
                   WHEN kind = 'preview' AND previews THEN NULL
                   ELSE kind
               END AS program
        FROM (SELECT DISTINCT agent, user_agent, coalesce(purpose, '') AS purpose FROM given) AS each
        CROSS JOIN public.program_kind(user_agent, purpose) AS kind
    ),
    known AS MATERIALIZED (
        SELECT id
        FROM public.car_listings
        WHERE id = ANY (listing_ids)
    ),
    judged AS MATERIALIZED (
        SELECT n, known.id AS listing_id, program, at, user_ip,
               CASE WHEN known.id IS NULL THEN 'unknown' WHEN program IS NOT NULL THEN 'bot' ELSE type END AS outcome,
               public.visitor_key(today, user_ip, given.user_agent) AS visitor
        FROM given
        JOIN agents USING (agent)
        LEFT JOIN known ON known.id = given.listing_id
    ),
    recorded AS (
        INSERT INTO public.car_listing_analytics (car_listing_id, event_type, user_ip, created_at)
        SELECT listing_id, outcome,
               CASE kept
                   WHEN 'kept' THEN user_ip
                   WHEN 'truncated' THEN network(set_masklen(user_ip, CASE family(user_ip) WHEN 4 THEN 24 ELSE 48 END))::inet
                   WHEN 'hashed' THEN visitor
               END,
               at
        FROM judged
        WHERE listing_id IS NOT NULL
    ),
    first_of_visitor AS (
        -- In one order, so that two that record the same visits wait for each other and never deadlock.
        INSERT INTO public.views_counted AS before (car_listing_id, visitor)
        SELECT DISTINCT listing_id, visitor
        FROM judged
        WHERE outcome = 'view'
          AND visitor IS NOT NULL
        ORDER BY listing_id, visitor
        ON CONFLICT (car_listing_id, visitor) DO UPDATE
        SET counted_at = now()
        WHERE before.counted_at <= now() - again_after
        RETURNING car_listing_id
    ),
    counted AS (
        INSERT INTO public.views_to_count (car_listing_id, views)
        SELECT listing_id, count(*)
        FROM (
            SELECT car_listing_id AS listing_id FROM first_of_visitor
            UNION ALL
            SELECT listing_id FROM judged WHERE outcome = 'view' AND visitor IS NULL
        ) AS views
        GROUP BY listing_id
    ),
    programs AS (
        INSERT INTO public.program_visits AS before (day, kind, slot, visits)
        SELECT (now() AT TIME ZONE 'UTC')::date, program, pg_backend_pid() % 16, count(*)
        FROM judged
        WHERE program IS NOT NULL
          AND listing_id IS NOT NULL
        GROUP BY program
        ORDER BY program
        ON CONFLICT (day, kind, slot) DO UPDATE
        SET visits = before.visits + excluded.visits
    )
    SELECT array_agg(outcome ORDER BY n) INTO outcomes FROM judged;
    RETURN coalesce(outcomes, '{}');
END
$$;

-- One event: SELECT record_event(42, 'view', '203.0.113.7', 'Mozilla/5.0 ...');
CREATE FUNCTION public.record_event(
    listing_id  bigint,
    event_type  text,
    user_ip     inet        DEFAULT NULL,
    user_agent  text        DEFAULT NULL,
    purpose     text        DEFAULT NULL,
    happened_at timestamptz DEFAULT NULL,
    address     text        DEFAULT NULL
) RETURNS text
LANGUAGE sql
AS $$
SELECT (public.record_events(
    ARRAY[listing_id], ARRAY[event_type], ARRAY[user_ip], ARRAY[user_agent], ARRAY[purpose], ARRAY[happened_at],
    address
))[1]
$$;

-- A photo's picture for links is one of its files as well.
CREATE OR REPLACE FUNCTION public.photo_keys(photos jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
SELECT array(
    SELECT DISTINCT jsonb_array_elements_text(
        jsonb_path_query_array(photos, '$[*] ? (@.type() == "string")')
        || jsonb_path_query_array(photos, '$[*].key')
        || jsonb_path_query_array(photos, '$[*].variants[*].key')
        || jsonb_path_query_array(photos, '$[*].preview.key')
    )
)
$$;

-- The eight bytes of a photo's hash, each with its place: hashes that differ in seven bits share one.
CREATE FUNCTION public.photo_bands(dhash bigint) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT ARRAY(SELECT place * 256 + ((dhash >> place * 8) & 255)::integer FROM generate_series(0, 7) AS place)
$$;
CREATE TABLE public.photo_hashes (
    car_listing_id bigint NOT NULL REFERENCES public.car_listings ON DELETE CASCADE,
    key            text   NOT NULL,
    dhash          bigint NOT NULL,
    PRIMARY KEY (car_listing_id, key)
);
CREATE INDEX photo_hashes_by_band ON public.photo_hashes USING gin (public.photo_bands(dhash));

-- A photo that is on another listing as well, until somebody has looked at it.
CREATE TABLE public.photo_twins (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    car_listing_id   bigint      NOT NULL REFERENCES public.car_listings ON DELETE CASCADE,
    other_listing_id bigint      NOT NULL REFERENCES public.car_listings ON DELETE CASCADE,
    key              text        NOT NULL,
    other_key        text        NOT NULL,
    bits             smallint    NOT NULL,
    found_at         timestamptz NOT NULL DEFAULT now(),
    settled_at       timestamptz,
    settled_by       text,
    UNIQUE (car_listing_id, key, other_listing_id)
);
CREATE INDEX photo_twins_other ON public.photo_twins (other_listing_id);

-- A file that was imported, or is being: how far it is committed, so that the same file goes on from there.
CREATE TABLE public.import_runs (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text        NOT NULL,
    file        text        NOT NULL,
    digest      text        NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    read        bigint      NOT NULL DEFAULT 0,
    imported    bigint      NOT NULL DEFAULT 0,
    there       bigint      NOT NULL DEFAULT 0,
    UNIQUE (kind, digest)
);
CREATE TABLE public.import_errors (
    run_id bigint NOT NULL REFERENCES public.import_runs ON DELETE CASCADE,
    number bigint NOT NULL,
    line   bigint NOT NULL,
    why    text   NOT NULL,
    PRIMARY KEY (run_id, number)
);
"""

# `seen_by` and `photo_keys` stay: they answer as before, and look at more.
DOWN = """
DROP TABLE public.import_errors, public.import_runs, public.photo_twins, public.photo_hashes, public.event_requests,
    public.program_visits, public.views_counted, public.views_to_count, public.visitor_salts;
DROP FUNCTION public.photo_bands, public.record_event, public.record_events, public.visitor_key, public.visitor_salt,
    public.program_kind;
"""


def upgrade() -> None:
    run_marketplace(revision, UP)


def downgrade() -> None:
    undo_marketplace(revision, DOWN)
