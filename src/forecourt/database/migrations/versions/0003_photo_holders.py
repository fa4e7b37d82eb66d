"""Which listings hold a photo, noted where it is set instead of indexed where it lies; files to
delete, a row a listing.
"""

from forecourt.database.schema import run_marketplace, undo_marketplace

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
MARKETPLACE = True

UP = """
DROP INDEX public.car_listings_photo_keys;

CREATE OR REPLACE FUNCTION public.photo_keys(photos jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
SELECT array(
    SELECT DISTINCT jsonb_array_elements_text(
        jsonb_path_query_array(photos, '$[*] ? (@.type() == "string")')
        || jsonb_path_query_array(photos, '$[*].key')
        || jsonb_path_query_array(photos, '$[*].variants[*].key')
    )
)
$$;

-- Which listings to ask whether a file is in use: all that ever held it. An index on the photos themselves would be written
-- anew at each update of a listing, whatever changed, and take longer than all the others together.
CREATE TABLE public.photo_holders (
    key            text   NOT NULL,
    car_listing_id bigint NOT NULL,
    PRIMARY KEY (key, car_listing_id)
);
CREATE FUNCTION public.note_photo_holder() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO public.photo_holders (key, car_listing_id)
    SELECT unnest(public.photo_keys(NEW.photos)), NEW.id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_photo_holder AFTER INSERT OR UPDATE OF photos ON public.car_listings
    FOR EACH ROW WHEN (NEW.photos <> '[]') EXECUTE FUNCTION public.note_photo_holder();
INSERT INTO public.photo_holders (key, car_listing_id)
SELECT unnest(public.photo_keys(photos)), id
FROM public.car_listings
WHERE photos <> '[]';

-- Files to delete once no listing holds their key any more, as one listing gave them up.
ALTER TABLE public.blob_deletions RENAME TO blob_deletions_by_key;
CREATE TABLE public.blob_deletions (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    enqueued_at timestamptz NOT NULL DEFAULT now(),
    keys        text[]      NOT NULL
);
INSERT INTO public.blob_deletions (enqueued_at, keys)
SELECT enqueued_at, array_agg(key)
FROM public.blob_deletions_by_key
GROUP BY enqueued_at
ORDER BY enqueued_at;
DROP TABLE public.blob_deletions_by_key;
"""

DOWN = """
ALTER TABLE public.blob_deletions RENAME TO blob_deletions_by_listing;
CREATE TABLE public.blob_deletions (
    key         text        PRIMARY KEY,
    enqueued_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO public.blob_deletions (key, enqueued_at)
SELECT key, min(enqueued_at)
FROM public.blob_deletions_by_listing, unnest(keys) AS given_up(key)
GROUP BY key;
DROP TABLE public.blob_deletions_by_listing;
DROP TRIGGER note_photo_holder ON public.car_listings;
DROP FUNCTION public.note_photo_holder;
DROP TABLE public.photo_holders;
CREATE INDEX car_listings_photo_keys ON public.car_listings USING gin (public.photo_keys(photos)) WITH (fastupdate = off);
"""


def upgrade() -> None:
    run_marketplace(revision, UP)


def downgrade() -> None:
    undo_marketplace(revision, DOWN)
