"""Analytics by the hour, days that need not be rolled up again, and what search engines were
told.
"""

from forecourt.database.schema import run_marketplace, undo_marketplace

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
MARKETPLACE = True

UP = """
-- What the raw events of the day were when it was rolled up: while they are the same, so are its stats.
ALTER TABLE public.analytics_days ADD COLUMN digest bigint;

-- All listings together, by hours of UTC, in which every zone's hours and days can be read off.
CREATE TABLE public.analytics_hours (
    hour                    timestamptz PRIMARY KEY,
    total_views             bigint NOT NULL,
    contact_phone_clicks    bigint NOT NULL,
    contact_whatsapp_clicks bigint NOT NULL,
    favorites               bigint NOT NULL,
    shares                  bigint NOT NULL,
    total_events            bigint NOT NULL
);

-- Up to which change search engines were told: one row a request that they accepted.
CREATE TABLE public.sitemap_announcements (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    announced_at timestamptz NOT NULL DEFAULT now(),
    until        timestamptz NOT NULL,
    urls         bigint      NOT NULL
);
"""

DOWN = """
DROP TABLE public.sitemap_announcements, public.analytics_hours;
ALTER TABLE public.analytics_days DROP COLUMN digest;
"""


def upgrade() -> None:
    run_marketplace(revision, UP)


def downgrade() -> None:
    undo_marketplace(revision, DOWN)
