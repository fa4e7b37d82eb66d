"""How long a worker waits for its calls when it is told to stop, and how long others for it."""

from forecourt.database.schema import run

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE forecourt.workers
    ADD COLUMN shutdown_timeout double precision,
    ADD COLUMN stop_grace       double precision;
"""

DOWN = """
ALTER TABLE forecourt.workers
    DROP COLUMN shutdown_timeout,
    DROP COLUMN stop_grace;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
