"""Settings of the business, what each user wants to be told, what became of each try, and since
when a listing is sponsored.
"""

from forecourt.database.schema import run_marketplace, undo_marketplace

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
MARKETPLACE = True

UP = """
CREATE TABLE public.business_settings (
    name       text        PRIMARY KEY,
    value      text        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT current_user
);

-- What SQL reads a setting by: as it was set, else its default, which the caller knows.
CREATE FUNCTION public.business_setting(of_name text, otherwise text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT coalesce((SELECT value FROM public.business_settings WHERE name = of_name), otherwise) $$;

CREATE OR REPLACE FUNCTION public.wallet_limit(of_currency text, own numeric) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT coalesce(
    own,
    (SELECT amount FROM public.wallet_limits WHERE currency = of_currency),
    public.business_setting('wallet_limit', '50')::numeric
)
$$;

-- `digest`: its mail waits for a digest, or is in the one that `digest` names.
ALTER TABLE public.notifications
    ADD COLUMN digest uuid,
    DROP CONSTRAINT notifications_mail_status_check,
    ADD CONSTRAINT notifications_mail_status_check
        CHECK (mail_status IN ('pending', 'sending', 'sent', 'filed', 'suppressed', 'failed', 'digest'));
CREATE INDEX notifications_in_digest ON public.notifications (user_id) WHERE mail_status = 'digest';

-- What a user wants of a kind of notice; `*` is every kind that has no row of its own.
CREATE TABLE public.notice_preferences (
    user_id    bigint      NOT NULL REFERENCES public.users ON DELETE CASCADE,
    kind       text        NOT NULL,
    mail       text        NOT NULL CHECK (mail IN ('now', 'digest', 'never')),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, kind)
);

-- Where a user's notices are posted as well. `off_since`: it said that it is gone.
CREATE TABLE public.notice_webhooks (
    user_id    bigint      PRIMARY KEY REFERENCES public.users ON DELETE CASCADE,
    url        text        NOT NULL,
    secret     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    off_since  timestamptz,
    why        text
);

-- Every try to deliver a notice, and what came of it.
CREATE TABLE public.notice_deliveries (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id uuid        NOT NULL REFERENCES public.notifications ON DELETE CASCADE,
    channel         text        NOT NULL CHECK (channel IN ('mail', 'webhook')),
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome         text        NOT NULL,
    detail          text
);
CREATE INDEX notice_deliveries_of_notice ON public.notice_deliveries (notification_id);

-- Mailboxes that their server refused for good.
CREATE TABLE public.mailbox_refusals (
    address text        PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    why     text        NOT NULL
);

-- What the links in mails are signed with; two random uuids have 244 random bits.
CREATE TABLE public.notice_keys (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    key      text    NOT NULL
);
INSERT INTO public.notice_keys (key) VALUES (gen_random_uuid()::text || gen_random_uuid()::text);

-- Since when a listing is sponsored, without a break; it stays when the sponsorship ends, for what is told of it then.
ALTER TABLE public.car_listings ADD COLUMN sponsored_since timestamptz;
CREATE FUNCTION public.note_sponsorship() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.sponsored_since := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER note_sponsorship BEFORE UPDATE OF is_sponsored ON public.car_listings
    FOR EACH ROW WHEN (NEW.is_sponsored AND NOT OLD.is_sponsored) EXECUTE FUNCTION public.note_sponsorship();
CREATE TRIGGER note_sponsored_from_the_start BEFORE INSERT ON public.car_listings
    FOR EACH ROW WHEN (NEW.is_sponsored AND NEW.sponsored_since IS NULL) EXECUTE FUNCTION public.note_sponsorship();
"""

DOWN = """
DROP TRIGGER note_sponsored_from_the_start ON public.car_listings;
DROP TRIGGER note_sponsorship ON public.car_listings;
DROP FUNCTION public.note_sponsorship;
ALTER TABLE public.car_listings DROP COLUMN sponsored_since;
DROP TABLE public.notice_keys, public.mailbox_refusals, public.notice_deliveries, public.notice_webhooks, public.notice_preferences;
DROP INDEX public.notifications_in_digest;
UPDATE public.notifications SET mail_status = 'suppressed' WHERE mail_status = 'digest';
ALTER TABLE public.notifications
    DROP COLUMN digest,
    DROP CONSTRAINT notifications_mail_status_check,
    ADD CONSTRAINT notifications_mail_status_check
        CHECK (mail_status IN ('pending', 'sending', 'sent', 'filed', 'suppressed', 'failed'));
CREATE OR REPLACE FUNCTION public.wallet_limit(of_currency text, own numeric) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT coalesce(own, (SELECT amount FROM public.wallet_limits WHERE currency = of_currency), 50) $$;
DROP FUNCTION public.business_setting;
DROP TABLE public.business_settings;
"""


def upgrade() -> None:
    run_marketplace(revision, UP)


def downgrade() -> None:
    undo_marketplace(revision, DOWN)
