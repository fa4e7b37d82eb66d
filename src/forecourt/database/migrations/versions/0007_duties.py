"""Mails that became files, wallets by currency, visits that nobody made, and which folder the
photos lie in.
"""

from forecourt.database.schema import run_marketplace, undo_marketplace

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
MARKETPLACE = True

UP = r"""
-- `filed`: there is no mail server, so the mail lies in the outbox.
ALTER TABLE public.notifications
    DROP CONSTRAINT notifications_mail_status_check,
    ADD CONSTRAINT notifications_mail_status_check
        CHECK (mail_status IN ('pending', 'sending', 'sent', 'filed', 'suppressed', 'failed'));
CREATE INDEX notifications_unsettled ON public.notifications (created_at) WHERE mail_status IN ('pending', 'sending');

-- A mail server that did not answer, and until when nobody asks it again.
CREATE TABLE public.mail_outages (
    server text        PRIMARY KEY,
    until  timestamptz NOT NULL,
    why    text        NOT NULL
);

-- Below which balance a wallet is low, by its currency: round figures near 50 US dollars, to be changed at will. A currency that is
-- not here has 50; a provider may have its own.
CREATE TABLE public.wallet_limits (
    currency text          PRIMARY KEY CHECK (currency ~ '^[A-Z]{3}$'),
    amount   numeric(12,2) NOT NULL CHECK (amount > 0)
);
INSERT INTO public.wallet_limits (currency, amount)
VALUES ('AED', 180), ('BHD', 20), ('DZD', 6500), ('EGP', 2500), ('EUR', 50), ('GBP', 40), ('IQD', 65000), ('JOD', 35), ('KWD', 15),
       ('LBP', 4500000), ('LYD', 250), ('MAD', 500), ('OMR', 20), ('QAR', 180), ('SAR', 190), ('SYP', 500000), ('TND', 150),
       ('TRY', 2000), ('USD', 50);
CREATE FUNCTION public.wallet_limit(of_currency text, own numeric) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT coalesce(own, (SELECT amount FROM public.wallet_limits WHERE currency = of_currency), 50) $$;

-- `low_wallet_since`: an episode, from the run that found the balance low to the one that found it well above. `wallet_emptied_at`:
-- since when a wallet that held money holds none; one that never held any has none.
ALTER TABLE public.car_providers
    ADD COLUMN low_wallet_limit numeric(12,2) CHECK (low_wallet_limit > 0),
    ADD COLUMN low_wallet_since timestamptz,
    ADD COLUMN wallet_emptied_at timestamptz;
DROP INDEX public.car_providers_low_wallet;
CREATE FUNCTION public.note_emptied_wallet() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.wallet_emptied_at := CASE WHEN NEW.wallet_balance > 0 THEN NULL ELSE now() END;
    RETURN NEW;
END
$$;
CREATE TRIGGER note_emptied_wallet BEFORE UPDATE OF wallet_balance ON public.car_providers
    FOR EACH ROW WHEN ((OLD.wallet_balance > 0) <> (NEW.wallet_balance > 0)) EXECUTE FUNCTION public.note_emptied_wallet();

-- What to write as an event's type when a listing's page was asked for: 'view' for a person; 'bot' for programs, for the previews
-- that messengers make of a link, and for pages that a browser fetches in case they are wanted. The roll-up leaves 'bot' out.
-- Without a user agent nobody can tell, and it is a view; an empty one no browser sends. CUBOT is a phone.
CREATE FUNCTION public.seen_by(user_agent text, purpose text DEFAULT NULL) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN purpose ~* 'prefetch|prerender|preview' THEN 'bot'
    WHEN btrim(user_agent) = '' THEN 'bot'
    WHEN user_agent ~* (
        '(?<!cu)bot|crawl|spider|slurp|facebookexternalhit|facebookcatalog|meta-externalagent|whatsapp/|skypeuripreview|linkpreview|'
        'embedly|vkshare|headless|lighthouse|pagespeed|inspectiontool|google-read-aloud|mediapartners|feedfetcher|favicon|scrapy|'
        'phantomjs|^(python|curl|wget|go-http-client|java/|ruby|perl|libwww|axios|node|undici|guzzle|postman|apache-httpclient|dart)|'
        'python-requests|aiohttp|httpx|pingdom|statuscake|uptime|ia_archiver|chatgpt-user|perplexity'
    ) THEN 'bot'
    ELSE 'view'
END
$$;

-- Which folder each host keeps the uploads and photos in: hosts that share one find the same mark in it.
CREATE TABLE public.storage_folders (
    host    text        PRIMARY KEY,
    path    text        NOT NULL,
    mark    uuid        NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);
"""

DOWN = """
DROP TABLE public.storage_folders;
DROP FUNCTION public.seen_by;
DROP TRIGGER note_emptied_wallet ON public.car_providers;
DROP FUNCTION public.note_emptied_wallet;
ALTER TABLE public.car_providers
    DROP COLUMN low_wallet_limit,
    DROP COLUMN low_wallet_since,
    DROP COLUMN wallet_emptied_at;
CREATE INDEX car_providers_low_wallet ON public.car_providers (id) WHERE wallet_balance > 0 AND wallet_balance < 50;
DROP FUNCTION public.wallet_limit;
DROP TABLE public.wallet_limits;
DROP TABLE public.mail_outages;
DROP INDEX public.notifications_unsettled;
UPDATE public.notifications SET mail_status = 'sent' WHERE mail_status = 'filed';
ALTER TABLE public.notifications
    DROP CONSTRAINT notifications_mail_status_check,
    ADD CONSTRAINT notifications_mail_status_check
        CHECK (mail_status IN ('pending', 'sending', 'sent', 'suppressed', 'failed'));
"""


def upgrade() -> None:
    run_marketplace(revision, UP)


def downgrade() -> None:
    undo_marketplace(revision, DOWN)
