"""What operators ask of one worker, what it takes of its machine, and where a call ran whose worker
is gone."""

from forecourt.database.schema import run

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

UP = """
-- `asked` is what an operator wants of it; `quiet` is what it says of itself, so that nobody takes one of the release before, which
-- does not hear, for quiet. `memory`: bytes of all its processes, what they share counted once.
ALTER TABLE forecourt.workers
    ADD COLUMN asked    text    CHECK (asked IN ('quiet', 'stop')),
    ADD COLUMN asked_by text,
    ADD COLUMN asked_at timestamptz,
    ADD COLUMN quiet    boolean NOT NULL DEFAULT false,
    ADD COLUMN memory   bigint;

-- Workers that are gone, as long as the calls are kept that name them.
CREATE TABLE forecourt.past_workers (
    id      bigint      PRIMARY KEY,
    host    text        NOT NULL,
    pid     integer     NOT NULL,
    gone_at timestamptz NOT NULL DEFAULT now()
);
"""

DOWN = """
DROP TABLE forecourt.past_workers;
ALTER TABLE forecourt.workers
    DROP COLUMN asked,
    DROP COLUMN asked_by,
    DROP COLUMN asked_at,
    DROP COLUMN quiet,
    DROP COLUMN memory;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
