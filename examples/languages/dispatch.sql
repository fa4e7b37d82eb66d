-- psql "$DATABASE_URL" --set=listing=42 --file=dispatch.sql
\set ON_ERROR_STOP on
\set QUIET on
\pset tuples_only on
\pset format unaligned

-- Now.
SELECT forecourt.dispatch('increment_views_count', jsonb_build_object('listing_id', :listing::bigint));

-- In five minutes, on another queue.
SELECT forecourt.dispatch(
    'increment_views_count',
    jsonb_build_object('listing_id', :listing::bigint),
    delay => interval '5 minutes',
    queue => 'low'
);
