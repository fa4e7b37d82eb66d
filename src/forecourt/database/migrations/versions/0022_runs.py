"""Who ran a task by hand, and what monitors answered to its pings."""

from forecourt.database.schema import run

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE forecourt.ticks ADD COLUMN triggered_by text;

CREATE TABLE forecourt.pings (
    task    text        NOT NULL,
    address text        NOT NULL,
    status  text        NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now(),
    error   text,
    PRIMARY KEY (task, address, status)
);
"""

DOWN = """
DROP TABLE forecourt.pings;
ALTER TABLE forecourt.ticks DROP COLUMN triggered_by;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
