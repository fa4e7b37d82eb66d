"""Visitors whose addresses are of IPv4 and written as of IPv6 are told apart, and a setting of the
business that will not do stops no event and no warning.
"""

from forecourt.database.schema import run_marketplace, undo_marketplace

revision = "0040"
down_revision = "0036"
branch_labels = None
depends_on = None
MARKETPLACE = True

UP = r"""
-- Record events, in the caller's transaction. Returns what became of each, in their order: its type, `bot` for a program's, or
-- `unknown` for a listing that there is not. `address`: what is kept of the visitor's, `kept`, `truncated` (/24, /48) or `hashed`
-- (see visitor_key), NULL as the business setting has it. The settings view_minutes, programs and previews_count hold as well.
-- An address of IPv4 that a server which listens to both writes as one of IPv6 (::ffff:203.0.113.7) is one of IPv4: their /64 is
-- one and the same, and so would all visitors be. A setting that will not do counts for nothing, as in Python.
CREATE OR REPLACE FUNCTION public.record_events(
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
    kept        text     := coalesce(
        address,
        substring(public.business_setting('visitor_address', 'truncated') FROM '^(?:kept|truncated|hashed)$'),
        'truncated'
    );
    again_after interval := make_interval(
        mins => coalesce(substring(public.business_setting('view_minutes', '30') FROM '^[0-9]{1,4}$')::integer, 30)
    );
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
    IF coalesce(cardinality(listing_ids), 0) <> coalesce(cardinality(event_types), 0) THEN
        RAISE EXCEPTION '% listings and % types: each event has one of both', coalesce(cardinality(listing_ids), 0),
            coalesce(cardinality(event_types), 0)
            USING ERRCODE = 'invalid_parameter_value';
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
        SELECT n, listing_id, type,
               CASE
                   WHEN user_ip <<= '::ffff:0:0/96' THEN inet '0.0.0.0' + (user_ip - inet '::ffff:0.0.0.0')
                   ELSE user_ip
               END AS user_ip,
               left(user_agent, 500) AS user_agent, left(purpose, 100) AS purpose,
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

CREATE OR REPLACE FUNCTION public.wallet_limit(of_currency text, own numeric) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT coalesce(
    own,
    (SELECT amount FROM public.wallet_limits WHERE currency = of_currency),
    nullif(substring(public.business_setting('wallet_limit', '50') FROM '^[0-9]{1,10}(?:[.][0-9]{1,2})?$')::numeric, 0),
    50
)
$$;
"""

# Both functions stay: they take what those before them took.
DOWN = "SELECT"


def upgrade() -> None:
    run_marketplace(revision, UP)


def downgrade() -> None:
    undo_marketplace(revision, DOWN)
