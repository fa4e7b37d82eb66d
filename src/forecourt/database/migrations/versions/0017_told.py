"""Of what is told: to whom it went, by which call, and why not."""

from forecourt.database.schema import run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE forecourt.alert_messages
    ADD COLUMN call_id bigint,
    ADD COLUMN told    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN error   text;
"""

DOWN = """
ALTER TABLE forecourt.alert_messages
    DROP COLUMN call_id,
    DROP COLUMN told,
    DROP COLUMN error;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
