"""What is noted of a listing's photos goes with it in one statement instead of three for each
listing.
"""

from forecourt.database.schema import run_marketplace, undo_marketplace

revision = "0025"
down_revision = "0022"
branch_labels = None
depends_on = None
MARKETPLACE = True

UP = """
ALTER TABLE public.photo_hashes DROP CONSTRAINT photo_hashes_car_listing_id_fkey;
ALTER TABLE public.photo_twins
    DROP CONSTRAINT photo_twins_car_listing_id_fkey,
    DROP CONSTRAINT photo_twins_other_listing_id_fkey;

-- In the place of those three keys, each of which ran a statement for each listing: a third of what emptying the trash took.
-- Whoever notes something of a listing holds its row meanwhile, as a key would. A plan that was kept since the tables were
-- empty must not read them whole.
CREATE FUNCTION public.forget_photos() RETURNS trigger
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
BEGIN
    DELETE FROM public.photo_hashes WHERE car_listing_id = ANY (ARRAY(SELECT id FROM gone));
    DELETE FROM public.photo_twins WHERE car_listing_id = ANY (ARRAY(SELECT id FROM gone));
    DELETE FROM public.photo_twins WHERE other_listing_id = ANY (ARRAY(SELECT id FROM gone));
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_photos AFTER DELETE ON public.car_listings
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION public.forget_photos();
"""

DOWN = """
DROP TRIGGER forget_photos ON public.car_listings;
DROP FUNCTION public.forget_photos;
ALTER TABLE public.photo_hashes ADD FOREIGN KEY (car_listing_id) REFERENCES public.car_listings ON DELETE CASCADE;
ALTER TABLE public.photo_twins
    ADD FOREIGN KEY (car_listing_id) REFERENCES public.car_listings ON DELETE CASCADE,
    ADD FOREIGN KEY (other_listing_id) REFERENCES public.car_listings ON DELETE CASCADE;
"""


def upgrade() -> None:
    run_marketplace(revision, UP)


def downgrade() -> None:
    undo_marketplace(revision, DOWN)
