"""The settings of the business, as far as they differ from their defaults."""

from forecourt.database.schema import run_marketplace, undo_marketplace

revision = "0014"
down_revision = "0011"
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
"""

DOWN = """
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
