"""More ways to tell: Web Push and Apprise, of notices and of alerts; and mails found again by their
Message-ID when they come back.
"""

from forecourt.database.schema import run, run_marketplace, undo_marketplace

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
MARKETPLACE = True

ENGINE_UP = """
ALTER TABLE forecourt.alert_messages
    DROP CONSTRAINT alert_messages_channel_check,
    ADD CONSTRAINT alert_messages_channel_check
        CHECK (channel IN ('mail', 'webhook') OR channel ~ '^apprise [0-9a-f]{16}$');
"""

UP = """
ALTER TABLE public.notice_deliveries
    DROP CONSTRAINT notice_deliveries_channel_check,
    ADD CONSTRAINT notice_deliveries_channel_check CHECK (channel IN ('mail', 'webhook', 'push', 'apprise'));

-- Of each channel a user may have said nothing; what reaches them at once knows no digest.
ALTER TABLE public.notice_preferences
    ALTER COLUMN mail DROP NOT NULL,
    ADD COLUMN push    text CHECK (push IN ('now', 'never')),
    ADD COLUMN apprise text CHECK (apprise IN ('now', 'never'));

-- By what push services know that it is us (RFC 8292): the two halves as base64url. Whoever subscribed to one pair hears no other.
CREATE TABLE public.push_keys (
    only_one    boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
    public_key  text        NOT NULL,
    private_key text        NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT now()
);

-- The browsers in which a user wants to be told, as PushSubscription.toJSON() names them.
CREATE TABLE public.push_subscriptions (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint      NOT NULL REFERENCES public.users ON DELETE CASCADE,
    endpoint   text        NOT NULL UNIQUE CHECK (endpoint ~ '^https?://[!-~]+$' AND length(endpoint) < 2000),
    p256dh     text        NOT NULL CHECK (p256dh ~ '^B[A-Za-z0-9_-]{86}=?$'),
    auth       text        NOT NULL CHECK (auth ~ '^[A-Za-z0-9_-]{22}(==)?$'),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX push_subscriptions_of_user ON public.push_subscriptions (user_id);

-- Tell a user in this browser from now on, and nobody else who used it before. NULL: there is no such user. Of their browsers the
-- newest twenty are told.
CREATE FUNCTION public.subscribe_to_push(of_user bigint, subscription jsonb) RETURNS bigint
LANGUAGE sql
AS $$
WITH surplus AS (
    DELETE FROM public.push_subscriptions
    WHERE id IN (
        SELECT id
        FROM public.push_subscriptions
        WHERE user_id = of_user
          AND endpoint <> subscription ->> 'endpoint'
        ORDER BY id DESC
        OFFSET 19
    )
)
INSERT INTO public.push_subscriptions (user_id, endpoint, p256dh, auth)
SELECT id, subscription ->> 'endpoint', subscription #>> '{keys,p256dh}', subscription #>> '{keys,auth}'
FROM public.users
WHERE id = of_user
ON CONFLICT (endpoint) DO UPDATE
SET user_id = excluded.user_id,
    p256dh = excluded.p256dh,
    auth = excluded.auth,
    created_at = now()
RETURNING id
$$;
CREATE FUNCTION public.unsubscribe_from_push(of_endpoint text) RETURNS boolean
LANGUAGE sql
AS $$
WITH gone AS (DELETE FROM public.push_subscriptions WHERE endpoint = of_endpoint RETURNING id)
SELECT EXISTS (SELECT FROM gone)
$$;

-- Where a user's notices go by Apprise; the address holds what it takes to write there.
CREATE TABLE public.notice_apprise (
    user_id    bigint      PRIMARY KEY REFERENCES public.users ON DELETE CASCADE,
    url        text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX notifications_by_message ON public.notifications (message_id) WHERE message_id IS NOT NULL;
"""

DOWN = """
DROP INDEX public.notifications_by_message;
DROP FUNCTION public.unsubscribe_from_push, public.subscribe_to_push;
DROP TABLE public.notice_apprise, public.push_subscriptions, public.push_keys;
DELETE FROM public.notice_preferences WHERE mail IS NULL;
ALTER TABLE public.notice_preferences
    ALTER COLUMN mail SET NOT NULL,
    DROP COLUMN push,
    DROP COLUMN apprise;
DELETE FROM public.notice_deliveries WHERE channel IN ('push', 'apprise');
ALTER TABLE public.notice_deliveries
    DROP CONSTRAINT notice_deliveries_channel_check,
    ADD CONSTRAINT notice_deliveries_channel_check CHECK (channel IN ('mail', 'webhook'));
"""

ENGINE_DOWN = """
DELETE FROM forecourt.alert_messages WHERE channel LIKE 'apprise %';
ALTER TABLE forecourt.alert_messages
    DROP CONSTRAINT alert_messages_channel_check,
    ADD CONSTRAINT alert_messages_channel_check CHECK (channel IN ('mail', 'webhook'));
"""


def upgrade() -> None:
    run(ENGINE_UP)
    run_marketplace(revision, UP)


def downgrade() -> None:
    undo_marketplace(revision, DOWN)
    run(ENGINE_DOWN)
